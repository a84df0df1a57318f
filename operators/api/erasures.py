"""The API of erasure, version 1: what is kept of a speaker is deleted on demand."""

import msgspec
from django.db import DatabaseError
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from operators.api import examples
from operators.api.schema import describe
from operators.api.serializers import Problem
from operators.api.views import PROBLEMS, CommandView, refuse, refuse_unserved
from operators.console.console import Console
from operators.console.erasure import KINDS
from operators.db import audit
from scheduling.model import ids

_BAD_REQUEST, _UNAVAILABLE = 400, 503
_LONGEST_NAME = 64
_WITHIN_S = 60.0


class ErasureRequest(serializers.Serializer[None]):
    what = serializers.ChoiceField(choices=KINDS)
    name = serializers.CharField(help_text="The id of the session, the tenant or the principal.")


class Erasure(serializers.Serializer[None]):
    what = serializers.ChoiceField(choices=KINDS)
    name = serializers.CharField()
    sessions = serializers.IntegerField(help_text="How many were looked for.")
    jobs_cancelled = serializers.IntegerField(help_text="Those that were under way.")
    redis_entries = serializers.IntegerField()
    captions = serializers.IntegerField(help_text="Of rooms.")
    recordings = serializers.IntegerField(help_text="Audio that was sent ahead.")
    dead_letters = serializers.IntegerField()
    history_rows = serializers.IntegerField()


@describe(
    operation_id="erase",
    request=ErasureRequest,
    responses={200: Erasure, 400: Problem, **PROBLEMS},
    examples=examples.show(
        "A session that was over",
        {
            "what": "session",
            "name": "s-7F3A91C2",
            "sessions": 1,
            "jobs_cancelled": 0,
            "redis_entries": 12,
            "captions": 3,
            "recordings": 0,
            "dead_letters": 0,
            "history_rows": 4,
        },
    ),
)
class ErasuresView(CommandView):
    """Erase what is kept of a session, or of all of a tenant or a principal; answers how much.

    Jobs under way are cancelled first. The audit log says that it was done, and nothing of what.
    """

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        if console.erasure is None:
            return refuse_unserved()
        asked = request.data if isinstance(request.data, dict) else {}
        kind, name = asked.get("what"), asked.get("name")
        if kind not in KINDS:
            return refuse(_BAD_REQUEST, "INVALID_PARAMETER", f"what is one of {', '.join(KINDS)}.")
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or "\0" in name:
            return refuse(_BAD_REQUEST, "INVALID_PARAMETER", "name says whose.")
        if kind == KINDS[0] and not ids.is_session_id(name):
            return refuse(_BAD_REQUEST, "INVALID_PARAMETER", "name is no id of a session.")
        try:
            report = console.ask(console.erasure.erase(kind, name), within_s=_WITHIN_S)
        except DatabaseError:
            return refuse(_UNAVAILABLE, "DATABASE_DOWN", "The database does not answer.")
        counted = msgspec.structs.asdict(report)
        actor = request.user.get_username()
        audit.record(actor=actor, action=f"{kind}.erase", target=name, **counted)
        return Response({"what": kind, "name": name, **counted})
