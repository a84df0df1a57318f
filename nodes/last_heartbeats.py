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
        last = self.message
        return (
            now_ms - self.at_ms < _WHOLE_EVERY_MS
            and flaws == self.flaws
            and message.draining == last.draining
            and message.capability_by_type == last.capability_by_type
            and message.installed_services == last.installed_services
            and message.language_capabilities == last.language_capabilities
            and message.installed_models == last.installed_models
            and message.rerun_metrics == last.rerun_metrics
        )
