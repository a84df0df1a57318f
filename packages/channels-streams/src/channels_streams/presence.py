"""Being alive in Redis: presence and inbox exist while this process can say so."""

import asyncio
import logging
import threading
from concurrent.futures import Future

from channels_streams.clock import now_ms
from channels_streams.connection import Connections
from channels_streams.groups import Groups
from channels_streams.keys import GROUP
from channels_streams.process import Process
from channels_streams.scripts import load_script

_REGISTER = load_script("register")
_RETIRE = load_script("retire")
_BEATS_PER_TTL = 3
_GROUPS_PER_BEAT = 500
_log = logging.getLogger("channels_streams")


class Presence:
    """The claim of a process on its inbox, and what Redis' clock shows."""

    def __init__(self, *, process: Process, groups: Groups) -> None:
        self._entity = process.entity
        self._keys = process.keys
        self._options = process.options
        self._counters = process.counters
        self._groups = groups
        self._lease_ends_at_ms = 0.0
        self._redis_minus_local_ms = 0.0
        # Set by whoever meets trouble with Redis: what it knew of us may be gone.
        self.is_in_doubt = False
        self.is_registered = False
        self._lock = threading.Lock()
        self._has_ended = False
        # Beats under way, of any loop: each may write the presence until it is done.
        self._beats: set[Future[None]] = set()

    @property
    def beat_s(self) -> float:
        """How often `beat` should run."""
        return self._options.presence_ttl_s / _BEATS_PER_TTL

    @property
    def holds_lease(self) -> bool:
        """Whether surely nobody took our inbox over: the presence we wrote has not ended."""
        return now_ms() < self._lease_ends_at_ms

    def to_local_ms(self, redis_ms: int) -> float:
        """Turn a moment of Redis' clock into one of ours."""
        return redis_ms - self._redis_minus_local_ms

    def redis_now_ms(self) -> float:
        """About what Redis' clock shows; it was asked at the last beat."""
        return now_ms() + self._redis_minus_local_ms

    async def beat(self, *, connections: Connections) -> bool:
        """Say that we live; after trouble, tell Redis our groups again.

        Returns whether somebody may have taken our inbox over since the last time. After the
        end nothing is said: the loops find their inbox gone and ask here before they stop.
        """
        done: Future[None] = Future()
        with self._lock:
            if self._has_ended:
                return False
            self._beats.add(done)
        try:
            return await self._beat(connections)
        finally:
            with self._lock:
                self._beats.discard(done)
            done.set_result(None)

    async def _beat(self, connections: Connections) -> bool:
        lapsed = self.is_registered and not self.holds_lease
        state, redis_ms, length, oldest_ms = await self._register(connections)
        self._counters.inbox_pending = length
        self._counters.inbox_oldest_age_ms = redis_ms - oldest_ms if oldest_ms else 0
        await connections.command("ZADD", self._keys.index(), redis_ms, self._entity)
        await connections.command(
            "PEXPIRE", self._keys.index(), int(self._options.dlq_ttl_s * 1000)
        )
        if self.is_registered and state != "kept":
            _log.warning("presence had ended", extra={"state": state})
        if state != "kept" or self.is_in_doubt:
            self.is_in_doubt = False
            await self._groups.assert_all(connections=connections)
        else:
            await self._groups.assert_some(count=_GROUPS_PER_BEAT, connections=connections)
        self.is_registered = True
        return lapsed and state == "created"

    async def retire(self, *, connections: Connections) -> None:
        """Stop in order: out of the groups, presence ended, an empty inbox removed.

        No beat writes the presence again: those under way are waited for, others say nothing.
        Dead letters stay listed until the last of them has gone.
        """
        with self._lock:
            self._has_ended = True
            beats = [asyncio.wrap_future(beat) for beat in self._beats]
        if beats:
            # A loop that ended within its beat never says so.
            await asyncio.wait(beats, timeout=self._options.presence_ttl_s)
        self.is_registered = False
        self._lease_ends_at_ms = 0.0
        await self._groups.leave_all(connections=connections)
        reply = await connections.run(
            _RETIRE,
            keys=[self._keys.stream(self._entity), self._keys.presence(self._entity)],
        )
        letters = await connections.command("EXISTS", self._keys.dead_letters(self._entity))
        if reply[1] == 0 and not letters:
            await connections.command("ZREM", self._keys.index(), self._entity)
        else:
            # Peers look for the longest unseen first.
            await connections.command("ZADD", self._keys.index(), 0, self._entity)

    async def _register(self, connections: Connections) -> tuple[str, int, int, int]:
        started_ms = now_ms()
        _, state, redis_ms, length, oldest_ms = await connections.run(
            _REGISTER,
            keys=[self._keys.stream(self._entity), self._keys.presence(self._entity)],
            args=[GROUP, self._options.presence_ttl_ms, int(self._options.dlq_ttl_s * 1000)],
        )
        self._lease_ends_at_ms = started_ms + self._options.presence_ttl_ms
        self._redis_minus_local_ms = int(redis_ms) - (started_ms + now_ms()) / 2
        return state.decode(), int(redis_ms), int(length), int(oldest_ms)
