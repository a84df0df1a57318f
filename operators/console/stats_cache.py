"""The latest statistics, made in the background and read at once (D1, D2, D9)."""

import asyncio
import functools
from collections.abc import Awaitable, Callable

from scheduling.model import clock
from scheduling.model.metrics import Metrics

_STALE_MS = 10_000
_COLD_START_EVERY_MS = 30_000
# After somebody looked at the cluster, how long it is encoded before anybody asks.
_WATCHED_MS = 60_000


class Pages:
    """The encoded answers of one moment.

    The cluster's names every node and is encoded when it is first wanted: with thousands of nodes
    that keeps other threads waiting, and most of the time nobody looks.
    """

    def __init__(
        self, *, stats: bytes, encode_cluster: Callable[[], bytes], made_at_ms: int = 0
    ) -> None:
        self.stats = stats
        self.made_at_ms = made_at_ms
        self._encode_cluster = encode_cluster

    @functools.cached_property
    def cluster(self) -> bytes:
        return self._encode_cluster()


class StatsCache:
    """A loop that makes the answers; whoever asks gets the last ones, or empty ones, at once."""

    name = "statistics"

    def __init__(
        self,
        *,
        make: Callable[[], Awaitable[Pages]],
        empty: Pages,
        metrics: Metrics,
        interval_s: float,
    ) -> None:
        self._make = make
        self._metrics = metrics
        self._making: asyncio.Task[Pages] | None = None
        self._triggered_at_ms = self._looked_at_ms = -float("inf")
        self.pages = empty
        self.shared: bytes | None = None
        self.interval_s = interval_s

    async def run_once(self) -> int:
        """Make new answers; callers at the same time share one generation."""
        if self._making is None:
            self._making = asyncio.create_task(self._generate(), name="statistics")
        making = self._making
        try:
            await asyncio.shield(making)
        finally:
            if making.done():
                self._making = None
        return 1

    @property
    def stats(self) -> bytes:
        """Return the statistics to serve: those that all instances share, or our own."""
        return self.shared or self.pages.stats

    @property
    def cluster(self) -> bytes:
        """Return the cluster as it stood; whoever is the first in a minute has it encoded."""
        self._looked_at_ms = clock.steady_ms()
        return self.pages.cluster

    def trigger(self) -> None:
        """Begin a generation for somebody who found none: one at a time, one in 30 s."""
        now_ms = clock.steady_ms()
        if self._making or now_ms - self._triggered_at_ms < _COLD_START_EVERY_MS:
            return
        self._triggered_at_ms = now_ms
        self._making = asyncio.create_task(self._generate(), name="first statistics")
        self._making.add_done_callback(self._forget)

    def note_request(self, *, took_ms: float) -> None:
        """Count a request; called on the instance's own event loop."""
        self._metrics.count("stats_requests_total")
        self._metrics.observe("stats_request_duration_seconds", took_ms / 1000)
        if self.is_stale:
            self._metrics.count("stats_stale_total")
        if not self.pages.made_at_ms:
            self.trigger()

    @property
    def is_stale(self) -> bool:
        return self.age_ms is None or self.age_ms > _STALE_MS

    @property
    def age_ms(self) -> int | None:
        """Return the age of the answers, None before the first."""
        made_at_ms = self.pages.made_at_ms
        return clock.now_ms() - made_at_ms if made_at_ms else None

    async def _generate(self) -> Pages:
        pages = await self._make()
        if clock.steady_ms() - self._looked_at_ms < _WATCHED_MS:
            await asyncio.to_thread(lambda: pages.cluster)
        self.pages = pages
        return pages

    def _forget(self, done: "asyncio.Task[Pages]") -> None:
        if self._making is done:
            self._making = None
