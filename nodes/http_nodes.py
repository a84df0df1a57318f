"""Nodes that ask over HTTP instead of holding a socket (N18)."""

import asyncio
import weakref

import msgspec

from nodes import http_messages, messages
from nodes.connections import FENCED, NodeConnection
from nodes.job_frames import AssignJob
from nodes.job_service import NodeJobService
from nodes.lifecycle import ACKNOWLEDGES, RESUMES
from nodes.mistakes import MistakeSender
from nodes.poll_queue import Fetched, PollQueue
from nodes.services import NodeService
from nodes.spelling import UNKNOWN_SPELLING
from scheduling.access.access import REVOKED, Access
from scheduling.access.admissions import Admission
from scheduling.fleet.registry import Registry
from scheduling.jobs.attempts import Attempts
from scheduling.model import clock, errors, ids
from scheduling.model.background import Background
from scheduling.model.credentials import Principal
from scheduling.model.delivery import Delivery
from scheduling.model.events import JobAssigned, NodeFenced
from scheduling.model.jobs import STREAMING, JobKind
from sockets.endpoints import Call
from sockets.outbound import OutboundLimits
from sockets.socket_auth import Peer

_LOST, _RESTARTING = 1006, 1012
_decode_assignment = msgspec.json.Decoder(AssignJob).decode


class HttpNode:
    """One node's connection while it asks this instance, in place of a socket."""

    def __init__(
        self, connection: NodeConnection, *, box: PollQueue, admission: Admission | None
    ) -> None:
        self.connection = connection
        self.box = box
        self.admission = admission
        self.heard_ms = clock.steady_ms()

    def hear(self) -> None:
        """Note that the node asked for something."""
        self.heard_ms = clock.steady_ms()

    def check(self, principal: Principal | None) -> None:
        """See that it is the node's own principal who asks.

        :raises RegistrationRefused: the node is another principal's
        """
        if self.admission is None:
            return
        if principal is None or principal.principal_id != self.admission.principal.principal_id:
            raise errors.RegistrationRefused(
                code="NODE_ID_FORBIDDEN", message="This node id belongs to another credential."
            )


class HttpNodes:
    """The nodes that ask this process, and the loop that ends those that ask no more.

    A node's connection is where it asked last: an instance that it asks and that does not hold it
    takes it over, with the jobs it was sent and has not accepted.
    """

    name = "http-nodes"
    interval_s = 0.5

    def __init__(
        self,
        *,
        service: NodeService,
        jobs: NodeJobService,
        registry: Registry,
        attempts: Attempts,
        delivery: Delivery,
        access: Access,
        limits: OutboundLimits,
        idle_ms: int,
        heartbeat_ms: int,
    ) -> None:
        self._service = service
        self._jobs = jobs
        self._registry = registry
        self._attempts = attempts
        self._delivery = delivery
        self._access = access
        self._limits = limits
        self._idle_ms = idle_ms
        self._heartbeat_ms = heartbeat_ms
        self._http_nodes: dict[str, HttpNode] = {}
        self._by_box: dict[PollQueue, HttpNode] = {}
        self._moving: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._background = Background()
        self._is_leaving = False

    def find(self, node_id: str) -> HttpNode | None:
        """Return a node that asks this process."""
        return self._http_nodes.get(node_id)

    async def register(self, call: Call[messages.RegisterNode]) -> http_messages.RegisteredOverHttp:
        """Register a node that will poll for its work; it acknowledges jobs, and may come back.

        :raises RegistrationRefused: as over a socket
        """
        self._check_open()
        # Whoever polls hears nothing while it is said.
        declared = {*(call.message.advanced_features or ())} - {STREAMING}
        features = {*declared, ACKNOWLEDGES, RESUMES}
        message = msgspec.structs.replace(call.message, advanced_features=sorted(features))
        box = PollQueue(limits=self._limits, on_closed=self._note_closed)
        admission = await self._admit(call.principal)
        try:
            connection, registered = await self._service.register(
                message,
                outbound=box,
                mistakes=MistakeSender(box),
                peer=Peer(admission=admission),
                before=None,
            )
        except BaseException:
            self._dismiss(admission)
            raise
        self._keep(HttpNode(connection, box=box, admission=admission))
        self._service.check_languages(connection, message)
        return http_messages.RegisteredOverHttp(
            node_id=registered.node_id,
            status=registered.status,
            resume_token=registered.resume_token or "",
            heartbeat_interval_ms=self._heartbeat_ms,
        )

    async def record_heartbeat(self, call: Call[http_messages.BeatOverHttp]) -> http_messages.Noted:
        """Take a heartbeat; it brings the node's connection along.

        :raises NodeUnknown: the node must register
        :raises ConnectionFenced: the token is not that of its connection
        """
        http_node = await self._hold(
            call.principal, call.message.node_id, call.message.resume_token
        )
        try:
            await self._service.record_heartbeat(http_node.connection, call.message)
        except errors.ConnectionFenced:
            http_node.box.close(FENCED)
            http_node = await self._hold(
                call.principal, call.message.node_id, call.message.resume_token
            )
            await self._service.record_heartbeat(http_node.connection, call.message)
        return http_messages.Noted(status=http_node.connection.node.shown_status)

    async def fetch(self, call: Call[http_messages.PollWork]) -> Fetched:
        """Wait for what there is for a node.

        :raises NodeUnknown: the node must register
        :raises ConnectionFenced: the token is not that of its connection
        :raises AccessDenied: its credential was revoked meanwhile
        """
        message = call.message
        http_node = await self._hold(call.principal, message.node_id, message.resume_token)
        fetched = await http_node.box.fetch(
            most=message.most,
            wait_s=message.wait_ms / 1000,
            wait_gone=call.wait_gone,
            had=message.had,
        )
        http_node.hear()
        if http_node.box.closed_with == REVOKED:
            raise errors.AccessDenied
        return fetched

    async def run_once(self) -> int:
        """End nodes that ask for nothing any more; return how many those were."""
        now_ms = clock.steady_ms()
        silent = [
            http_node
            for http_node in self._http_nodes.values()
            if not http_node.box.waiting and now_ms - http_node.heard_ms > self._idle_ms
        ]
        for http_node in silent:
            http_node.box.close(_LOST)
        return len(silent)

    def leave(self) -> None:
        """The process ends: its nodes ask another instance, which takes them over as they are."""
        self._is_leaving = True
        for http_node in list(self._http_nodes.values()):
            http_node.box.close(_RESTARTING)

    async def _hold(self, principal: Principal | None, node_id: str, token: str) -> HttpNode:
        """Return a node that asks this process, after bringing it here if need be."""
        self._check_open()
        lock = self._moving.get(node_id) or self._moving.setdefault(node_id, asyncio.Lock())
        async with lock:
            http_node = self._http_nodes.get(node_id)
            if http_node is None:
                http_node = await self._move(principal, node_id, token)
        http_node.check(principal)
        if http_node.connection.resume_token != token:
            raise errors.ConnectionFenced
        http_node.hear()
        return http_node

    async def _move(self, principal: Principal | None, node_id: str, token: str) -> HttpNode:
        admission = await self._admit(principal)
        try:
            if admission is not None:
                await self._access.claim_node_id(admission, node_id)
            moved = await self._registry.move(node_id=node_id, shown_token=token)
        except BaseException:
            self._dismiss(admission)
            raise
        box = PollQueue(limits=self._limits, on_closed=self._note_closed)
        connection = NodeConnection(
            node=moved.node,
            outbound=box,
            on_written=self._jobs.written,
            resume_token=token,
            spelling=UNKNOWN_SPELLING,
            mistakes=MistakeSender(box),
        )
        http_node = HttpNode(connection, box=box, admission=admission)
        older = self._delivery.local.attach_node(node_id, connection)
        if older is not None:
            older.enqueue(NodeFenced(node_id=node_id))
        self._keep(http_node)
        for job_id, attempt in moved.reserved:
            session_id = ids.find_session_id(job_id)
            assigned = session_id and await self._attempts.find_assigned(
                session_id=session_id, job_id=job_id, attempt=attempt, node_id=node_id
            )
            if assigned:
                connection.enqueue(assigned)
        return http_node

    def _keep(self, http_node: HttpNode) -> None:
        node_id = http_node.connection.node_id
        self._http_nodes[node_id] = http_node
        self._by_box[http_node.box] = http_node
        if http_node.admission is not None:
            http_node.admission.attend(http_node.box.close)

    def _note_closed(self, box: PollQueue) -> None:
        http_node = self._by_box.pop(box, None)
        if http_node is not None:
            self._background.run(self._end(http_node), name="a node's end over HTTP")

    async def _end(self, http_node: HttpNode) -> None:
        node_id = http_node.connection.node_id
        if self._http_nodes.get(node_id) is http_node:
            del self._http_nodes[node_id]
        self._dismiss(http_node.admission)
        code = http_node.box.closed_with or _LOST
        if code == _RESTARTING:
            self._delivery.local.detach_node(node_id, http_node.connection)
        else:
            await self._service.disconnect(
                http_node.connection, code=code, was_silent=code == _LOST
            )
        if code == FENCED:
            await self._send_on(http_node)

    async def _send_on(self, http_node: HttpNode) -> None:
        """Send jobs that were not fetched here after their node, to where it asks now."""
        for frame in http_node.box.dropped:
            try:
                job = _decode_assignment(frame)
            except msgspec.ValidationError:
                continue  # told for information only
            held = http_node.connection.find(job.job_id, job.attempt_id)
            assigned = JobAssigned(
                job_id=job.job_id,
                attempt=job.attempt_id,
                session_id=job.session_id,
                utterance_index=job.utterance_index,
                trace_id=job.trace_id,
                frame=frame,
                kind=held.kind if held else JobKind(),
            )
            await self._delivery.to_node(http_node.connection.node_id, assigned)

    async def _admit(self, principal: Principal | None) -> Admission | None:
        return None if principal is None else await self._access.open(principal)

    def _dismiss(self, admission: Admission | None) -> None:
        if admission is not None:
            self._access.leave(admission)

    def _check_open(self) -> None:
        if self._is_leaving:
            raise errors.BadInput("This instance ends; ask another one.", code="DRAINING")
