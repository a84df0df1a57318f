"""Envelopes to the connections that other instances hold (I5, I6, C11)."""

import asyncio
from typing import Protocol

import msgspec

from scheduling.model import instance_messages
from scheduling.model.events import (
    JobAssigned,
    NodeControlled,
    NodeFenced,
    NodeStatusChanged,
    SessionFenced,
    SignalRelayed,
    ToNode,
    ToSession,
)
from scheduling.model.instance_messages import Envelope, ForNode, ForSession
from scheduling.network.peers import Peers
from scheduling.placement.snapshot import Fleet
from scheduling.store.nodes import NodeStore
from scheduling.store.sessions import SessionStore

_MOST_OWNERS = 10_000


class Transport(Protocol):
    """What brings envelopes to inboxes: a channel layer."""

    async def send(self, channel: str, body: bytes, *, facts: dict[str, str]) -> bool:
        """Send to one inbox; False when nobody lives there or it is full.

        `facts` travel beside the envelope for whoever must explain one that was not read.
        """

    async def broadcast(self, body: bytes) -> None:
        """Send to every inbox."""

    async def receive(self) -> bytes:
        """Wait for the next envelope to this instance's inbox."""

    async def give_up(self) -> None:
        """Keep the envelope received last as a dead letter, where the layer has any."""


class RemoteDelivery:
    """Finds who holds a connection and sends there; never to an instance without presence.

    Owners of sessions are remembered; an envelope that reaches the wrong instance is sent on from
    there, and what is remembered of a dead one is looked up again.
    """

    def __init__(
        self,
        *,
        peers: Peers,
        transport: Transport,
        fleet: Fleet,
        nodes: NodeStore,
        sessions: SessionStore,
    ) -> None:
        self._peers = peers
        self._transport = transport
        self._fleet = fleet
        self._nodes = nodes
        self._sessions = sessions
        self._session_owners: dict[str, str] = {}

    async def to_node(self, node_id: str, event: ToNode, *, conn_epoch: int | None) -> bool:
        """Send an event to the instance that holds a node; False when it cannot take it."""
        envelope = ForNode(node_id=node_id, event=event, conn_epoch=conn_epoch)
        node = self._fleet.find(node_id)
        if node is None or (conn_epoch is not None and conn_epoch != node.conn_epoch):
            return await self.forward(envelope)
        return await self._send(node.instance_id, envelope)

    async def to_session(self, session_id: str, event: ToSession) -> bool:
        """Send an event to the instance that holds a speaker; False when there is none."""
        envelope = ForSession(session_id=session_id, event=event)
        owner = self._session_owners.get(session_id)
        if owner is not None and await self._send(owner, envelope):
            return True
        return await self.forward(envelope)

    async def to_session_at(self, instance_id: str, session_id: str, event: ToSession) -> bool:
        """Send an event to where a session was, whoever has it now."""
        return await self._send(instance_id, ForSession(session_id=session_id, event=event))

    async def forward(self, envelope: ForNode | ForSession) -> bool:
        """Ask Redis who holds the connection now, and send there, a bounded number of times."""
        if envelope.hops >= instance_messages.MOST_HOPS:
            return False
        owner = await self._find_owner(envelope)
        if owner is None:
            return False
        return await self._send(owner, msgspec.structs.replace(envelope, hops=envelope.hops + 1))

    async def broadcast(self, envelope: Envelope) -> None:
        """Tell every instance."""
        await self._transport.broadcast(instance_messages.encode(envelope))

    async def hint(self, envelope: Envelope) -> None:
        """Tell the instances known to live; one that has just come may miss it."""
        body = instance_messages.encode(envelope)
        others = self._peers.list_others()
        await asyncio.gather(
            *(self._transport.send(peer.channel, body, facts={}) for peer in others)
        )

    async def _find_owner(self, envelope: ForNode | ForSession) -> str | None:
        if isinstance(envelope, ForNode):
            held = await self._nodes.find_owner(node_id=envelope.node_id)
            if held is None or envelope.conn_epoch not in (None, held.conn_epoch):
                return None
            return held.instance_id
        self._session_owners.pop(envelope.session_id, None)
        owner = await self._sessions.find_owner(session_id=envelope.session_id)
        if owner is not None and owner != self._peers.record.instance_id:
            if len(self._session_owners) >= _MOST_OWNERS:
                del self._session_owners[next(iter(self._session_owners))]
            self._session_owners[envelope.session_id] = owner
        return owner

    async def _send(self, owner: str, envelope: ForNode | ForSession) -> bool:
        if owner == self._peers.record.instance_id:
            return False
        channel = await self._peers.find_channel(owner)
        if channel is None:
            return False
        sent = await self._transport.send(
            channel,
            instance_messages.encode(envelope),
            facts=_describe(envelope, sender=self._peers.record.instance_id),
        )
        if not sent:
            self._peers.note_left(owner)
        return sent


def _describe(envelope: ForNode | ForSession, *, sender: str) -> dict[str, str]:
    """Return what a dead letter tells of itself (T6)."""
    event = envelope.event
    facts = {"event_type": str(event.__struct_config__.tag), "instance": sender}
    if isinstance(envelope, ForNode):
        facts["node_id"] = envelope.node_id
    else:
        facts["session_id"] = envelope.session_id
    if not isinstance(
        event, NodeStatusChanged | NodeControlled | NodeFenced | SessionFenced | SignalRelayed
    ):
        facts["job_id"] = event.job_id
    if isinstance(event, JobAssigned):
        facts["attempt_id"] = str(event.attempt)
    return facts
