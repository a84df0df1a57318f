"""The API of sessions, version 1."""

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from operators.api import examples, session_serializers
from operators.api.authentication import find_bound_tenant
from operators.api.schema import describe
from operators.api.views import (
    MAY_MISS,
    PAGE,
    PROBLEMS,
    AskingView,
    ReadView,
    paginate,
    refuse,
    refuse_unserved,
)
from operators.console.console import Console
from operators.console.sessions import SessionFilter

_NOT_FOUND = 404
_EXAMPLE_SESSION = {
    "session_id": "s-7F3A91C2",
    "instance_id": "i-5c1e",
    "tenant_id": "default",
    "languages": [{"src": "en", "tgt": "es"}],
    "connected_at_ms": 1795190115806,
}


@describe(
    operation_id="sessions",
    parameters=[
        OpenApiParameter("tenant_id", str),
        OpenApiParameter("instance_id", str),
        OpenApiParameter("language", str, description="Spoken or heard."),
        *PAGE,
    ],
    responses={200: session_serializers.SessionPage, **PROBLEMS},
    examples=examples.show("One speaker", examples.page_of(_EXAMPLE_SESSION)),
)
class SessionsView(AskingView, ReadView):
    """The sessions of all instances, the latest first, at most some seconds old."""

    serves_tenants = True

    async def ask(self, console: Console, request: Request, **named: str) -> Response:
        if console.sessions is None:
            return refuse_unserved()
        asked = request.query_params
        wanted = SessionFilter(
            tenant_id=asked.get("tenant_id", ""),
            instance_id=asked.get("instance_id", ""),
            language=asked.get("language", ""),
            only_of=find_bound_tenant(request),
        )
        return paginate(await console.sessions.list_sessions(wanted), request, view=self)


@describe(
    operation_id="session",
    responses={200: session_serializers.SessionDetail, **MAY_MISS},
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
class SessionView(AskingView, ReadView):
    """One session as Redis has it now; what lets it resume is not shown."""

    serves_tenants = True

    async def ask(self, console: Console, request: Request, **named: str) -> Response:
        if console.sessions is None:
            return refuse_unserved()
        found = await console.sessions.find_session(named["session_id"])
        bound = find_bound_tenant(request)
        if found is None or (bound and found["profile"].get("tenant_id") != bound):
            return refuse(_NOT_FOUND, "NO_SUCH_SESSION", "No session has this id, or it ended.")
        return Response(found)
