"""OpenTelemetry: one span for an utterance, one for its dispatch; the node's follows from ours.

Imported only where `LINGUA_TRACES` is not off, so that the packages may be missing elsewhere. What
comes in as `traceparent` (W3C) is the parent, what goes to the node is ours. No span holds audio
or text.
"""

from pathlib import Path
from typing import Any

import msgspec
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
)
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from scheduling.jobs.dispatch import Dispatcher
from scheduling.model.errors import Refusal
from scheduling.model.jobs import Request
from sessions_app.in_flight import InFlight

_NAME = "lingua"
_PARENT = "traceparent"
# Whoever is never told of an end, as a caller over HTTP, leaves a span: the oldest is ended.
_MOST_OPEN = 20_000
_w3c = TraceContextTextMapPropagator()


class Spans:
    """The spans of the utterances that have no answer yet."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer(_NAME)
        self._open: dict[str, Span] = {}

    def begin(self, request: Request) -> Request:
        """Open the span of an utterance; return the request that tells its node of it."""
        job = request.assignment
        parent = _w3c.extract({_PARENT: job.traceparent}) if job.traceparent else None
        span = self._tracer.start_span(
            "utterance",
            context=parent,
            kind=SpanKind.SERVER,
            attributes={
                "lingua.job_id": job.job_id,
                "lingua.session_id": job.session_id,
                "lingua.trace_id": job.trace_id,
                "lingua.request_id": request.request_id or "",
            },
        )
        if len(self._open) >= _MOST_OPEN:
            self.end(next(iter(self._open)))
        self._open[job.job_id] = span
        transport: dict[str, str] = {}
        _w3c.inject(transport, context=trace.set_span_in_context(span))
        told = msgspec.structs.replace(job, traceparent=transport[_PARENT])
        return msgspec.structs.replace(request, assignment=told)

    def make_in_flight(self) -> InFlight:
        """Return a count of unanswered utterances that ends their spans."""
        return TracedInFlight(self)

    def dispatching(self, job_id: str) -> Span:
        """Open the span of a dispatch, within its utterance's; whoever asks ends it."""
        context = trace.set_span_in_context(self._open[job_id])
        return self._tracer.start_span("dispatch", context=context)

    def end(self, job_id: str) -> None:
        """The utterance has its answer, or nobody waits for it."""
        span = self._open.pop(job_id, None)
        if span is not None:
            span.end()

    def make_dispatcher(self, **parts: Any) -> Dispatcher:
        """Return a dispatcher whose dispatches are spans."""
        return TracedDispatcher(self, **parts)


class TracedDispatcher(Dispatcher):
    """Dispatches as ever, within spans."""

    def __init__(self, spans: Spans, **parts: Any) -> None:
        super().__init__(**parts)
        self._spans = spans

    async def dispatch(self, request: Request) -> str | None:
        request = self._spans.begin(request)
        span = self._spans.dispatching(request.assignment.job_id)
        try:
            return await super().dispatch(request)
        except Refusal as refusal:
            span.set_attribute("lingua.reason", refusal.code)
            raise
        finally:
            span.end()


class TracedInFlight(InFlight):
    """Notes answers as ever, and ends their spans."""

    def __init__(self, spans: Spans) -> None:
        super().__init__()
        self._spans = spans

    def end(self, job_id: str) -> None:
        super().end(job_id)
        self._spans.end(job_id)


def open_spans(*, file: Path | None, instance_id: str) -> Spans:
    """Return where spans go: into a file, each as one line of JSON.

    Without one they go to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names.

    :raises ImportError: the packages of requirements-otel.txt are not installed
    """
    resource = Resource.create({"service.name": _NAME, "service.instance.id": instance_id})
    provider = TracerProvider(resource=resource)
    if file is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - a package of its own, that a file does not need
            OTLPSpanExporter,
        )

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return Spans(provider)
    lines = file.open("a", encoding="utf-8")
    written = ConsoleSpanExporter(
        out=lines, formatter=lambda span: span.to_json(indent=None) + "\n"
    )
    provider.add_span_processor(SimpleSpanProcessor(written))
    return Spans(provider)
