"""Where nodes connect."""

from django.urls import URLPattern, path

from nodes.consumers import NodeConsumer
from nodes.flaw_reporter import FlawReporter
from nodes.job_declines import JobDeclines
from nodes.job_service import NodeJobService
from nodes.partial_results import PartialResults
from nodes.services import NodeService
from scheduling.model.shares import Shares
from sockets.outbound import OutboundLimits
from sockets.socket_auth import SocketAuth


def build_routes(
    *,
    service: NodeService,
    jobs: NodeJobService,
    declines: JobDeclines,
    partials: PartialResults,
    flaws: FlawReporter,
    outbound_limits: OutboundLimits,
    auth: SocketAuth,
    principal_rate: tuple[float, int],
    most_frame_bytes: int | None = None,
) -> list[URLPattern]:
    """Return the route of ``/ws/node``; `principal_rate` is frames a second, and at once."""
    consumer = NodeConsumer.as_asgi(
        service=service,
        jobs=jobs,
        declines=declines,
        partials=partials,
        flaws=flaws,
        outbound_limits=outbound_limits,
        auth=auth,
        most_frame_bytes=most_frame_bytes,
        shares=Shares(per_s=principal_rate[0], burst=principal_rate[1]),
    )
    return [path("ws/node", consumer)]
