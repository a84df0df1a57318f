"""Where speakers without a socket ask (J16)."""

import msgspec

from sessions_app import http_messages
from sessions_app.http_sessions import HttpSessionService
from sockets.endpoints import Call, Endpoint, HttpAnswer
from sockets.request_auth import RequestAuth

_CREATED = 201


def build_paths(
    *, service: HttpSessionService, auth: RequestAuth, most_bytes: int
) -> dict[tuple[str, str], Endpoint]:
    """Return the endpoints of ``/v1/dispatch/f2f``, ``/v1/audio`` and ``/v1/job/<id>``."""

    async def dispatch(call: Call[http_messages.DispatchUtterance]) -> HttpAnswer:
        answer = await service.dispatch(call)
        status = http_messages.choose_status(answer)
        return HttpAnswer(body=msgspec.json.encode(answer), status=status)

    async def keep_audio(call: Call[bytes]) -> HttpAnswer:
        kept = await service.keep_audio(call)
        return HttpAnswer(body=msgspec.json.encode(kept), status=_CREATED)

    return {
        ("/v1/dispatch/f2f", "POST"): Endpoint(
            dispatch,
            auth=auth,
            reader=http_messages.reader,
            most_bytes=most_bytes,
        ),
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
