"""The API of dead letters, version 1: list, look, replay, purge (T7)."""

from collections.abc import Mapping

from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from operators.api import examples, session_serializers
from operators.api.schema import describe
from operators.api.views import (
    MAY_MISS,
    PAGE,
    PROBLEMS,
    AskingView,
    CommandView,
    ReadView,
    paginate,
    refuse,
)
from operators.console.console import Console
from operators.console.dead_letters import DeadLetterService

_NOT_FOUND, _UNAVAILABLE = 404, 503
_TRUE = frozenset({"true", "1", "yes", "on"})
_NO_LETTER = "No dead letter has this id; it may have been replayed or purged."
_EXAMPLE = {
    "letter_id": "process:5c1e7d/1795190115806-0",
    "target": "instance.5c1e7d!a1",
    "event_type": "job_assigned",
    "reason": "process_gone",
    "deliveries": 1,
    "first_seen_at_ms": 1795190115806,
    "moved_at_ms": 1795190131806,
    "instance": "9d02af",
    "fields": {"job_id": "job-7F3A91C2-0a1b2c3d4e5f", "node_id": "node-1", "attempt_id": "1"},
    "payload_bytes": 21044,
}
_DRY_RUN = OpenApiParameter("dry_run", bool, description="Say what would happen; change nothing.")


class DeadLetterView(AskingView):
    """A view over the dead letters; 503 where the channel layer keeps none."""

    async def ask(self, console: Console, request: Request, **named: str) -> Response:
        if console.dead_letters is None:
            told = "This channel layer keeps no dead letters."
            return refuse(_UNAVAILABLE, "NO_DEAD_LETTERS", told)
        return await self.ask_service(console.dead_letters, request, **named)

    async def ask_service(
        self, service: DeadLetterService, request: Request, **named: str
    ) -> Response:
        """Return the answer, from the event loop."""
        raise NotImplementedError


@describe(
    operation_id="dlq",
    parameters=[
        OpenApiParameter("reason", str, description="For instance process_gone."),
        OpenApiParameter("event_type", str, description="For instance job_assigned."),
        *PAGE,
    ],
    responses={200: session_serializers.DeadLetterPage, **PROBLEMS},
    examples=examples.show("An assignment", examples.page_of(_EXAMPLE)),
)
class DeadLettersView(DeadLetterView, ReadView):
    """Events between instances that nobody took: all instances', the oldest of each first."""

    async def ask_service(
        self, service: DeadLetterService, request: Request, **named: str
    ) -> Response:
        asked = request.query_params
        rows = await service.list_letters(
            reason=asked.get("reason", ""), event_type=asked.get("event_type", "")
        )
        return paginate(rows, request, view=self)


@describe(
    operation_id="dlq_letter",
    responses={200: session_serializers.DeadLetter, **MAY_MISS},
    examples=examples.show("An assignment", _EXAMPLE),
)
class OneDeadLetterView(DeadLetterView, ReadView):
    """One dead letter with its story; its body is not shown."""

    async def ask_service(
        self, service: DeadLetterService, request: Request, **named: str
    ) -> Response:
        letter = await service.find_letter(named["letter_id"])
        if letter is None:
            return refuse(_NOT_FOUND, "NO_SUCH_LETTER", _NO_LETTER)
        return Response(letter)


@describe(
    operation_id="dlq_replay",
    request=None,
    parameters=[_DRY_RUN],
    responses={200: session_serializers.Replayed, **MAY_MISS},
    examples=examples.show("Sent", {"letter_id": _EXAMPLE["letter_id"], "outcome": "replayed"}),
)
class ReplayView(DeadLetterView, CommandView):
    """Send a letter to whoever holds its connection now, once; what is over is refused."""

    async def ask_service(
        self, service: DeadLetterService, request: Request, **named: str
    ) -> Response:
        letter_id = named["letter_id"]
        outcome = await service.replay(letter_id, dry_run=_is_dry(request))
        if outcome == "missing":
            return refuse(_NOT_FOUND, "NO_SUCH_LETTER", _NO_LETTER)
        return Response({"letter_id": letter_id, "outcome": outcome})


@describe(
    operation_id="dlq_purge_letter",
    request=None,
    parameters=[_DRY_RUN],
    responses={200: session_serializers.Purged, **MAY_MISS},
    examples=examples.show("Removed", {"removed": 1}),
)
class PurgeOneView(DeadLetterView, CommandView):
    """Remove one dead letter."""

    async def ask_service(
        self, service: DeadLetterService, request: Request, **named: str
    ) -> Response:
        removed = await service.purge([named["letter_id"]], dry_run=_is_dry(request))
        if not removed:
            return refuse(_NOT_FOUND, "NO_SUCH_LETTER", _NO_LETTER)
        return Response({"removed": removed})


@describe(
    operation_id="dlq_purge",
    request=None,
    parameters=[_DRY_RUN],
    responses={200: session_serializers.Purged, **PROBLEMS},
    examples=examples.show("Removed", {"removed": 3}),
)
class PurgeView(DeadLetterView, CommandView):
    """Remove every dead letter of every instance."""

    async def ask_service(
        self, service: DeadLetterService, request: Request, **named: str
    ) -> Response:
        return Response({"removed": await service.purge(None, dry_run=_is_dry(request))})


def _is_dry(request: Request) -> bool:
    """Say whether only to tell what would happen, as the address says, or the body if it has one.

    :raises ParseError: the body cannot be read
    """
    body = request.data
    if not isinstance(body, Mapping):
        raise ParseError("Send no body, or an object.")
    said = request.query_params.get("dry_run") or body.get("dry_run", "")
    return str(said).lower() in _TRUE
