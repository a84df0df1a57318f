"""Where speakers connect."""

from django.urls import URLPattern, path

from scheduling.model.metrics import Metrics
from scheduling.model.shares import Shares
from sessions_app.consumers import SessionConsumer
from sessions_app.services import SessionService
from sockets.outbound import OutboundLimits
from sockets.socket_auth import SocketAuth


def build_routes(
    *,
    service: SessionService,
    outbound_limits: OutboundLimits,
    rate: tuple[float, int],
    principal_rate: tuple[float, int],
    most_sessions: int,
    auth: SocketAuth,
    metrics: Metrics,
    most_frame_bytes: int | None = None,
) -> list[URLPattern]:
    """Return the route of ``/ws/session``; `rate` is messages a second, and at once.

    `principal_rate` is the same for all sockets of one principal in this process.
    """
    consumer = SessionConsumer.as_asgi(
        service=service,
        outbound_limits=outbound_limits,
        rate=rate,
        shares=Shares(per_s=principal_rate[0], burst=principal_rate[1]),
        most_sessions=most_sessions,
        auth=auth,
        metrics=metrics,
        most_frame_bytes=most_frame_bytes,
    )
    return [path("ws/session", consumer)]
