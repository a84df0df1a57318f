"""Where listeners connect."""

from django.urls import URLPattern, path

from scheduling.model.metrics import Metrics
from sessions_app.listening.consumers import ListenConsumer
from sessions_app.listening.listener_seats import ListenerSeats
from sockets.outbound import OutboundLimits
from sockets.socket_auth import SocketAuth


def build_routes(
    *,
    seats: ListenerSeats,
    outbound_limits: OutboundLimits,
    auth: SocketAuth,
    metrics: Metrics,
    most_frame_bytes: int | None = None,
) -> list[URLPattern]:
    """Return the route of ``/ws/listen``."""
    consumer = ListenConsumer.as_asgi(
        seats=seats,
        outbound_limits=outbound_limits,
        auth=auth,
        metrics=metrics,
        most_frame_bytes=most_frame_bytes,
    )
    return [path("ws/listen", consumer)]
