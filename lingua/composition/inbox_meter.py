"""What the channel layer counts, as metrics of this instance (O5, O6)."""

from lingua.composition.layer_figures import LayerFigures
from scheduling.model.errors import DependencyDown
from scheduling.model.metrics import Metrics


class InboxMeter:
    """A loop; layers other than Streams count nothing, and their figures stay 0."""

    name = "inbox meter"

    def __init__(self, *, figures: LayerFigures, metrics: Metrics, interval_s: float) -> None:
        self.interval_s = interval_s
        self._figures = figures
        self._metrics = metrics
        self._reported: dict[str, int] = {}

    async def run_once(self) -> int:
        """Report what changed; return how many messages were given up or taken over since."""
        moved = self._figures.count_moved()
        changed = 0
        for name, total in moved.items():
            since = total - self._reported.get(name, 0)
            self._metrics.count(name, by=since)
            self._reported[name] = total
            changed += since
        try:
            inbox = await self._figures.measure()
        except DependencyDown:
            return changed
        self._metrics.gauge("phase2_inbox_pending", inbox.pending)
        self._metrics.gauge("dlq_length", inbox.dead_letters)
        age_ms = self._figures.oldest_age_ms
        self._metrics.gauge("inbox_oldest_pending_seconds", age_ms / 1000)
        return changed
