"""Normal channels: work queues that any process may read, each message for one reader."""

import asyncio
import logging
import secrets
from collections import deque

from channels_streams.clock import now_ms
from channels_streams.connection import (
    REDIS_TROUBLE,
    Connections,
    is_missing_group,
    to_fields,
)
from channels_streams.dead_letter_writer import DeadLetterWriter
from channels_streams.keys import GROUP, process_entity, work_entity
from channels_streams.mailboxes import fail
from channels_streams.pending_recovery import Entry, PendingRecovery
from channels_streams.presence import Presence
from channels_streams.process import Process
from channels_streams.scripts import load_script

_ACKNOWLEDGE = load_script("acknowledge")
_LEAVE = load_script("leave_work")
_LINGER_S = 0.05
_RETRY_S = 0.2
_log = logging.getLogger("channels_streams")

# An entry and what a consumer gets of it.
Fetched = tuple[bytes, bytes]


class WorkReader:
    """One loop's reader of one normal channel; it fetches only what somebody waits for.

    At most once (the default): an entry is acknowledged when a consumer takes it, and nobody
    else ever gets it. At least once: it is acknowledged when this channel is asked for the next
    message, and comes again when that never happens.
    """

    def __init__(
        self,
        *,
        channel: str,
        process: Process,
        presence: Presence,
        connections: Connections,
    ) -> None:
        self._entity = work_entity(channel)
        self._stream = process.keys.stream(self._entity)
        # Two loops of a process are two consumers: neither takes the other's entries for lost.
        self._consumer = f"{process.iid}.{secrets.token_hex(4)}"
        self._again = process.options.is_at_least_once(channel)
        self._keys = process.keys
        self._options = process.options
        self._counters = process.counters
        self._presence = presence
        self._dead_letter_writer = DeadLetterWriter(process=process)
        self._connections = connections
        self._waiters: deque[asyncio.Future[Fetched]] = deque()
        self._fetched: deque[Fetched] = deque()
        self._taken: deque[bytes] = deque()
        self._finished: deque[bytes] = deque()
        self._held: set[bytes] = set()
        self._pending_recovery = PendingRecovery(block_ms=process.options.block_ms)
        self._is_stopping = False
        self._is_closed = False
        # Given back, as far as Redis has not said that it was.
        self._returning: list[bytes] = []
        self._scan_after = "-"
        self._next_scan_ms = now_ms() + process.options.dlq_scan_interval_ms
        self._task: asyncio.Task[None] | None = None
        self._ack_task: asyncio.Task[None] | None = None

    async def take(self) -> bytes:
        """Wait for the next message."""
        if self._again and self._taken:
            self._finish(self._taken.popleft())
        if self._fetched and not self._waiters:
            return self._hand_out(self._fetched.popleft())
        future: asyncio.Future[Fetched] = asyncio.get_running_loop().create_future()
        self._waiters.append(future)
        self._run_if_wanted()
        try:
            return self._hand_out(await future)
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._put_in_order(future.result())
                self._feed()
            elif future in self._waiters:
                self._waiters.remove(future)
            if not self._waiters:
                asyncio.get_running_loop().call_later(_LINGER_S, self._stop_if_idle)
            raise

    async def write_last(self) -> None:
        """Make a dead letter of the message handed out last: no consumer can read it (T8)."""
        newest = self._taken or self._finished
        if newest:
            entry_id = newest.pop()
            await self._write_dead_letter(entry_id, "undecodable")

    def dismiss(self) -> None:
        """Tell who still waits that the layer was closed."""
        while self._waiters:
            fail(self._waiters.popleft())

    async def close(self) -> None:
        """Stop reading; what nobody took goes back to the queue."""
        self._is_closed = True
        for task in (self._task, self._ack_task):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self._acknowledge()
        await self._give_back()

    async def scan_once(self) -> None:
        """Look at entries that were delivered long ago and never finished (T5).

        Age counts from when the entry was sent, deliveries from Redis, and the place where the
        scan stopped is kept: no entry hides behind others, and taking one over makes none young.
        """
        pending = await self._connections.command(
            *("XPENDING", self._stream, GROUP),
            *(self._scan_after, "+", self._options.dlq_scan_count),
        )
        full = len(pending) == self._options.dlq_scan_count
        self._scan_after = f"({pending[-1][0].decode()}" if full else "-"
        for entry in pending:
            if entry[0] not in self._held or entry[0] in self._taken:
                await self._judge(*entry)

    async def _judge(self, entry_id: bytes, consumer: bytes, idle_ms: int, deliveries: int) -> None:
        iid = consumer.decode().partition(".")[0]
        alive = await self._connections.command("EXISTS", self._keys.presence(process_entity(iid)))
        if not self._again:
            if not alive or idle_ms > self._options.dlq_min_idle_ms:
                await self._write_dead_letter(entry_id, "unfinished")
            return
        redeliver_after_ms = self._options.redeliver_after_ms
        if alive and idle_ms < redeliver_after_ms:
            return
        if deliveries >= self._options.dlq_max_deliveries:
            await self._write_dead_letter(entry_id, "max_deliveries")
            return
        # The idle time asked for is the guard: of two processes one gets it.
        claimed = await self._connections.command(
            *("XCLAIM", self._stream, GROUP, self._consumer),
            *(min(idle_ms, redeliver_after_ms), entry_id),
        )
        for claimed_id, fields in claimed:
            self._counters.reclaimed += 1
            self._forget(claimed_id)
            await self._accept(claimed_id, fields)

    def _forget(self, entry_id: bytes) -> None:
        self._held.discard(entry_id)
        if entry_id in self._taken:
            self._taken.remove(entry_id)

    def _run_if_wanted(self) -> None:
        if self._task is None and self._waiters and not self._is_closed:
            self._task = asyncio.create_task(self._run(), name="channels_streams.work_queues")

    async def _run(self) -> None:
        pause_s = 0.0
        try:
            while self._waiters or self._fetched or self._returning or pause_s == 0.0:
                try:
                    await asyncio.sleep(pause_s)
                    await self._read_while_wanted()
                    await self._give_back()
                    pause_s = 0.0
                    if not self._waiters:
                        return
                except asyncio.CancelledError:
                    self._forgive_own_cancellation()
                except REDIS_TROUBLE:
                    pause_s = _RETRY_S
                    _log.warning("work queue not reachable while leaving it")
                except Exception:  # noqa: BLE001 - whoever waits here is not to wait for ever
                    pause_s = _RETRY_S
                    _log.exception("work queue reader failed")
        except (asyncio.CancelledError, GeneratorExit):
            # The loop is ending.
            self._is_closed = True
            raise
        finally:
            self._task, self._is_stopping = None, False
            self._pending_recovery.suspect()
            # Somebody may have asked meanwhile, and found this reader at work.
            self._run_if_wanted()

    def _forgive_own_cancellation(self) -> None:
        """Go on after a cancellation of our own doing: a blocking read had to end.

        :raises CancelledError: it is somebody else's
        """
        task = asyncio.current_task()
        if not self._is_stopping or task is None:
            raise asyncio.CancelledError
        task.uncancel()
        self._is_stopping = False
        self._pending_recovery.suspect()

    async def _read_while_wanted(self) -> None:
        while self._waiters:
            try:
                await self._give_back_rest()
                await self._read_once()
            except REDIS_TROUBLE as error:
                self._pending_recovery.suspect()
                if is_missing_group(error):
                    await self._make_group()
                    continue
                self._counters.reconnects += 1
                _log.warning("work queue not readable", extra={"error": repr(error)})
                await asyncio.sleep(_RETRY_S)

    async def _read_once(self) -> None:
        # Some process must be alive for its pending entries not to look abandoned.
        if not self._presence.is_registered:
            await self._presence.beat(connections=self._connections)
        if self._pending_recovery.is_due:
            await self._recover()
        entries: list[Entry] = []
        await self._connections.read_group(
            self._stream,
            consumer=self._consumer,
            count=max(1, len(self._waiters) - len(self._fetched)),
            block_ms=self._pending_recovery.block_ms,
            take=lambda entry_id, fields: entries.append((entry_id, fields)),
        )
        for entry_id, fields in entries:
            await self._accept(entry_id, fields)
        if now_ms() >= self._next_scan_ms:
            self._next_scan_ms = now_ms() + self._options.dlq_scan_interval_ms
            await self.scan_once()

    async def _recover(self) -> None:
        """Read what Redis counts as delivered to us and nobody here ever saw."""
        for entry_id, fields in await self._pending_recovery.list_lost(
            self._stream,
            consumer=self._consumer,
            held=self._held,
            connections=self._connections,
        ):
            self._counters.reclaimed += 1
            await self._accept(entry_id, fields)

    async def _accept(self, entry_id: bytes, fields: list[bytes] | None) -> None:
        self._held.add(entry_id)
        payload = to_fields(fields).get(b"payload")
        if payload is None:
            await self._write_dead_letter(entry_id, "malformed")
            return
        created_ms = self._presence.to_local_ms(int(entry_id.partition(b"-")[0]))
        if not self._again and created_ms + self._options.expiry_ms < now_ms():
            self._counters.drop(reason="expired")
            self._finish(entry_id)
            return
        self._put_in_order((entry_id, payload))
        self._feed()

    def _put_in_order(self, fetched: Fetched) -> None:
        """Keep what was fetched in the order of the queue, whenever it came."""
        place, number = len(self._fetched), _number(fetched[0])
        while place > 0 and _number(self._fetched[place - 1][0]) > number:
            place -= 1
        self._fetched.insert(place, fetched)

    def _feed(self) -> None:
        while self._fetched and self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(self._fetched.popleft())

    def _hand_out(self, fetched: Fetched) -> bytes:
        entry_id, payload = fetched
        if self._again:
            self._taken.append(entry_id)
        else:
            self._finish(entry_id)
        return payload

    def _finish(self, entry_id: bytes) -> None:
        self._finished.append(entry_id)
        if self._ack_task is None:
            self._ack_task = asyncio.create_task(self._acknowledge_soon())

    async def _acknowledge_soon(self) -> None:
        try:
            while self._finished:
                await asyncio.sleep(self._options.ack_delay_ms / 1000)
                try:
                    await self._acknowledge()
                except REDIS_TROUBLE:
                    await asyncio.sleep(_RETRY_S)
        finally:
            self._ack_task = None

    async def _acknowledge(self) -> None:
        while self._finished:
            batch = [self._finished[i] for i in range(min(len(self._finished), 256))]
            _, deleted = await self._connections.run(
                _ACKNOWLEDGE, keys=[self._stream], args=[GROUP, *batch]
            )
            self._counters.acked += deleted
            self._pending_recovery.note_departed(batch)
            for entry_id in batch:
                self._finished.popleft()
                self._held.discard(entry_id)

    async def _give_back(self) -> None:
        """Return what was fetched and not taken, and leave the queue's list of readers."""
        if self._waiters:
            return
        self._returning = [entry_id for entry_id, _ in self._fetched]
        self._fetched.clear()
        self._pending_recovery.suspect()
        await self._give_back_rest(leaves=True)

    async def _give_back_rest(self, *, leaves: bool = False) -> None:
        """Give back what Redis has not said that it has again; a repeated call changes nothing."""
        ids = self._returning
        if not ids and not leaves:
            return
        await self._connections.run(_LEAVE, keys=[self._stream], args=[GROUP, self._consumer, *ids])
        self._pending_recovery.note_departed(ids)
        self._held.difference_update(ids)
        self._returning = []

    async def _write_dead_letter(self, entry_id: bytes, reason: str) -> None:
        _log.warning("message becomes a dead letter", extra={"reason": reason})
        await self._dead_letter_writer.write(
            self._entity, [entry_id], reason=reason, connections=self._connections
        )
        self._forget(entry_id)

    async def _make_group(self) -> None:
        """Make queue and group; from 0, so that what was sent before is read."""
        try:
            await self._connections.command(
                "XGROUP", "CREATE", self._stream, GROUP, "0", "MKSTREAM"
            )
        except REDIS_TROUBLE as error:
            if "BUSYGROUP" not in str(error):
                _log.warning("work queue not creatable", extra={"error": repr(error)})
                await asyncio.sleep(_RETRY_S)
                return
        keep_ms = int(self._options.dlq_ttl_s * 1000)
        await self._connections.command("PEXPIRE", self._stream, keep_ms)

    def _stop_if_idle(self) -> None:
        if not self._waiters and self._task is not None and not self._is_stopping:
            self._is_stopping = True
            self._task.cancel()


def _number(entry_id: bytes) -> tuple[int, int]:
    ms, _, sequence = entry_id.partition(b"-")
    return int(ms), int(sequence)
