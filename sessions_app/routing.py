"""Where speakers connect."""

from django.urls import URLPattern, path

from sessions_app.consumers import SessionConsumer
from sessions_app.services import SessionService
from sockets.outbound import OutboundLimits
from sockets.socket_auth import SocketAuth


def build_routes(
    *,
    service: SessionService,
    outbound_limits: OutboundLimits,
    rate: tuple[float, int],
    auth: SocketAuth,
    most_frame_bytes: int | None = None,
) -> list[URLPattern]:
    """Return the route of ``/ws/session``; `rate` is messages a second, and at once."""
    consumer = SessionConsumer.as_asgi(
        service=service,
        outbound_limits=outbound_limits,
        rate=rate,
        auth=auth,
        most_frame_bytes=most_frame_bytes,
    )
    return [path("ws/session", consumer)]
