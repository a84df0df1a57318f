"""Composition of what works over HTTP: nodes and speakers without a socket."""

import dataclasses
from collections.abc import Sequence

import nodes.http
import sessions_app.http
from lingua import settings
from lingua.composition.access import AccessParts
from lingua.composition.limits import read_node_outbound
from lingua.composition.services import Infrastructure, Services, build_sessions
from lingua.serving.asgi_types import AsgiApp
from lingua.serving.supervisor import Loop
from nodes.http_nodes import HttpNodes
from nodes.job_reports import JobReports
from nodes.job_service import NodeJobService
from nodes.services import NodeService
from scheduling.jobs.attempts import Attempts
from scheduling.jobs.hooks import Hooks
from scheduling.jobs.recordings import Recordings
from scheduling.store.hooks import HookStore
from scheduling.store.recordings import RecordingStore
from sessions_app.http_sessions import HttpSessionService
from sessions_app.webhook_client import WebhookClient
from sockets.endpoints import Endpoints


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorkParts:
    """The application below ``/v1/``, its loops, and how it is told that the process ends."""

    application: AsgiApp
    links: HttpNodes
    calls: HttpSessionService
    loops: Sequence[Loop]

    def leave(self) -> None:
        """Send nodes to other instances; what they were given may still be answered here."""
        self.links.leave()
        self.calls.leave()


def build_work(
    infrastructure: Infrastructure,
    services: Services,
    *,
    access: AccessParts,
    nodes_service: NodeService,
    jobs: NodeJobService,
    attempts: Attempts,
) -> WorkParts:
    """Build the paths of nodes and speakers without a socket."""
    links = HttpNodes(
        service=nodes_service,
        jobs=jobs,
        registry=services.registry,
        attempts=attempts,
        delivery=services.delivery,
        access=access.access,
        limits=read_node_outbound(),
        idle_ms=round(settings.LINGUA_NODE_POLL_IDLE_S * 1000),
        heartbeat_ms=round(settings.LINGUA_HEARTBEAT_INTERVAL_S * 1000),
    )
    reports = JobReports(
        links=links,
        jobs=jobs,
        registry=services.registry,
        attempts=attempts,
        delivery=services.delivery,
        access=access.access,
    )
    calls = _build_calls(infrastructure, services)
    application = Endpoints(
        {
            **nodes.http.build_paths(
                links=links,
                reports=reports,
                auth=access.node_requests,
                most_bytes=_find_limit(settings.LINGUA_NODE_MAX_FRAME_BYTES),
            ),
            **sessions_app.http.build_paths(
                service=calls,
                auth=access.session_requests,
                most_bytes=_find_limit(settings.LINGUA_SESSION_MAX_FRAME_BYTES),
            ),
        }
    )
    return WorkParts(application=application, links=links, calls=calls, loops=[links])


def _build_calls(infrastructure: Infrastructure, services: Services) -> HttpSessionService:
    stores = services.stores
    hooks = Hooks(
        hooks=HookStore(
            infrastructure.connection,
            keys=infrastructure.keys,
            life_ms=services.job_limits.live_record_ms,
        ),
        jobs=stores.jobs,
        timer_store=stores.timers,
        settlement=services.settlement,
        webhook_client=WebhookClient(hosts=tuple(settings.LINGUA_HOOK_HOSTS)),
        most_tries=settings.LINGUA_HOOK_MAX_TRIES,
        timeout_ms=round(settings.LINGUA_HOOK_TIMEOUT_S * 1000),
    )
    services.watchdog.on_hook = hooks.look_soon
    recordings = RecordingStore(
        infrastructure.connection,
        keys=infrastructure.keys,
        life_ms=settings.LINGUA_AUDIO_REF_TTL_S * 1000,
    )
    return HttpSessionService(
        sessions=build_sessions(infrastructure, services),
        recordings=Recordings(store=recordings),
        hooks=hooks,
        delivery=services.delivery,
        dispatcher=services.dispatcher,
        settlement=services.settlement,
    )


def _find_limit(most_frame_bytes: int) -> int:
    """Return the longest body: what a frame may have, as far as HTTP takes that much."""
    return min(most_frame_bytes, settings.LINGUA_HTTP_MAX_BODY_BYTES)
