"""The API of dead letters, version 1: list, look, replay, purge (T7)."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from operators import examples, session_shapes, shapes
from operators.api import paginate, refuse
from operators.console import Console
from operators.letter_desk import LetterDesk
from operators.roles import IsOperator
from operators.session_api import PAGE, AskingView

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
_PROBLEMS = {503: shapes.Problem}
_MAY_MISS = {404: shapes.Problem, **_PROBLEMS}


class LetterView(AskingView):
    """A view over the desk of dead letters; 503 where the channel layer keeps none."""

    async def ask(self, console: Console, request: Request, **named: str) -> Response:
        if console.letters is None:
            told = "This channel layer keeps no dead letters."
            return refuse(_UNAVAILABLE, "NO_DEAD_LETTERS", told)
        return await self.ask_desk(console.letters, request, **named)

    async def ask_desk(self, desk: LetterDesk, request: Request, **named: str) -> Response:
        """Return the answer, from the event loop."""
        raise NotImplementedError


class LettersView(LetterView):
    """Events between instances that nobody took: all instances', the oldest of each first."""

    @extend_schema(
        operation_id="dlq",
        parameters=[
            OpenApiParameter("reason", str, description="For instance process_gone."),
            OpenApiParameter("event_type", str, description="For instance job_assigned."),
            *PAGE,
        ],
        responses={200: session_shapes.DeadLetterPage, **_PROBLEMS},
        examples=examples.show("An assignment", examples.page_of(_EXAMPLE)),
    )
    def get(self, request: Request, **named: str) -> Response:
        return super().get(request, **named)

    async def ask_desk(self, desk: LetterDesk, request: Request, **named: str) -> Response:
        asked = request.query_params
        rows = await desk.list_letters(
            reason=asked.get("reason", ""), event_type=asked.get("event_type", "")
        )
        return paginate(rows, request, view=self)


class OneLetterView(LetterView):
    """One dead letter with its story; its body is not shown."""

    @extend_schema(
        operation_id="dlq_letter",
        responses={200: session_shapes.DeadLetter, **_MAY_MISS},
        examples=examples.show("An assignment", _EXAMPLE),
    )
    def get(self, request: Request, **named: str) -> Response:
        return super().get(request, **named)

    async def ask_desk(self, desk: LetterDesk, request: Request, **named: str) -> Response:
        letter = await desk.find_letter(named["letter_id"])
        if letter is None:
            return refuse(_NOT_FOUND, "NO_SUCH_LETTER", _NO_LETTER)
        return Response(letter)


class ReplayView(LetterView):
    """Send a letter to whoever holds its connection now, once; what is over is refused."""

    permission_classes = (IsOperator,)
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="dlq_replay",
        request=None,
        parameters=[_DRY_RUN],
        responses={200: session_shapes.Replayed, **_MAY_MISS},
        examples=examples.show("Sent", {"letter_id": _EXAMPLE["letter_id"], "outcome": "replayed"}),
    )
    def post(self, request: Request, **named: str) -> Response:
        return super().get(request, **named)

    async def ask_desk(self, desk: LetterDesk, request: Request, **named: str) -> Response:
        letter_id = named["letter_id"]
        outcome = await desk.replay(letter_id, dry_run=_is_dry(request))
        if outcome == "missing":
            return refuse(_NOT_FOUND, "NO_SUCH_LETTER", _NO_LETTER)
        return Response({"letter_id": letter_id, "outcome": outcome})


class PurgeOneView(LetterView):
    """Remove one dead letter."""

    permission_classes = (IsOperator,)
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="dlq_purge_letter",
        request=None,
        parameters=[_DRY_RUN],
        responses={200: session_shapes.Purged, **_MAY_MISS},
        examples=examples.show("Removed", {"removed": 1}),
    )
    def post(self, request: Request, **named: str) -> Response:
        return super().get(request, **named)

    async def ask_desk(self, desk: LetterDesk, request: Request, **named: str) -> Response:
        removed = await desk.purge([named["letter_id"]], dry_run=_is_dry(request))
        if not removed:
            return refuse(_NOT_FOUND, "NO_SUCH_LETTER", _NO_LETTER)
        return Response({"removed": removed})


class PurgeView(LetterView):
    """Remove every dead letter of every instance."""

    permission_classes = (IsOperator,)
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="dlq_purge",
        request=None,
        parameters=[_DRY_RUN],
        responses={200: session_shapes.Purged, **_PROBLEMS},
        examples=examples.show("Removed", {"removed": 3}),
    )
    def post(self, request: Request, **named: str) -> Response:
        return super().get(request, **named)

    async def ask_desk(self, desk: LetterDesk, request: Request, **named: str) -> Response:
        return Response({"removed": await desk.purge(None, dry_run=_is_dry(request))})


def _is_dry(request: Request) -> bool:
    return request.query_params.get("dry_run", "").lower() in _TRUE
