"""What happens when a node registers, lives, and goes (N1 to N17)."""

import functools
from collections.abc import Callable

import msgspec

from nodes import messages
from nodes.asr_metrics import AsrMetrics
from nodes.connections import Held, NodeConnection
from nodes.credentials import NodeCredentials
from nodes.flaw_reporter import FlawReporter
from nodes.job_service import NodeJobService
from nodes.last_heartbeats import LastHeartbeat
from nodes.lifecycle import describe, is_healthy, read_usage
from nodes.mistakes import MistakeSender
from nodes.spelling import NodeSpelling, list_unreadable
from scheduling.access.pairing import Pairing
from scheduling.fleet.registry import MOST_BEYOND_SLOTS, Attempt, Registry
from scheduling.fleet.unchanged_heartbeats import UnchangedHeartbeat, UnchangedHeartbeats
from scheduling.jobs.node_departure import Parting
from scheduling.model import clock, errors, ids
from scheduling.model.delivery import Delivery
from scheduling.model.events import JobCancelled, NodeFenced, NodeStatusChanged
from scheduling.model.languages import UnreadableLanguage
from scheduling.model.nodes import Node, NodeDescription, Usage
from sockets.outbound import FrameQueue
from sockets.reader import Flaw, name_kind
from sockets.socket_auth import Peer

_SCHEMA = "2.0"
_RESTARTING = 1012
_REGISTERED_ANEW = 1000


class NodeService:
    """Keeps every node whose socket this process holds in the registry, and tells it its status."""

    def __init__(
        self,
        *,
        registry: Registry,
        unchanged_heartbeats: UnchangedHeartbeats,
        delivery: Delivery,
        jobs: NodeJobService,
        credentials: NodeCredentials,
        asr_metrics: AsrMetrics,
        flaws: FlawReporter,
        pairing: Pairing,
        require_gpu: bool,
        most_frame_bytes: int,
    ) -> None:
        self._most_frame_bytes = most_frame_bytes
        self._flaws = flaws
        self._pairing = pairing
        self._registry = registry
        self._unchanged_heartbeats = unchanged_heartbeats
        self._asr_metrics = asr_metrics
        self._credentials = credentials
        self._delivery = delivery
        self._jobs = jobs
        self._require_gpu = require_gpu

    async def register(
        self,
        message: messages.RegisterNode,
        *,
        outbound: FrameQueue,
        mistakes: MistakeSender,
        peer: Peer,
        before: NodeConnection | None,
    ) -> tuple[NodeConnection, messages.NodeRegistered]:
        """Give a node its id on this connection; an older connection of the same id is closed.

        `before` is who this very socket was registered as: the same node goes on with its jobs,
        another one is gone.

        :raises RegistrationRefused: wrong schema, no GPU where one is required, or an id that
            lives elsewhere under another token or belongs to another credential
        """
        self._check(message)
        if before is not None:
            before.last_heartbeat = None
        # Before the id: a socket that takes another one lets go of the older.
        siblings = await self._credentials.list_node_ids(peer)
        node_id = await self._credentials.bind_node_id(peer, wanted=message.node_id)
        is_same = before is not None and before.node_id == node_id
        registration = await self._registry.register(
            node_id=node_id,
            max_jobs=message.max_concurrent_jobs,
            description=describe(
                message,
                before=None,
                tenant_id=peer.principal.tenant_id if peer.principal else "",
            ),
            shown_token=message.resume_token or "",
            running=_read_attempts(message.running_attempts) or (),
            own_epoch=before.conn_epoch if before is not None and is_same else None,
            siblings=siblings,
        )
        node = registration.node
        if registration.was_taken:
            self._flaws.report_takeover(node)
        connection = NodeConnection(
            node=node,
            outbound=outbound,
            on_written=self._jobs.written,
            resume_token=registration.resume_token,
            spelling=NodeSpelling(message.language_capabilities),
            mistakes=mistakes,
        )
        if before is not None and is_same:
            connection.held.update(before.held)
            connection.reruns = before.reruns
        for job_id, attempt in registration.kept:
            session_id = ids.find_session_id(job_id)
            if session_id is not None:
                connection.held[job_id] = Held(
                    attempt=attempt, session_id=session_id, started=True, accepted=True, told=True
                )
        older = self._delivery.local.attach_node(node.node_id, connection)
        if older is not None and older is not before:
            older.enqueue(NodeFenced(node_id=node.node_id))
        if before is not None:
            await self.disconnect(before, code=_REGISTERED_ANEW)
        return connection, messages.NodeRegistered(
            node_id=node.node_id,
            message="registered",
            status=node.status,
            resume_token=registration.resume_token or None,
            max_frame_bytes=self._most_frame_bytes,
        )

    def cancel_lost_attempts(
        self, connection: NodeConnection, message: messages.RegisterNode
    ) -> None:
        """Tell a node that is registered which of the attempts it works on are no longer its."""
        for job_id, attempt in _read_attempts(message.running_attempts) or ():
            if connection.find(job_id, attempt) is None:
                connection.enqueue(JobCancelled(job_id=job_id, reason="no_longer_yours"))

    def check_languages(
        self, connection: NodeConnection, message: messages.RegisterNode | messages.NodeHeartbeat
    ) -> None:
        """Tell a node what it declares that is no language; the rest of what it offers counts."""
        unreadable = list_unreadable(message.language_capabilities)
        if unreadable and unreadable != connection.unreadable_languages:
            flaws = [
                Flaw(f"language_capabilities.{field}", str(UnreadableLanguage(tag)))
                for field, tag in unreadable
            ]
            self._flaws.note_dropped(connection, flaws, kind=name_kind(type(message)))
        connection.unreadable_languages = unreadable

    async def draw_pairing_code(
        self, connection: NodeConnection, *, peer: Peer
    ) -> messages.PairingCodeDrawn:
        """Return a code that binds one session to this node (ND11).

        :raises TooManyRequests: whoever runs the node asks for codes too fast
        :raises DependencyDown: Redis did not answer
        """
        drawn = await self._pairing.draw(connection.node_id, sender=peer.sender)
        return messages.PairingCodeDrawn(code=drawn.code, expires_in_ms=drawn.expires_in_ms)

    def repeat_heartbeat(
        self,
        connection: NodeConnection,
        message: messages.NodeHeartbeat,
        *,
        on_changed: Callable[[], None],
    ) -> bool:
        """Take a heartbeat that changes nothing but, at most, figures; False: record it whole.

        `on_changed` is called where it turns out to have to be recorded whole.
        """
        beat, node = connection.last_heartbeat, connection.node
        if (
            beat is None
            or connection.held
            or message.running_attempts
            or not beat.covers(message, flaws=node.flaws, now_ms=clock.steady_ms())
        ):
            return False
        usage = None
        if message.resource_usage != beat.message.resource_usage:
            usage = read_usage(message.resource_usage)
            if not self._is_healthy(node, usage):
                return False
            node = connection.node = msgspec.structs.replace(node, usage=usage)
            beat = connection.last_heartbeat = msgspec.structs.replace(beat, message=message)

        def is_wanted() -> bool:
            held_by = self._delivery.local.find_node(node.node_id)
            return connection.last_heartbeat is beat and held_by is connection

        self._unchanged_heartbeats.put(
            UnchangedHeartbeat(
                node=node, shown=beat.shown, usage=usage, is_wanted=is_wanted, on_changed=on_changed
            )
        )
        return True

    async def record_heartbeat(
        self, connection: NodeConnection, message: messages.NodeHeartbeat
    ) -> None:
        """Take a node's figures and its status one step on; it is told when that changes.

        :raises ConnectionFenced: a newer connection has this node's id
        """
        before = connection.node
        connection.last_heartbeat = None
        usage = read_usage(message.resource_usage)
        description = describe(message, before=before.description)
        healthy = self._is_healthy(before, usage, description)
        record = functools.partial(
            self._registry.record_heartbeat,
            node=before,
            usage=usage,
            description=description,
            healthy=healthy,
            draining=message.draining,
            running=self._read_running(connection, message),
        )
        try:
            heard = await record()
        except errors.NodeForgotten:
            await self._registry.restore(
                node=before,
                resume_token=connection.resume_token,
                attempts=connection.list_attempts(),
            )
            heard = await record()
        connection.node = heard.node
        if message.language_capabilities is not None:
            if message.language_capabilities != connection.spelling.declared:
                connection.spelling = NodeSpelling(message.language_capabilities)
            self.check_languages(connection, message)
        if message.rerun_metrics is not None:
            self._asr_metrics.note_reruns(message.rerun_metrics, before=connection.reruns)
            connection.reruns = message.rerun_metrics
        if connection.node.shown_status is not before.shown_status:
            connection.enqueue(
                NodeStatusChanged(
                    node_id=connection.node_id,
                    status=connection.node.shown_status,
                    reason="heartbeat" if healthy else "unhealthy",
                    timestamp=clock.now_ms() // 1000,
                )
            )

        if heard.shown:
            connection.last_heartbeat = LastHeartbeat(
                message=message,
                flaws=heard.node.flaws,
                shown=heard.shown,
                at_ms=clock.steady_ms(),
            )

    def _is_healthy(
        self, node: Node, usage: Usage, description: NodeDescription | None = None
    ) -> bool:
        return is_healthy(
            description=description or node.description,
            usage=usage,
            status=node.status,
            require_gpu=self._require_gpu,
        )

    def _read_running(
        self, connection: NodeConnection, message: messages.NodeHeartbeat
    ) -> list[Attempt] | None:
        """Return what a heartbeat renews, None for all: so where it names too many to be true."""
        running = _read_attempts(message.running_attempts)
        most = connection.node.max_jobs + MOST_BEYOND_SLOTS
        if running is None or len(running) <= most:
            return running
        flaw = Flaw("running_attempts", f"more than {most}")
        self._flaws.note_dropped(connection, [flaw], kind=name_kind(type(message)))
        return None

    async def disconnect(
        self, connection: NodeConnection, *, code: int, was_silent: bool = False
    ) -> None:
        """A node's connection is gone; while this process restarts, any node may come back.

        One that `was_silent` was waited for already: its jobs move on at once.
        """
        self._delivery.local.detach_node(connection.node_id, connection)
        if was_silent:
            parting = Parting.FOR_GOOD
        elif connection.node.description.resumes or code == _RESTARTING:
            parting = Parting.MAY_RESUME
        else:
            parting = Parting.MAY_DELIVER
        await self._registry.let_go(connection.node, parting)

    def _check(self, message: messages.RegisterNode) -> None:
        if message.capability_schema_version != _SCHEMA:
            raise errors.RegistrationRefused(
                code="INVALID_CAPABILITY_SCHEMA",
                message=f"capability_schema_version must be {_SCHEMA!r}; update the node.",
            )
        if self._require_gpu and not message.hardware.gpus:
            raise errors.RegistrationRefused(
                code="NO_GPU_AVAILABLE",
                message="This scheduler takes only nodes with a GPU; hardware.gpus names none.",
            )


def _read_attempts(names: list[messages.AttemptName] | None) -> list[Attempt] | None:
    if names is None:
        return None
    return [(name.job_id, name.attempt_id) for name in names if ids.find_session_id(name.job_id)]
