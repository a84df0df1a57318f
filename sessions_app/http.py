"""Where speakers without a socket ask (J16)."""

from typing import Any

import msgspec

from sessions_app import http_messages, http_room_messages
from sessions_app.http_rooms import HttpRooms
from sessions_app.http_sessions import HttpSessionService
from sockets.endpoints import Answering, Call, Endpoint, HttpAnswer
from sockets.reader import MessageReader
from sockets.request_auth import RequestAuth

_CREATED = 201


def build_paths(
    *, service: HttpSessionService, rooms: HttpRooms, auth: RequestAuth, most_bytes: int
) -> dict[tuple[str, str], Endpoint]:
    """Return the endpoints of ``/v1/dispatch``, ``/v1/audio``, ``/v1/job`` and ``/v1/room``."""

    async def dispatch(call: Call[http_messages.DispatchUtterance]) -> HttpAnswer:
        answer = await service.dispatch(call)
        status = http_messages.choose_status(answer)
        return HttpAnswer(body=msgspec.json.encode(answer), status=status)

    async def keep_audio(call: Call[bytes]) -> HttpAnswer:
        kept = await service.keep_audio(call)
        return HttpAnswer(body=msgspec.json.encode(kept), status=_CREATED)

    async def open_room(call: Call[http_room_messages.EnterRoom]) -> HttpAnswer:
        seated = await rooms.create(call)
        return HttpAnswer(body=msgspec.json.encode(seated), status=_CREATED)

    async def join_room(call: Call[http_room_messages.EnterRoom]) -> HttpAnswer:
        seated = await rooms.join(call)
        return HttpAnswer(body=msgspec.json.encode(seated), status=_CREATED)

    def read(answer: Answering, reader: MessageReader[Any]) -> Endpoint:
        return Endpoint(answer, auth=auth, reader=reader, most_bytes=most_bytes)

    enter, depart = http_room_messages.reader, http_room_messages.membership_reader
    return {
        ("/v1/room/create", "POST"): read(open_room, enter),
        ("/v1/room/join", "POST"): read(join_room, enter),
        ("/v1/room/language", "POST"): read(
            rooms.choose_language, http_room_messages.language_reader
        ),
        ("/v1/room/leave", "POST"): read(rooms.leave, depart),
        ("/v1/room/end", "POST"): read(rooms.end, depart),
        ("/v1/dispatch/f2f", "POST"): read(dispatch, http_messages.reader),
        ("/v1/audio", "POST"): Endpoint(
            keep_audio,
            auth=auth,
            most_bytes=most_bytes,
            media_type="application/octet-stream",
        ),
        ("/v1/job/", "GET"): Endpoint(service.find_job, auth=auth, has_body=False, most_bytes=0),
        ("/v1/job/", "DELETE"): Endpoint(
            service.cancel_job, auth=auth, has_body=False, most_bytes=0
        ),
    }
