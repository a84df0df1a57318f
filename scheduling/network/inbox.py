"""The inbox of this instance: one loop takes every envelope and brings it to its connection."""

import asyncio
import logging

import msgspec

from scheduling.jobs.accepted_jobs import AcceptedJobs
from scheduling.jobs.queue_notices import QueueNotices
from scheduling.jobs.retries import Retries
from scheduling.model import clock, errors, instance_messages
from scheduling.model.background import Background
from scheduling.model.delivery import Delivery
from scheduling.model.events import (
    AudioSpoken,
    JobAssigned,
    NodeFenced,
    SessionFenced,
    SpeechEnded,
)
from scheduling.model.instance_messages import (
    FleetNews,
    ForNode,
    ForRoom,
    ForSession,
    PeerCame,
    PeerLeft,
    SessionErased,
)
from scheduling.model.outcomes import Refused
from scheduling.network.peers import Peers
from scheduling.network.remote_delivery import RemoteDelivery, Transport
from scheduling.network.speech_buffer import SpeechBuffer
from scheduling.placement.lines import Lines
from scheduling.placement.snapshot import Fleet
from scheduling.rooms.room_broadcast import RoomBroadcast
from scheduling.rooms.room_upkeep import RoomUpkeep
from scheduling.store.jobs import JobStore

logger = logging.getLogger(__name__)

_RETRY_AFTER_S = 0.2
_ENVELOPES_A_PASS = 64
# No socket of a session is newer.
_NEWEST = 2**53


class InstanceInbox:
    """A loop; what needs Redis is done beside it, so that no message waits for another's answer."""

    name = "inbox"
    interval_s = 0.0

    def __init__(
        self,
        *,
        transport: Transport,
        peers: Peers,
        remote_delivery: RemoteDelivery,
        delivery: Delivery,
        fleet: Fleet,
        jobs: JobStore,
        retries: Retries,
        lines: Lines,
        notices: QueueNotices,
        rooms: RoomBroadcast,
        room_upkeep: RoomUpkeep,
        accepted: AcceptedJobs,
    ) -> None:
        self._accepted = accepted
        self._rooms = rooms
        self._room_upkeep = room_upkeep
        self._lines = lines
        self._notices = notices
        self._transport = transport
        self._peers = peers
        self._remote_delivery = remote_delivery
        self._delivery = delivery
        self._fleet = fleet
        self._jobs = jobs
        self._retries = retries
        self._background = Background()
        self._spoken = SpeechBuffer(delivery=delivery)
        self.dropped = 0

    async def run_once(self) -> int:
        """Take some envelopes, and those that came together in one turn of the event loop.

        So what they ask of Redis leaves together too.
        """
        for taken in range(_ENVELOPES_A_PASS):
            if not await self._take_next():
                return taken
        return _ENVELOPES_A_PASS

    async def _take_next(self) -> bool:
        """Wait for an envelope and take it; False when there was none to be taken."""
        try:
            body = await self._transport.receive()
        except errors.DependencyDown:
            await asyncio.sleep(_RETRY_AFTER_S)
            return False
        try:
            envelope = instance_messages.decode(body)
        except msgspec.MsgspecError as unread:
            await self._give_up(unread)
            return False
        self.take(envelope)
        return True

    async def _give_up(self, unread: msgspec.MsgspecError) -> None:
        """Keep what cannot be read for whoever looks into it; its sender may be a newer version."""
        self.dropped += 1
        logger.warning("an envelope could not be read", extra={"reason": str(unread)})
        try:
            await self._transport.give_up()
        except errors.DependencyDown:
            logger.warning("an envelope that could not be read was not kept")

    def take(self, envelope: instance_messages.Envelope) -> None:
        """Bring an envelope where it belongs."""
        match envelope:
            case ForNode():
                self._bring(envelope)
            case ForSession(event=SessionFenced() as event):
                self._delivery.local.to_session(envelope.session_id, event)
            case ForSession():
                if not self._delivery.local.to_session(envelope.session_id, envelope.event):
                    self._background.run(self._forward(envelope), name="an envelope sent on")
            case ForRoom():
                self._rooms.take(envelope.event)
            case FleetNews():
                self._learn(envelope)
            case SessionErased():
                self._erase(envelope.session_id)
            case PeerCame():
                self._peers.note_came(envelope.record)
            case PeerLeft():
                self._peers.note_left(envelope.instance_id)
                self._lines.forget(envelope.instance_id)
                self._room_upkeep.retire_instance(envelope.instance_id)

    def _erase(self, session_id: str) -> None:
        """Keep nothing of a session, and close its socket as one that a newer took the place of."""
        self._accepted.forget_session(session_id)
        fence = SessionFenced(session_id=session_id, conn_epoch=_NEWEST)
        self._delivery.local.to_session(session_id, fence)

    def _bring(self, envelope: ForNode) -> None:
        match envelope.event:
            case JobAssigned() as event:
                if event.is_open:
                    # At once: what is said of it may have come together with it.
                    self._spoken.hold(event)
                self._background.run(self._assign(envelope, event), name="an assignment")
            case AudioSpoken() | SpeechEnded() as event:
                if not self._spoken.take(envelope.node_id, event):
                    self._background.run(
                        self._spoken.give_up(envelope.node_id, event), name="a stream to end"
                    )
            case event:
                here = self._delivery.local.to_node(
                    envelope.node_id, event, conn_epoch=envelope.conn_epoch
                )
                if here is None:
                    self._background.run(self._forward(envelope), name="an envelope sent on")

    async def _assign(self, envelope: ForNode, event: JobAssigned) -> None:
        """Give a node its job, then what was said of it meanwhile."""
        if not event.is_open:
            await self._give_once_up(envelope, event)
            return
        try:
            await self._give_once_up(envelope, event)
        finally:
            await self._spoken.let_go(envelope.node_id, event)

    async def _give_once_up(self, envelope: ForNode, event: JobAssigned) -> None:
        """Give a node its job; where Redis is away for us, once it answers.

        Whoever sent it has done, and the layer may bring it before the store is back.
        """
        while True:
            try:
                await self._give(envelope, event)
            except errors.DependencyDown:
                await asyncio.sleep(_RETRY_AFTER_S)
            else:
                return

    async def _give(self, envelope: ForNode, event: JobAssigned) -> None:
        """Give a node its job, unless the job moved on while the message was under way (C11)."""
        is_awaited = await self._jobs.is_awaited(
            session_id=event.session_id,
            job_id=event.job_id,
            attempt=event.attempt,
            node_id=envelope.node_id,
        )
        if not is_awaited:
            logger.info("stale assignment dropped", extra={"job_id": event.job_id})
            return
        here = self._delivery.local.to_node(envelope.node_id, event, conn_epoch=envelope.conn_epoch)
        if here or (here is None and await self._remote_delivery.forward(envelope)):
            return
        late = errors.JobTimedOut()
        await self._retries.retry(
            session_id=event.session_id,
            job_id=event.job_id,
            attempt=event.attempt,
            node_id=envelope.node_id,
            reason="not_delivered",
            refused=Refused(code=late.code, message=str(late)),
            was_given=False,
        )

    async def _forward(self, envelope: ForNode | ForSession) -> None:
        """The connection was here once: send the envelope after it."""
        if not await self._remote_delivery.forward(envelope):
            self.dropped += 1

    def _learn(self, news: FleetNews) -> None:
        own = self._peers.record.instance_id
        if news.sender == own:
            return
        now_ms = clock.now_ms()
        for node in news.nodes:
            if node.instance_id != own:
                self._fleet.learn(msgspec.structs.replace(node, heartbeat_at_ms=now_ms))
                mailbox = self._delivery.local.find_node(node.node_id)
                if mailbox is not None and mailbox.conn_epoch < node.conn_epoch:
                    mailbox.enqueue(NodeFenced(node_id=node.node_id))
            else:
                self._fleet.obey(node)
        for node_id, conn_epoch in news.gone:
            self._fleet.unlearn(node_id, conn_epoch=conn_epoch)
        for need in news.waits:
            for tell in self._fleet.listeners.waits_elsewhere:
                tell(need)
        for node_id, load in news.loads.items():
            self._fleet.loads.learn(node_id, load)
        if news.lines is not None:
            self._lines.learn(news.sender, news.lines, now_ms=now_ms)
            self._notices.look_soon()
