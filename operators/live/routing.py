"""Where the live pages' socket connects."""

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from django.urls import URLPattern, path

from operators.db.rights import RIGHTS
from operators.live.feed import LiveFeed, LiveSocket
from scheduling.model.credentials import Scope


def build_routes(*, feed: LiveFeed, needs_login: bool) -> list[URLPattern]:
    """Return the route of ``/ws/live``: for viewers where a login is on."""
    socket: Any = LiveSocket(feed)
    if needs_login:
        socket = AuthMiddlewareStack(_ViewersOnly(socket))
    return [path("ws/live", socket)]


class _ViewersOnly:
    """Refuses the handshake of everybody else."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        user = scope["user"]
        if user.is_active and await database_sync_to_async(user.has_perm)(RIGHTS[Scope.READ]):
            await self._application(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close", "code": 4403})
