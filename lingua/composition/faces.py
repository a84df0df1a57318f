"""Composition of the faces: what speakers, nodes and operators meet."""

from channels.routing import URLRouter

import nodes.routing
import operators.live.routing
import sessions_app.routing
from lingua import settings
from lingua.composition.access import AccessParts
from lingua.composition.console import build_console
from lingua.composition.limits import read_node_outbound, read_session_limits
from lingua.composition.network import Network
from lingua.composition.pools import PoolParts
from lingua.composition.services import Core, Ground, build_sessions
from nodes.asr_metrics import Recognition
from nodes.credentials import NodeCredentials
from nodes.job_service import NodeJobService
from nodes.services import NodeService
from operators.console.cluster_stats import Gathering
from operators.console.console import Console, Parts
from operators.console.dead_letters import LetterDesk
from operators.console.fleet import FleetDesk
from operators.console.sessions import SessionDesk
from scheduling.jobs.attempts import Attempts
from sessions_app.in_flight import InFlight
from sessions_app.services import SessionService
from sessions_app.stale_requests import LateAnswers
from sockets.outbound import OutboundLimits

_LATE_ANSWERS_EVERY_S = 1.0


def build_session_service(ground: Ground, core: Core, *, in_flight: InFlight) -> SessionService:
    """Build what the sockets of speakers call."""
    return SessionService(
        sessions=build_sessions(ground, core),
        delivery=core.delivery,
        dispatcher=core.dispatcher,
        settlement=core.settlement,
        in_flight=in_flight,
        limits=read_session_limits(),
        use_binary_frames=settings.LINGUA_SESSION_BINARY_FRAMES,
        journal=ground.journal,
        grace_s=settings.LINGUA_SESSION_GRACE_S,
    )


def build_late_answers(core: Core) -> LateAnswers:
    """Build the loop that asks about what speakers wait for too long."""
    return LateAnswers(
        delivery=core.delivery,
        patience_ms=core.job_limits.patience_ms,
        interval_s=_LATE_ANSWERS_EVERY_S,
    )


def build_attempts(ground: Ground, core: Core) -> Attempts:
    """Build what the word of a node does to its attempts."""
    return Attempts(
        stores=core.stores,
        fleet=core.fleet,
        recovery=core.recovery,
        limits=core.job_limits,
        wait_until_up=ground.connection.wait_until_up,
    )


def build_job_service(
    ground: Ground, core: Core, *, attempts: Attempts, pools: PoolParts
) -> NodeJobService:
    """Build what takes the words of nodes about their jobs."""
    return NodeJobService(
        attempts=attempts,
        delivery=core.delivery,
        settlement=core.settlement,
        recovery=core.recovery,
        recognition=Recognition(ground.journal),
        absences=pools.absences,
    )


def build_node_service(
    ground: Ground, core: Core, *, entrance: AccessParts, jobs: NodeJobService
) -> NodeService:
    """Build what registers nodes, over whatever they come."""
    return NodeService(
        registry=core.registry,
        delivery=core.delivery,
        jobs=jobs,
        credentials=NodeCredentials(access=entrance.access),
        recognition=Recognition(ground.journal),
        require_gpu=settings.LINGUA_REQUIRE_GPU,
    )


def build_operators_console(
    ground: Ground, core: Core, *, pools: PoolParts, network: Network
) -> Console:
    """Build what the pages and the API of operators ask."""
    gathering = Gathering(
        instance_id=ground.instance_id,
        store=network.instances,
        list_others=network.peers.list_others,
        measure_inbox=network.carrier.measure,
        count_letters=network.carrier.count_letters,
        delivery=core.delivery,
        waiting=core.dispatcher.waiting,
        interval_s=settings.LINGUA_STATS_INTERVAL_S,
    )
    dead_letters = network.carrier.dead_letters
    return build_console(
        ground.instance_id,
        Parts(
            journal=ground.journal,
            fleet=core.fleet,
            delivery=core.delivery,
            waiting=core.dispatcher.waiting,
            jobs=core.stores.jobs,
            decisions=core.stores.decisions,
            desk=FleetDesk(
                fleet=core.fleet,
                explainer=core.explainer,
                steering=core.steering,
                leader=pools.leader,
                follower=pools.follower,
                sample_size=core.rules.sample_size,
            ),
            leads=lambda: pools.leader.leads,
            gathering=gathering,
            exchange=network.exchange,
            list_coverage=core.explainer.list_coverage,
            sessions=SessionDesk(gathering=gathering, sessions=core.sessions),
            letters=LetterDesk(letters=dead_letters, find_channel=network.readdressing.find_channel)
            if dead_letters
            else None,
        ),
    )


def build_sockets(
    *,
    entrance: AccessParts,
    sessions: SessionService,
    nodes_service: NodeService,
    jobs: NodeJobService,
    console: Console,
) -> URLRouter:
    """Build the routes of every socket."""
    return URLRouter(
        [
            *sessions_app.routing.build_routes(
                service=sessions,
                outbound_limits=OutboundLimits(
                    most_bytes=settings.LINGUA_SESSION_OUTBOUND_MAX_BYTES,
                    most_frames=settings.LINGUA_SESSION_OUTBOUND_MAX_MESSAGES,
                ),
                rate=(settings.LINGUA_SESSION_RATE_PER_S, settings.LINGUA_SESSION_BURST),
                door=entrance.session_door,
                most_frame_bytes=_find_own_limit(settings.LINGUA_SESSION_MAX_FRAME_BYTES),
            ),
            *nodes.routing.build_routes(
                service=nodes_service,
                jobs=jobs,
                outbound_limits=read_node_outbound(),
                door=entrance.node_door,
                most_frame_bytes=_find_own_limit(settings.LINGUA_NODE_MAX_FRAME_BYTES),
            ),
            *operators.live.routing.build_routes(
                feed=console.live, needs_login=console.needs_login
            ),
        ]
    )


def _find_own_limit(most_bytes: int) -> int | None:
    """Return the limit a consumer checks itself: the server checks the larger of both."""
    checked = max(settings.LINGUA_SESSION_MAX_FRAME_BYTES, settings.LINGUA_NODE_MAX_FRAME_BYTES)
    return most_bytes if most_bytes < checked else None
