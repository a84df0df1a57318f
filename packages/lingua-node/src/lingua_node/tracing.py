"""OpenTelemetry for a node: a span around a handler, in the trace that the job came with.

Needs pip's ``lingua-node[otel]``; nothing else of this package imports it.
"""

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from lingua_node.handlers import as_async
from lingua_node.jobs import AsyncHandler, Handler, Job, JobFailed, Result

_w3c = TraceContextTextMapPropagator()


def trace_jobs(handler: Handler, *, provider: TracerProvider | None = None) -> AsyncHandler:
    """Return the handler within a span ``job`` for each attempt; by default the global provider.

    The handler's own spans become its children. Texts and audio are in none of them.
    """
    tracer = trace.get_tracer("lingua_node", tracer_provider=provider)

    work = as_async(handler)

    async def handle(job: Job) -> Result:
        assign = job.assign
        parent = _w3c.extract({"traceparent": assign.traceparent or ""})
        attributes: dict[str, str | int] = {
            "lingua.job_id": assign.job_id,
            "lingua.attempt_id": assign.attempt_id,
            "lingua.session_id": assign.session_id,
            "lingua.trace_id": assign.trace_id,
        }
        with tracer.start_as_current_span(
            "job",
            context=parent,
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            # An error's text may hold what was said.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await work(job)
            except JobFailed as failed:
                span.set_status(Status(StatusCode.ERROR, failed.code))
                raise

    return handle
