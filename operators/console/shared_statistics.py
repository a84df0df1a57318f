"""One instance's statistics, served by all (D3)."""

from collections.abc import Callable

from operators.console.stats_cache import StatsCache
from scheduling.store.mirrors import MirrorStore


class SharedStatistics:
    """The loop by which the leader shares its statistics, and every instance takes them over."""

    name = "shared-statistics"

    def __init__(
        self,
        *,
        stats_cache: StatsCache,
        store: MirrorStore,
        leads: Callable[[], bool],
        interval_s: float,
        life_ms: int,
    ) -> None:
        self._stats_cache = stats_cache
        self._store = store
        self._leads = leads
        self._life_ms = life_ms
        self.interval_s = interval_s

    async def run_once(self) -> int:
        """Share, where this instance leads; then serve what is shared, or else one's own."""
        pages = self._stats_cache.pages
        if self._leads() and pages.made_at_ms:
            await self._store.write_statistics(pages.stats, life_ms=self._life_ms)
        self._stats_cache.shared = await self._store.find_statistics()
        return 1 if self._stats_cache.shared else 0
