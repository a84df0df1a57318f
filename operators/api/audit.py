"""The API of the audit log, version 1: what was done, by whom, from where."""

import datetime as dt
from typing import Any

from django.db import DatabaseError
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from operators.api import examples, serializers
from operators.api.filters import BadFilter, Rows, read_filters
from operators.api.roles import IsAdmin
from operators.api.schema import describe
from operators.api.views import PAGE, PROBLEMS, ReadView, paginate, refuse
from operators.console.console import Console
from operators.db import audit_chain
from operators.db.token_models import AuditEntry

_BAD_REQUEST, _UNAVAILABLE = 400, 503
_EXACT = ("actor", "action", "target")


@describe(
    operation_id="audit",
    parameters=[
        OpenApiParameter("actor", str, description="A user name, or the prefix of a token."),
        OpenApiParameter("action", str, description="For instance token.revoke."),
        OpenApiParameter("target", str),
        OpenApiParameter("since", dt.datetime, description="Done at this moment or later."),
        OpenApiParameter("until", dt.datetime, description="Done before this moment."),
        *PAGE,
    ],
    responses={200: serializers.AuditPage, 400: serializers.Problem, **PROBLEMS},
    examples=examples.show("A token was revoked", examples.page_of(examples.AUDIT_ENTRY)),
)
class AuditView(ReadView):
    """The audit log, newest first, for admins: each entry as `manage.py audit export` writes it."""

    permission_classes = (IsAdmin,)

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        try:
            chosen = read_filters(request.query_params, exact=_EXACT, moment="at")
            found = AuditEntry.objects.filter(**chosen)
            return paginate(Rows(found, describe=_describe), request, view=self)
        except BadFilter as bad:
            return refuse(_BAD_REQUEST, "INVALID_PARAMETER", str(bad))
        except DatabaseError:
            return refuse(_UNAVAILABLE, "DATABASE_DOWN", "The database does not answer.")


def _describe(entry: AuditEntry) -> dict[str, Any]:
    return {**audit_chain.describe(entry), "digest": entry.digest}
