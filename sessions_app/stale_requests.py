"""Ask what became of utterances whose answers are overdue."""

from scheduling.model.delivery import Delivery
from sessions_app.speaker import Speaker


class StaleRequests:
    """A loop. While Redis can be asked, timers see to every job; this is for when it cannot.

    An utterance whose job nobody can tell anything of for `patience_ms` is refused: its part of a
    cluster may be gone for good, and with it whoever would have ended it.
    """

    name = "late answers"

    def __init__(self, *, delivery: Delivery, patience_ms: int, interval_s: float) -> None:
        self.interval_s = interval_s
        self._delivery = delivery
        self._patience_ms = patience_ms

    async def run_once(self) -> int:
        """Ask about each; return how many there were."""
        asked = 0
        for speaker in self._delivery.local.list_sessions():
            if isinstance(speaker, Speaker) and not speaker.is_idle:
                asked += await speaker.recovery.ask_about_late(patience_ms=self._patience_ms)
        return asked
