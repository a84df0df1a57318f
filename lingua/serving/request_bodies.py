"""HTTP requests with bodies bounded in size, under any server."""

from lingua.serving.asgi_types import AsgiApp, Message, Receive, Scope, Send

_TOO_LARGE = 413


def bound_bodies(application: AsgiApp, *, max_bytes: int) -> AsgiApp:
    """Return `application` behind a check: a longer body is answered with 413, not read."""

    async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
        if _announced_bytes(scope) > max_bytes:
            await _refuse(send)
            return
        body = _CountedBody(receive=receive, max_bytes=max_bytes)
        await application(scope, body.receive, send)
        if body.is_too_long:
            await _refuse(send)

    return bounded


class _CountedBody:
    """A body that, once too long, looks to the application like a client that went away."""

    def __init__(self, *, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._left_bytes = max_bytes

    @property
    def is_too_long(self) -> bool:
        return self._left_bytes < 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._left_bytes -= len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.is_too_long else message


def _announced_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _refuse(send: Send) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": _TOO_LARGE, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
