"""Composition of the faces: what speakers, nodes and operators meet."""

from typing import Any

from channels.routing import URLRouter
from django.urls import re_path

import nodes.routing
import operators.live.routing
import sessions_app.listening.routing
import sessions_app.routing
from lingua.composition.access import AccessParts
from lingua.composition.configuration import (
    Configuration,
    NodeConfiguration,
    SessionConfiguration,
)
from lingua.composition.listening import ListeningParts
from lingua.composition.pools import PoolParts
from lingua.composition.services import Services, build_sessions
from lingua.composition.stores import Infrastructure
from lingua.serving.asgi_types import Receive, Scope, Send
from nodes.asr_metrics import AsrMetrics
from nodes.credentials import NodeCredentials
from nodes.flaw_reporter import FlawReporter
from nodes.job_declines import JobDeclines
from nodes.job_service import NodeJobService
from nodes.partial_results import PartialResults
from nodes.services import NodeService
from operators.console.console import Console
from scheduling.model.errors import BadInput
from scheduling.model.metrics import Metrics
from sessions_app.in_flight import InFlight
from sessions_app.services import SessionService
from sessions_app.speaker_builder import SpeakerBuilder
from sessions_app.stale_requests import StaleRequests
from sockets.handshakes import refuse_handshake

_STALE_REQUESTS_EVERY_S = 1.0


def build_session_service(
    infrastructure: Infrastructure,
    services: Services,
    configuration: SessionConfiguration,
    *,
    access: AccessParts,
    in_flight: InFlight,
) -> SessionService:
    """Build what the sockets of speakers call."""
    sessions = build_sessions(infrastructure, services)
    return SessionService(
        sessions=sessions,
        pairing=access.pairing,
        delivery=services.delivery,
        speakers=SpeakerBuilder(
            dispatcher=services.dispatcher,
            settlement=services.settlement,
            streaming=services.streaming,
            delivery=services.delivery,
            sessions=sessions,
            in_flight=in_flight,
            limits=configuration.limits,
            metrics=infrastructure.metrics,
            rooms=services.rooms.rooms,
            captions=services.rooms.captions,
            room_upkeep=services.rooms.upkeep,
            stale_after_ms=services.configuration.jobs.stale_after_ms,
        ),
        use_binary_frames=configuration.use_binary_frames,
        grace_s=configuration.grace_s,
    )


def build_stale_requests(services: Services) -> StaleRequests:
    """Build the loop that asks about what speakers wait for too long."""
    return StaleRequests(
        delivery=services.delivery,
        stale_after_ms=services.configuration.jobs.stale_after_ms,
        interval_s=_STALE_REQUESTS_EVERY_S,
    )


def build_job_service(
    services: Services,
    *,
    pools: PoolParts,
    asr_metrics: AsrMetrics,
    flaws: FlawReporter,
    metrics: Metrics,
) -> NodeJobService:
    """Build what takes the words of nodes about their jobs."""
    return NodeJobService(
        attempts=services.attempts,
        delivery=services.delivery,
        settlement=services.settlement,
        retries=services.retries,
        hedging=services.hedging,
        asr_metrics=asr_metrics,
        unavailable_services=pools.unavailable_services,
        flaws=flaws,
        metrics=metrics,
    )


def build_job_declines(services: Services, *, flaws: FlawReporter) -> JobDeclines:
    """Build what takes nodes' refusals of jobs."""
    return JobDeclines(
        declines=services.declines,
        attempts=services.attempts,
        delivery=services.delivery,
        flaws=flaws,
    )


def build_node_service(
    services: Services,
    *,
    access: AccessParts,
    jobs: NodeJobService,
    asr_metrics: AsrMetrics,
    flaws: FlawReporter,
    most_frame_bytes: int,
) -> NodeService:
    """Build what registers nodes, over whatever they come."""
    return NodeService(
        registry=services.registry,
        unchanged_heartbeats=services.unchanged_heartbeats,
        delivery=services.delivery,
        jobs=jobs,
        credentials=NodeCredentials(access=access.access, limits=access.limits),
        asr_metrics=asr_metrics,
        flaws=flaws,
        pairing=access.pairing,
        require_gpu=services.configuration.require_gpu,
        most_frame_bytes=most_frame_bytes,
    )


def build_sockets(
    configuration: Configuration,
    *,
    access: AccessParts,
    sessions: SessionService,
    listening: ListeningParts,
    nodes_service: NodeService,
    jobs: NodeJobService,
    declines: JobDeclines,
    partials: PartialResults,
    flaws: FlawReporter,
    console: Console,
    metrics: Metrics,
) -> URLRouter:
    """Build the routes of every socket, and of what is none."""
    no_such_socket: Any = _NoSuchSocket(metrics)  # Django types routes as views
    for_sessions, for_nodes = configuration.sessions, configuration.nodes
    return URLRouter(
        [
            *sessions_app.routing.build_routes(
                service=sessions,
                outbound_limits=for_sessions.outbound,
                rate=for_sessions.rate,
                principal_rate=for_sessions.principal_rate,
                most_sessions=for_sessions.most_sessions,
                auth=access.session_auth,
                metrics=metrics,
                most_frame_bytes=_find_own_limit(for_sessions, for_nodes),
            ),
            *sessions_app.listening.routing.build_routes(
                seats=listening.seats,
                outbound_limits=listening.outbound,
                auth=access.listen_auth,
                metrics=metrics,
                most_frame_bytes=_find_own_limit(for_sessions, for_nodes),
            ),
            *nodes.routing.build_routes(
                service=nodes_service,
                jobs=jobs,
                declines=declines,
                partials=partials,
                flaws=flaws,
                outbound_limits=for_nodes.outbound,
                auth=access.node_auth,
                principal_rate=for_sessions.principal_rate,
                most_frame_bytes=_find_own_limit(for_nodes, for_sessions),
            ),
            *operators.live.routing.build_routes(
                feed=console.live, needs_login=console.needs_login
            ),
            re_path("", no_such_socket),
        ]
    )


class _NoSuchSocket:
    """Answers handshakes of paths where no socket is."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        missing = BadInput("There is no such socket.", code="NOT_FOUND")
        self._metrics.count("kept_out_total", missing.code)
        await refuse_handshake(scope, send, missing)


def _find_own_limit(
    own: SessionConfiguration | NodeConfiguration, other: SessionConfiguration | NodeConfiguration
) -> int | None:
    """Return the limit a consumer checks itself: the server checks the larger of both."""
    return own.most_frame_bytes if own.most_frame_bytes < other.most_frame_bytes else None
