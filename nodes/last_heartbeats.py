"""The last heartbeat of a connection that was recorded whole: what the next need not say again."""

import msgspec

from nodes import messages
from scheduling.model.nodes import Flaws

_WHOLE_EVERY_MS = 300_000


class LastHeartbeat(msgspec.Struct, frozen=True, eq=False):
    """What was said, what frames had wrong by then, and what Redis `shown` of the node after it."""

    message: messages.NodeHeartbeat
    flaws: Flaws
    shown: str
    at_ms: float

    def covers(self, message: messages.NodeHeartbeat, *, flaws: Flaws, now_ms: float) -> bool:
        """Say whether `message` declares the same; now and then one is recorded whole anyway."""
        if now_ms - self.at_ms >= _WHOLE_EVERY_MS or flaws != self.flaws:
            return False
        last = self.message
        # What the node works on is asked of its connection, and figures may be others.
        declared = msgspec.structs.replace(
            message,
            timestamp=last.timestamp,
            resource_usage=last.resource_usage,
            running_attempts=last.running_attempts,
        )
        return declared == last
