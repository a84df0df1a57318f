"""The API of rooms, version 1."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from operators.api import examples
from operators.api.authentication import find_bound_tenant
from operators.api.schema import describe
from operators.api.serializers import Page
from operators.api.views import (
    MAY_MISS,
    PAGE,
    PROBLEMS,
    AskingView,
    CommandView,
    ReadView,
    paginate,
    refuse,
    refuse_unserved,
)
from operators.console.console import Console
from operators.db import audit

_NOT_FOUND = 404
_EXAMPLE = {
    "room_code": "482913",
    "host_id": "s-7F3A91C2",
    "members": [
        {
            "session_id": "s-7F3A91C2",
            "instance_id": "i-5c1e",
            "listens_in": "es",
            "joined_at_ms": 1795190115806,
        }
    ],
    "listeners": 212,
    "languages": ["en", "es", "fr"],
    "active_at_ms": 1795190119112,
}


class RoomMember(serializers.Serializer[None]):
    session_id = serializers.CharField()
    instance_id = serializers.CharField(help_text="Where its socket is.")
    listens_in = serializers.CharField()
    joined_at_ms = serializers.IntegerField()


class Room(serializers.Serializer[None]):
    room_code = serializers.CharField()
    host_id = serializers.CharField(help_text="The session that opened it.")
    members = RoomMember(many=True, help_text="Who speaks, in the order they came.")
    listeners = serializers.IntegerField(help_text="Who only listens.")
    languages = serializers.ListField(
        child=serializers.CharField(), help_text="Those that somebody in it listens in."
    )
    active_at_ms = serializers.IntegerField(help_text="Its last join or caption.")


class RoomPage(Page):
    results = Room(many=True)


class RoomEnded(serializers.Serializer[None]):
    room_code = serializers.CharField()
    ended = serializers.BooleanField()


@describe(
    operation_id="rooms",
    parameters=PAGE,
    responses={200: RoomPage, **PROBLEMS},
    examples=examples.show("One room", examples.page_of(_EXAMPLE)),
)
class RoomsView(AskingView, ReadView):
    """The rooms of all instances, those opened last first; nothing of what is said in them.

    Who reads one tenant sees the rooms in which that has members, and its members alone.
    """

    serves_tenants = True

    async def ask(self, console: Console, request: Request, **named: str) -> Response:
        if console.rooms is None:
            return refuse_unserved()
        found = await console.rooms.list_rooms(only_of=find_bound_tenant(request))
        return paginate(found, request, view=self)


@describe(
    operation_id="room_end",
    request=None,
    responses={200: RoomEnded, **MAY_MISS},
    examples=examples.show("Ended", {"room_code": "482913", "ended": True}),
)
class RoomEndView(CommandView):
    """End a room: everybody in it is told that it is over."""

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        code = named["room_code"]
        if console.rooms is None:
            return refuse_unserved()
        if not console.ask(console.rooms.end(code)):
            return refuse(_NOT_FOUND, "ROOM_NOT_FOUND", "No room has this code, or it is over.")
        audit.record(actor=request.user.get_username(), action="room.end", target=code)
        return Response({"room_code": code, "ended": True})
