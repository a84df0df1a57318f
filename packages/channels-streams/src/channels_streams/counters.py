"""What the layer counts; plain attributes, so that any metrics system can read them."""

import logging
from collections import Counter

from channels_streams.clock import now_ms

_log = logging.getLogger("channels_streams")
_LOG_DROPS_EVERY_MS = 5000.0


class Counters:
    """Totals since the layer was made, and two gauges of its inbox.

    `redis_ops` is keyed by (operation, "ok" or the error's class name), `dropped` by reason:
    expired, mailbox_full, no_process, fenced, flushed.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.acked = 0
        self.reclaimed = 0
        self.dead_lettered: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.redis_ops: Counter[tuple[str, str]] = Counter()
        self.reconnects = 0
        self.inbox_pending = 0
        self.inbox_oldest_age_ms = 0
        self._next_log_ms: dict[str, float] = {}

    def drop(self, *, reason: str, count: int = 1) -> None:
        """Count messages that will never be delivered; log each reason at most every 5 s."""
        if count == 0:
            return
        self.dropped[reason] += count
        now = now_ms()
        if now >= self._next_log_ms.get(reason, 0.0):
            self._next_log_ms[reason] = now + _LOG_DROPS_EVERY_MS
            _log.warning(
                "messages dropped", extra={"reason": reason, "total": self.dropped[reason]}
            )
