"""The API of sessions, version 1."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from operators import examples, session_shapes, shapes
from operators.api import ConsoleView, paginate, refuse
from operators.console import Console
from operators.session_desk import SessionFilter
from scheduling.errors import DependencyDown

_NOT_FOUND, _UNAVAILABLE = 404, 503
_EXAMPLE_SESSION = {
    "session_id": "s-7F3A91C2",
    "instance_id": "i-5c1e",
    "tenant_id": "default",
    "languages": [{"src": "en", "tgt": "es"}],
    "connected_at_ms": 1795190115806,
}
PAGE = [OpenApiParameter("limit", int), OpenApiParameter("offset", int)]
_PROBLEMS = {503: shapes.Problem}
_MAY_MISS = {404: shapes.Problem, **_PROBLEMS}


class AskingView(ConsoleView):
    """A view whose answer needs Redis: asked on the event loop, waited for in this thread."""

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        try:
            return console.ask(self.ask(console, request, **named))
        except DependencyDown as down:
            return refuse(_UNAVAILABLE, down.code, str(down))

    async def ask(self, console: Console, request: Request, **named: str) -> Response:
        """Return the answer, from the event loop."""
        raise NotImplementedError


class SessionsView(AskingView):
    """The sessions of all instances, the latest first, at most some seconds old."""

    @extend_schema(
        operation_id="sessions",
        parameters=[
            OpenApiParameter("tenant_id", str),
            OpenApiParameter("instance_id", str),
            OpenApiParameter("language", str, description="Spoken or heard."),
            *PAGE,
        ],
        responses={200: session_shapes.SessionPage, **_PROBLEMS},
        examples=examples.show("One speaker", examples.page_of(_EXAMPLE_SESSION)),
    )
    def get(self, request: Request, **named: str) -> Response:
        return super().get(request, **named)

    async def ask(self, console: Console, request: Request, **named: str) -> Response:
        if console.sessions is None:
            return _refuse_sessions()
        asked = request.query_params
        wanted = SessionFilter(
            tenant_id=asked.get("tenant_id", ""),
            instance_id=asked.get("instance_id", ""),
            language=asked.get("language", ""),
        )
        return paginate(await console.sessions.list_sessions(wanted), request, view=self)


class SessionView(AskingView):
    """One session as Redis has it now; what lets it resume is not shown."""

    @extend_schema(
        operation_id="session",
        responses={200: session_shapes.SessionDetail, **_MAY_MISS},
        examples=examples.show(
            "One that can resume",
            {
                "session_id": "s-7F3A91C2",
                "instance_id": "i-5c1e",
                "opened_at_ms": 1795190115806,
                "is_resumable": True,
                "profile": {"src_lang": "en", "tgt_lang": "es", "tenant_id": "default"},
                "unacknowledged_jobs": ["job-7F3A91C2-0a1b2c3d4e5f"],
            },
        ),
    )
    def get(self, request: Request, **named: str) -> Response:
        return super().get(request, **named)

    async def ask(self, console: Console, request: Request, **named: str) -> Response:
        if console.sessions is None:
            return _refuse_sessions()
        found = await console.sessions.find_session(named["session_id"])
        if found is None:
            return refuse(_NOT_FOUND, "NO_SUCH_SESSION", "No session has this id, or it ended.")
        return Response(found)


def _refuse_sessions() -> Response:
    return refuse(_UNAVAILABLE, "NO_INSTANCE", "No running instance serves this request.")
