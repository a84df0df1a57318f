"""The inbox of one process: read in batches, handed to mailboxes, acknowledged in batches."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable

from channels_streams.connection import Connections, is_missing_group, to_fields
from channels_streams.dead_letter_writer import DeadLetterWriter
from channels_streams.groups import Groups
from channels_streams.keys import GROUP
from channels_streams.mailboxes import Mailboxes, QueuedMessage, SharedMessage
from channels_streams.membership_notes import MembershipInbox
from channels_streams.pending_recovery import PendingRecovery
from channels_streams.presence import Presence
from channels_streams.process import Process
from channels_streams.scripts import load_script

_ACKNOWLEDGE = load_script("acknowledge")
_ACK_BATCH = 256
GROUP_TARGET = "group:"
FLUSH_TARGET = "flush:"
_log = logging.getLogger("channels_streams")


class ProcessInbox:
    """What came through Redis for this process and is not finished yet.

    Every entry is *held* from the moment it is read until Redis confirmed its deletion. So an
    entry whose reply was lost on the way is told from one that a consumer already has: the first
    is read again, the second is not.
    """

    def __init__(
        self,
        *,
        process: Process,
        groups: Groups,
        presence: Presence,
        capacity_of: Callable[[str], int],
        wake_acknowledger: Callable[[], None],
    ) -> None:
        self._process = process
        self._stream = process.keys.stream(process.entity)
        self._options = process.options
        self._counters = process.counters
        self._groups = groups
        self._presence = presence
        self._notes = MembershipInbox(process=process, groups=groups)
        self._dead_letter_writer = DeadLetterWriter(process=process)
        self._wake_acknowledger = wake_acknowledger
        # entry id -> (channels that have not finished it, channels it was meant for)
        self._held: dict[bytes, tuple[int, int]] = {}
        self._finished: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._pending_recovery = PendingRecovery(block_ms=process.options.block_ms)
        self.mailboxes = Mailboxes(
            max_bytes=process.options.mailbox_bytes,
            capacity_of=capacity_of,
            release=self._release,
            may_hand_out=self._may_hand_out,
            drop=lambda reason: process.counters.drop(reason=reason),
        )

    async def read_once(self, *, connections: Connections) -> None:
        """Wait for entries, at most `block_ms`, and hand them out.

        :raises RedisError: Redis is not reachable
        """
        try:
            if self._pending_recovery.is_due:
                await self._recover(connections)
            malformed: list[bytes] = []

            def take(entry_id: bytes, fields: list[bytes]) -> None:
                if not self._accept(entry_id, fields):
                    malformed.append(entry_id)

            await connections.read_group(
                self._stream,
                consumer=self._process.iid,
                count=self._options.read_count,
                block_ms=self._pending_recovery.block_ms,
                take=take,
            )
            await self._notes.settle(connections)
            for entry_id in malformed:
                await self._write_dead_letter(entry_id, reason="malformed", connections=connections)
        except BaseException as error:
            self._pending_recovery.suspect()
            if not is_missing_group(error):
                raise
            await self.beat(connections=connections)

    async def acknowledge_once(self, *, connections: Connections) -> None:
        """Delete finished entries from Redis, after a pause in which more may come."""
        await asyncio.sleep(self._options.ack_delay_ms / 1000)
        while batch := self._take_finished():
            try:
                _, deleted = await connections.run(
                    _ACKNOWLEDGE, keys=[self._stream], args=[GROUP, *batch]
                )
            except BaseException:
                self._finished.extendleft(reversed(batch))
                raise
            self._counters.acked += deleted
            with self._lock:
                self._pending_recovery.note_departed(batch)
                for entry_id in batch:
                    self._held.pop(entry_id, None)

    async def beat(self, *, connections: Connections) -> None:
        """Renew the presence; if the inbox was taken over, forget what came from it."""
        if await self._presence.beat(connections=connections):
            self.mailboxes.clear(reason="fenced", from_redis_only=True)
            with self._lock:
                self._held.clear()
                self._finished.clear()
            self._pending_recovery.suspect()

    async def write_unfinished_once(self, *, connections: Connections) -> None:
        """Make dead letters of messages whose consumer took them and never asked again (T5)."""
        self.mailboxes.sweep(idle_ms=self._options.expiry_ms)
        stuck = self.mailboxes.list_unfinished(older_than_ms=self._options.dlq_min_idle_ms)
        for entry_id in stuck:
            await self._write_dead_letter(entry_id, reason="unfinished", connections=connections)

    def forget_all(self) -> None:
        """Forget every message, as flush asks."""
        self.mailboxes.clear(reason="flushed")
        with self._lock:
            self._held.clear()
            self._finished.clear()

    async def write_undecodable(self, entry_id: bytes, *, connections: Connections) -> None:
        """Make a dead letter of an entry that no consumer can read (T8)."""
        await self._write_dead_letter(entry_id, reason="undecodable", connections=connections)

    async def _recover(self, connections: Connections) -> None:
        """Read what Redis counts as delivered to us and no mailbox ever saw."""
        for entry_id, fields in await self._pending_recovery.list_lost(
            self._stream, consumer=self._process.iid, held=self._held, connections=connections
        ):
            self._counters.reclaimed += 1
            if not self._accept(entry_id, fields):
                await self._write_dead_letter(entry_id, reason="malformed", connections=connections)

    def _accept(self, entry_id: bytes, fields: list[bytes] | None) -> bool:
        """Put one entry where its consumers look; False if it makes no sense."""
        pairs = to_fields(fields)
        try:
            target, payload = pairs[b"target"].decode("ascii"), pairs[b"payload"]
        except (KeyError, UnicodeDecodeError):
            return False
        if target == FLUSH_TARGET:
            self.forget_all()
            self._groups.clear()
            self._finish_at_once(entry_id)
            return True
        if self._notes.is_note(target):
            if not self._notes.take(target, payload):
                return False
            self._finish_at_once(entry_id)
            return True
        channels = [target]
        if target.startswith(GROUP_TARGET):
            channels = self._groups.list_channels(target.removeprefix(GROUP_TARGET))
        self._deliver(entry_id, channels, payload)
        return True

    def _deliver(self, entry_id: bytes, channels: list[str], payload: bytes) -> None:
        created_ms = int(entry_id.partition(b"-")[0])
        # Who does not read may fill half of the inbox; the other half is of those who do.
        is_kept = len(self._held) < max(1, self._options.inbox_capacity // 2)
        message = QueuedMessage(
            body=SharedMessage(payload),
            expires_at_ms=self._presence.to_local_ms(created_ms) + self._options.expiry_ms,
            entry_id=entry_id if is_kept else None,
        )
        # One more than the channels, given back below: a consumer in another thread may finish
        # its share before the last channel got the message.
        with self._lock:
            self._held[entry_id] = (len(channels) + 1, len(channels))
        for channel in channels:
            if not self.mailboxes.put(channel, message):
                self._counters.drop(reason="mailbox_full")
                self._release(entry_id)
            elif not is_kept:
                self._release(entry_id)
        self._release(entry_id)

    def _finish_at_once(self, entry_id: bytes) -> None:
        with self._lock:
            self._held[entry_id] = (1, 1)
        self._release(entry_id)

    def _take_finished(self) -> list[bytes]:
        with self._lock:
            count = min(len(self._finished), _ACK_BATCH)
            return [self._finished.popleft() for _ in range(count)]

    def _release(self, entry_id: bytes) -> None:
        with self._lock:
            held = self._held.get(entry_id)
            if held is None:
                return
            left, meant_for = held
            self._held[entry_id] = (left - 1, meant_for)
            if left == 1:
                self._finished.append(entry_id)
                self._wake_acknowledger()

    def _may_hand_out(self, entry_id: bytes) -> bool:
        """Refuse entries while a peer may have taken them over (the presence we wrote ended).

        A refused entry stays pending in Redis: if nobody took it, recovery delivers it again.
        """
        if self._presence.holds_lease:
            return True
        with self._lock:
            held = self._held.get(entry_id)
            if held is not None and held[1] == 1:
                del self._held[entry_id]
                self._pending_recovery.suspect()
                return False
        # A group's entry may have reached some of its channels: it is never delivered again.
        self._release(entry_id)
        return False

    async def _write_dead_letter(
        self, entry_id: bytes, *, reason: str, connections: Connections
    ) -> None:
        _log.warning("message becomes a dead letter", extra={"reason": reason})
        await self._dead_letter_writer.write(
            self._process.entity, [entry_id], reason=reason, connections=connections
        )
        with self._lock:
            self._pending_recovery.note_departed([entry_id])
            self._held.pop(entry_id, None)
