"""Where nodes connect."""

from django.urls import URLPattern, path

from nodes.consumers import NodeConsumer
from nodes.flaw_reporter import FlawReporter
from nodes.job_service import NodeJobService
from nodes.services import NodeService
from sockets.outbound import OutboundLimits
from sockets.socket_auth import SocketAuth


def build_routes(
    *,
    service: NodeService,
    jobs: NodeJobService,
    flaws: FlawReporter,
    outbound_limits: OutboundLimits,
    auth: SocketAuth,
    most_frame_bytes: int | None = None,
) -> list[URLPattern]:
    """Return the route of ``/ws/node``."""
    consumer = NodeConsumer.as_asgi(
        service=service,
        jobs=jobs,
        flaws=flaws,
        outbound_limits=outbound_limits,
        auth=auth,
        most_frame_bytes=most_frame_bytes,
    )
    return [path("ws/node", consumer)]
