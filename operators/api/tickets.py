"""POST /api/v1/tickets: a browser's way to the session socket."""

from typing import cast

from django.contrib.auth.models import AbstractBaseUser
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from operators.api import examples, serializers
from operators.api.authentication import (
    LoginAuthentication,
    TokenAuthentication,
    allows,
    find_principal,
)
from operators.api.throttles import PrincipalThrottle
from operators.db.installation import get_installation
from operators.db.tokens import describe_person
from scheduling.model.credentials import Scope, name_listener
from sockets.socket_auth import SUBPROTOCOL
from sockets.tickets import sign_ticket


class MaySpeak(BasePermission):
    """Lets in a token with the scope `session`, anybody logged in, and on a laptop everybody."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not get_installation().needs_login:
            return True
        principal = find_principal(request)
        if principal is not None:
            return allows(principal, Scope.SESSION)
        return bool(request.user.is_authenticated and request.user.is_active)


class TicketView(APIView):
    """Gives a ticket: good once, for seconds, for one session socket; or to listen in a room."""

    authentication_classes = (TokenAuthentication, LoginAuthentication)
    permission_classes = (MaySpeak,)
    throttle_classes = (PrincipalThrottle,)

    @extend_schema(
        operation_id="ticket",
        request=serializers.TicketWish,
        responses={
            200: serializers.Ticket,
            201: serializers.Ticket,
            400: OpenApiTypes.OBJECT,
            429: serializers.Detail,
        },
        examples=examples.show("For thirty seconds", examples.TICKET, status="201"),
    )
    def post(self, request: Request) -> Response:
        """Return the ticket, and the subprotocols that carry it in place of `?ticket=`.

        With `room_code` it is one to listen in that room: for a whole audience, as often as it is
        shown, until it expires, and for nothing else.
        """
        wish = serializers.TicketWish(data=request.data)
        wish.is_valid(raise_exception=True)
        room_code = wish.validated_data.get("room_code", "")
        if not get_installation().needs_login:
            return Response({"ticket": None, "expires_at_ms": None, "subprotocols": []})
        principal = find_principal(request)
        if principal is None:
            principal = describe_person(cast("AbstractBaseUser", request.user), version=0).principal
        life_ms = get_installation().ticket_ms
        if room_code:
            life_ms = get_installation().listen_ticket_ms
            room_id = wish.validated_data.get("room_id", "")
            principal = name_listener(principal, room_code=room_code, room_id=room_id)
        text, ticket = sign_ticket(principal, life_ms=life_ms)
        return Response(
            {
                "ticket": text,
                "expires_at_ms": ticket.expires_at_ms,
                "subprotocols": [SUBPROTOCOL, f"lingua.bearer.{text}"],
            },
            status=201,
            headers={"Cache-Control": "no-store"},
        )
