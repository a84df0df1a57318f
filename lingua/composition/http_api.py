"""Composition of what works over HTTP: nodes and speakers without a socket."""

import dataclasses
from collections.abc import Sequence

import nodes.http
import sessions_app.http
import sessions_app.openai_audio.http
from lingua.composition.access import AccessParts
from lingua.composition.configuration import Configuration, HttpConfiguration
from lingua.composition.listening import ListeningParts
from lingua.composition.services import Services, build_sessions
from lingua.composition.stores import Infrastructure
from lingua.serving.asgi_types import AsgiApp
from lingua.serving.supervisor import Loop
from nodes.flaw_reporter import FlawReporter
from nodes.http_nodes import HttpNodes
from nodes.job_declines import JobDeclines
from nodes.job_reports import JobReports
from nodes.job_service import NodeJobService
from nodes.services import NodeService
from scheduling.jobs.recordings import Recordings
from scheduling.store.allowances import AllowanceStore
from scheduling.store.recordings import RecordingStore
from sessions_app.http_room_outcomes import HttpRoomOutcomes
from sessions_app.http_room_seats import HttpRoomSeats
from sessions_app.http_rooms import HttpRooms
from sessions_app.http_sessions import HttpSessionService
from sessions_app.job_ends import JobEnds
from sessions_app.openai_audio.recordings import RecordingService
from sockets.endpoints import Endpoints


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HttpApiParts:
    """What works without a socket, its loops, and how it is told that the process ends."""

    application: AsgiApp
    listening: ListeningParts
    http_nodes: HttpNodes
    http_sessions: HttpSessionService
    http_rooms: HttpRooms
    loops: Sequence[Loop]

    def leave(self) -> None:
        """Send nodes to other instances; what they were given may still be answered here."""
        self.http_nodes.leave()
        self.http_sessions.leave()
        self.http_rooms.leave_instance()
        self.listening.events.leave()

    def send_away(self) -> None:
        """Keep no request waiting any longer: the time of the drain is over."""
        self.http_sessions.send_away()


def build_http_api(
    infrastructure: Infrastructure,
    services: Services,
    configuration: Configuration,
    *,
    access: AccessParts,
    nodes_service: NodeService,
    jobs: NodeJobService,
    declines: JobDeclines,
    flaws: FlawReporter,
    listening: ListeningParts,
) -> HttpApiParts:
    """Build the paths of nodes, speakers and listeners without a socket."""
    http_nodes = HttpNodes(
        service=nodes_service,
        jobs=jobs,
        registry=services.registry,
        attempts=services.attempts,
        delivery=services.delivery,
        access=access.access,
        limits=configuration.nodes.outbound,
        idle_ms=configuration.nodes.idle_ms,
        heartbeat_ms=configuration.nodes.heartbeat_ms,
    )
    reports = JobReports(
        http_nodes=http_nodes,
        jobs=jobs,
        declines=declines,
        registry=services.registry,
        attempts=services.attempts,
        delivery=services.delivery,
        access=access.access,
        flaws=flaws,
    )
    ends = JobEnds()
    seats = HttpRoomSeats(rooms=services.rooms.rooms)
    http_sessions = _build_http_sessions(
        infrastructure, services, configuration.http, ends=ends, seats=seats
    )
    http_rooms = HttpRooms(
        rooms=services.rooms.rooms,
        upkeep=services.rooms.upkeep,
        seats=seats,
        sessions=build_sessions(infrastructure, services),
    )
    most_body_bytes = configuration.http.most_body_bytes
    most_spoken_bytes = min(configuration.sessions.most_frame_bytes, most_body_bytes)
    application = Endpoints(
        {
            **nodes.http.build_paths(
                http_nodes=http_nodes,
                reports=reports,
                auth=access.node_requests,
                most_bytes=min(configuration.nodes.most_frame_bytes, most_body_bytes),
            ),
            **sessions_app.http.build_paths(
                service=http_sessions,
                rooms=http_rooms,
                auth=access.session_requests,
                most_bytes=most_spoken_bytes,
            ),
            **sessions_app.openai_audio.http.build_paths(
                recordings=RecordingService(service=http_sessions, ends=ends),
                auth=access.session_requests,
                # A job carries it as base64, a third longer.
                most_bytes=most_spoken_bytes * 3 // 4,
            ),
        },
        strangers=access.strangers,
    )
    return HttpApiParts(
        application=listening.serve_beside(application),
        listening=listening,
        http_nodes=http_nodes,
        http_sessions=http_sessions,
        http_rooms=http_rooms,
        loops=[http_nodes, services.job_recovery],
    )


def _build_http_sessions(
    infrastructure: Infrastructure,
    services: Services,
    configuration: HttpConfiguration,
    *,
    ends: JobEnds,
    seats: HttpRoomSeats,
) -> HttpSessionService:
    recordings = RecordingStore(
        infrastructure.connection,
        keys=infrastructure.keys,
        life_ms=configuration.recording_ms,
        seal=infrastructure.seal,
    )
    return HttpSessionService(
        sessions=build_sessions(infrastructure, services),
        recordings=Recordings(
            store=recordings,
            allowances=AllowanceStore(infrastructure.connection, keys=infrastructure.keys),
            most_bytes=configuration.most_kept_bytes,
        ),
        hooks=services.hooks,
        accepted=services.accepted,
        job_recovery=services.job_recovery,
        delivery=services.delivery,
        dispatcher=services.dispatcher,
        settlement=services.settlement,
        ends=ends,
        rooms=HttpRoomOutcomes(captions=services.rooms.captions, seats=seats),
        most_jobs=configuration.most_jobs,
    )
