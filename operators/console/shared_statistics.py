"""One instance's statistics, served by all (D3)."""

from collections.abc import Callable

from operators.console.stats_cache import Board
from scheduling.store.mirrors import MirrorStore


class SharedStatistics:
    """The loop by which the leader shares its statistics, and every instance takes them over."""

    name = "shared-statistics"

    def __init__(
        self,
        *,
        board: Board,
        store: MirrorStore,
        leads: Callable[[], bool],
        interval_s: float,
        life_ms: int,
    ) -> None:
        self._board = board
        self._store = store
        self._leads = leads
        self._life_ms = life_ms
        self.interval_s = interval_s

    async def run_once(self) -> int:
        """Share, where this instance leads; then serve what is shared, or else one's own."""
        pages = self._board.pages
        if self._leads() and pages.made_at_ms:
            await self._store.write_statistics(pages.stats, life_ms=self._life_ms)
        self._board.shared = await self._store.find_statistics()
        return 1 if self._board.shared else 0
