"""How well nodes recognise speech, as they say themselves, counted in the metrics (O2, G)."""

from nodes import messages
from scheduling.model.metrics import Metrics

_UNKNOWN = "unknown"
_QUALITIES = frozenset({"good", "suspect", "bad"})


class AsrMetrics:
    """Counts results by quality, and second tries by what became of them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def note_result(self, result: messages.JobResult) -> None:
        """Count one result that a job took."""
        quality = result.asr_quality_level or _UNKNOWN
        self._metrics.count("asr_results_total", quality if quality in _QUALITIES else _UNKNOWN)
        if result.rerun_count:
            self._metrics.count("asr_results_rerun_total")
        probability = result.extra.language_probability if result.extra else None
        if probability is not None:
            self._metrics.observe("asr_language_probability", probability)

    def note_reruns(
        self, now: messages.RerunMetrics, *, before: messages.RerunMetrics | None
    ) -> None:
        """Count what a node's running totals grew by since its heartbeat before (I-65).

        The first heartbeat of a connection counts nothing: another one may have counted it. A
        total that is less than before is one of a node program that began anew.
        """
        if before is None:
            return
        metrics = self._metrics
        metrics.count("asr_reruns_started_total", by=_grown(now.total, before.total))
        metrics.count("asr_reruns_total", "success", by=_grown(now.successful, before.successful))
        metrics.count("asr_reruns_total", "failed", by=_grown(now.failed, before.failed))
        metrics.count("asr_reruns_total", "timeout", by=_grown(now.timed_out, before.timed_out))
        metrics.count("asr_reruns_improved_total", by=_grown(now.improved, before.improved))


def _grown(now: int, before: int) -> int:
    return now - before if now >= before else now
