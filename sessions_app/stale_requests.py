"""Ask what became of utterances whose answers are overdue."""

from scheduling.model.delivery import Delivery
from sessions_app.speaker import Speaker


class StaleRequests:
    """A loop. While Redis can be asked, timers see to every job; this is for when it cannot.

    An utterance whose job nobody can tell anything of for `stale_after_ms` is refused: its part of
    a cluster may be gone for good, and with it whoever would have ended it.
    """

    name = "stale requests"

    def __init__(self, *, delivery: Delivery, stale_after_ms: int, interval_s: float) -> None:
        self.interval_s = interval_s
        self._delivery = delivery
        self._stale_after_ms = stale_after_ms

    async def run_once(self) -> int:
        """Ask about each; return how many there were."""
        asked = 0
        for speaker in self._delivery.local.list_sessions():
            if isinstance(speaker, Speaker) and not speaker.is_idle:
                asked += await speaker.recovery.ask_about_late(stale_after_ms=self._stale_after_ms)
        return asked
