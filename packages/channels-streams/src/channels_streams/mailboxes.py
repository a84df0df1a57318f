"""What waits here for consumers: one bounded queue per channel, for any thread or loop."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from channels_streams.clock import now_ms

# What an empty mailbox, a message and its place in a mailbox cost beside the payload, so that
# names and empty messages alone are bounded too.
_MAILBOX_BYTES = 1024
_BODY_BYTES = 128
_PLACE_BYTES = 80
# When there is no room, this share of all is made at once; when none could be, this pause follows.
_ROOM_SHARE = 16
_FULL_FOR_MS = 100.0

Waiter = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class LayerClosed(Exception):
    """The layer was closed while a consumer waited for a message."""


class SharedMessage(msgspec.Struct, gc=False):
    """A payload, and in how many mailboxes it lies: however many these are, it costs once."""

    payload: bytes
    places: int = 0


class QueuedMessage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message for one channel; `entry_id` names its inbox entry if it came through Redis."""

    body: SharedMessage
    expires_at_ms: float
    entry_id: bytes | None = None


class Mailbox:
    """The messages of one channel, and who waits for them."""

    __slots__ = (
        "capacity",
        "is_abandoned",
        "messages",
        "taken",
        "taken_at_ms",
        "used_at_ms",
        "waiters",
    )

    def __init__(self, *, capacity: int) -> None:
        self.capacity = capacity
        self.messages: deque[QueuedMessage] = deque()
        self.waiters: deque[Waiter] = deque()
        # The inbox entry whose message the consumer works on: its next receive() finishes it.
        self.taken: bytes | None = None
        self.taken_at_ms = 0.0
        # Nobody waits and the last wait was given up: a consumer that left, or one that polls.
        # Its messages stay for the second, and are finished in Redis for the first: a channel
        # nobody reads must not fill the inbox of all others.
        self.is_abandoned = False
        self.used_at_ms = now_ms()


class Mailboxes:
    """All mailboxes of one process.

    `release` is called for every inbox entry this process is done with for one channel.
    `may_hand_out` is asked before a message that came through Redis reaches a consumer.
    `drop` counts what is lost, by reason.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        capacity_of: Callable[[str], int],
        release: Callable[[bytes], None],
        may_hand_out: Callable[[bytes], bool],
        drop: Callable[[str], None],
    ) -> None:
        self._boxes: dict[str, Mailbox] = {}
        self._lock = threading.RLock()
        self._max_bytes = max_bytes
        # MessageFormatter, each once, and an allowance for each message, place and mailbox.
        self._bytes = 0
        # Until when nobody who was read no later than that need look for room again.
        self._full_until_ms, self._full_for_read_at = 0.0, 0.0
        self._capacity_of = capacity_of
        self._release = release
        self._may_hand_out = may_hand_out
        self._drop = drop

    def __len__(self) -> int:
        return len(self._boxes)

    @property
    def bytes_held(self) -> int:
        """How much lies here, about."""
        return self._bytes

    def open(self, channel: str) -> Mailbox:
        """Return the mailbox of `channel`, new if it has none."""
        with self._lock:
            box = self._boxes.get(channel)
            if box is None:
                box = self._boxes[channel] = Mailbox(capacity=self._capacity_of(channel))
                self._bytes += _MAILBOX_BYTES
            return box

    def put(self, channel: str, message: QueuedMessage) -> bool:
        """Add a message; False if the mailbox is full.

        When there is no room for all of them, the mailboxes that were not read for longest lose
        theirs: who is read is not to suffer from who is not.
        """
        with self._lock:
            box = self._boxes.get(channel)
            size = _PLACE_BYTES + (0 if message.body.places else _size(message.body))
            size += 0 if box else _MAILBOX_BYTES
            if self._bytes + size > self._max_bytes and not self._make_room(size, box):
                return False
            if box is None:
                box = self.open(channel)
                box.is_abandoned = True
                box.used_at_ms = 0.0
            if len(box.messages) >= box.capacity and not self._drop_expired(box):
                return False
            box.messages.append(self._let_go(message) if box.is_abandoned else message)
            self._add_place(message.body)
            self._wake_one(box)
            return True

    async def take(self, channel: str) -> bytes:
        """Wait for the next message; finishes the one taken before on this channel."""
        while True:
            with self._lock:
                box = self.open(channel)
                box.is_abandoned = False
                self._finish(box)
                message = self._pop(box)
                if message is not None:
                    return message.body.payload
                loop = asyncio.get_running_loop()
                waiter: Waiter = (loop, loop.create_future())
                box.waiters.append(waiter)
            try:
                await waiter[1]
            except asyncio.CancelledError:
                self._stop_waiting(box, waiter)
                raise

    def sweep(self, *, idle_ms: float) -> None:
        """Drop what has expired, and mailboxes that are empty and unused for `idle_ms`."""
        now = now_ms()
        with self._lock:
            for channel, box in list(self._boxes.items()):
                self._drop_expired(box)
                busy = box.messages or box.waiters or box.taken is not None
                if not busy and box.used_at_ms + idle_ms < now:
                    del self._boxes[channel]
                    self._bytes -= _MAILBOX_BYTES

    def list_unfinished(self, *, older_than_ms: float) -> list[bytes]:
        """List entries a consumer took so long ago that it must have failed; they are let go."""
        limit = now_ms() - older_than_ms
        found = []
        with self._lock:
            for box in self._boxes.values():
                if box.taken is not None and box.taken_at_ms < limit:
                    found.append(box.taken)
                    box.taken = None
        return found

    def finish(self, channel: str) -> None:
        """Finish the message taken last: its consumer has it."""
        with self._lock:
            box = self._boxes.get(channel)
            if box is not None:
                self._finish(box)

    def give_up_taken(self, channel: str) -> bytes | None:
        """Return the entry taken last, which will not be finished by the next take."""
        with self._lock:
            box = self.open(channel)
            taken, box.taken = box.taken, None
            return taken

    def clear(self, *, reason: str, from_redis_only: bool = False) -> None:
        """Drop what waits; with `from_redis_only`, keep what was sent inside this process."""
        with self._lock:
            for box in self._boxes.values():
                messages, box.messages, box.taken = box.messages, deque(), None
                for message in messages:
                    if from_redis_only and message.entry_id is None:
                        box.messages.append(message)
                        continue
                    self._remove_place(message.body)
                    self._drop(reason)

    def close(self) -> None:
        """Wake everybody who waits, with LayerClosed; forget every mailbox."""
        with self._lock:
            boxes, self._boxes, self._bytes = list(self._boxes.values()), {}, 0
        for box in boxes:
            for loop, future in box.waiters:
                _call(loop, fail, future)

    def _finish(self, box: Mailbox) -> None:
        if box.taken is not None:
            entry_id, box.taken = box.taken, None
            self._release(entry_id)

    def _pop(self, box: Mailbox) -> QueuedMessage | None:
        now = box.used_at_ms = now_ms()
        while box.messages:
            message = box.messages.popleft()
            self._remove_place(message.body)
            if message.expires_at_ms <= now:
                self._forget(message, "expired")
                continue
            if message.entry_id is not None:
                if not self._may_hand_out(message.entry_id):
                    self._drop("fenced")
                    continue
                box.taken, box.taken_at_ms = message.entry_id, now
            return message
        return None

    def _drop_expired(self, box: Mailbox) -> bool:
        now, dropped = now_ms(), False
        while box.messages and box.messages[0].expires_at_ms <= now:
            message = box.messages.popleft()
            self._remove_place(message.body)
            self._forget(message, "expired")
            dropped = True
        return dropped

    def _add_place(self, body: SharedMessage) -> None:
        self._bytes += _PLACE_BYTES + (0 if body.places else _size(body))
        body.places += 1

    def _remove_place(self, body: SharedMessage) -> None:
        body.places -= 1
        self._bytes -= _PLACE_BYTES + (0 if body.places else _size(body))

    def _make_room(self, size: int, wanting: Mailbox | None) -> bool:
        """Drop what lies in mailboxes not read since the one that wants room was."""
        now = now_ms()
        read_at = now if wanting is None or wanting.waiters else wanting.used_at_ms
        if now < self._full_until_ms and read_at <= self._full_for_read_at:
            return False
        wanted = self._max_bytes - max(size, self._max_bytes // _ROOM_SHARE)
        idle = [
            box
            for box in self._boxes.values()
            if box.messages and not box.waiters and box.used_at_ms < read_at and box is not wanting
        ]
        for box in sorted(idle, key=lambda each: (not each.is_abandoned, each.used_at_ms)):
            while box.messages and self._bytes > wanted:
                message = box.messages.popleft()
                self._remove_place(message.body)
                self._forget(message, "mailbox_full")
        if self._bytes + size <= self._max_bytes:
            return True
        self._full_until_ms, self._full_for_read_at = now + _FULL_FOR_MS, read_at
        return False

    def _forget(self, message: QueuedMessage, reason: str) -> None:
        self._drop(reason)
        if message.entry_id is not None:
            self._release(message.entry_id)

    def _stop_waiting(self, box: Mailbox, waiter: Waiter) -> None:
        with self._lock:
            if waiter in box.waiters:
                box.waiters.remove(waiter)
            elif box.messages:
                # It was woken for a message it will not take: the next one may.
                self._wake_one(box)
            if not box.waiters:
                box.is_abandoned = True
                box.messages = deque(self._let_go(message) for message in box.messages)

    def _let_go(self, message: QueuedMessage) -> QueuedMessage:
        """Finish a message's entry in Redis and keep the message."""
        if message.entry_id is None:
            return message
        self._release(message.entry_id)
        return QueuedMessage(body=message.body, expires_at_ms=message.expires_at_ms)

    def _wake_one(self, box: Mailbox) -> None:
        while box.waiters:
            loop, future = box.waiters.popleft()
            if not future.cancelled() and not loop.is_closed():
                _call(loop, _succeed, future)
                return


def _size(body: SharedMessage) -> int:
    return len(body.payload) + _BODY_BYTES


def _call(
    loop: asyncio.AbstractEventLoop,
    do: Callable[["asyncio.Future[None]"], None],
    future: "asyncio.Future[None]",
) -> None:
    """Complete a future of whichever loop it belongs to."""
    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    if here is loop:
        do(future)
    elif not loop.is_closed():
        loop.call_soon_threadsafe(do, future)


def _succeed(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def fail(future: "asyncio.Future[Any]") -> None:
    """Tell who waits for a message that the layer was closed."""
    if not future.done():
        future.set_exception(LayerClosed("the channel layer was closed"))
