"""Where a message that was not read should go now: to its receiver's instance (C20, T4, T7)."""

import msgspec

from scheduling.model import instance_messages
from scheduling.model.events import JobAssigned
from scheduling.model.instance_messages import (
    FleetNews,
    ForNode,
    ForRoom,
    ForSession,
    PeerCame,
    PeerLeft,
    SessionErased,
)
from scheduling.store.instances import InstanceStore
from scheduling.store.jobs import JobStore
from scheduling.store.nodes import NodeStore
from scheduling.store.sessions import SessionStore


class Redelivery:
    """Answers for envelopes of instances that ended, and for dead letters that are replayed."""

    def __init__(
        self,
        *,
        instances: InstanceStore,
        nodes: NodeStore,
        sessions: SessionStore,
        jobs: JobStore,
    ) -> None:
        self._instances = instances
        self._nodes = nodes
        self._sessions = sessions
        self._jobs = jobs

    async def find_channel(self, body: bytes) -> str | None:
        """Return the inbox an envelope belongs to now; None when nobody should get it any more.

        That is: its job or attempt is over, its receiver is gone, or it was news to everybody.
        """
        try:
            envelope = instance_messages.decode(body)
        except msgspec.MsgspecError:
            return None
        match envelope:
            case ForNode():
                owner = await self._find_node_owner(envelope)
            case ForSession():
                owner = await self._sessions.find_owner(session_id=envelope.session_id)
            case ForRoom() | FleetNews() | SessionErased() | PeerCame() | PeerLeft():
                return None
        record = await self._instances.find(owner) if owner else None
        return record.channel if record else None

    async def _find_node_owner(self, envelope: ForNode) -> str | None:
        event = envelope.event
        if isinstance(event, JobAssigned) and not await self._jobs.is_awaited(
            session_id=event.session_id,
            job_id=event.job_id,
            attempt=event.attempt,
            node_id=envelope.node_id,
        ):
            return None
        held = await self._nodes.find_owner(node_id=envelope.node_id)
        if held is None or envelope.conn_epoch not in (None, held.conn_epoch):
            return None
        return held.instance_id
