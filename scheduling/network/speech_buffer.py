"""Speech for a node of this instance, said while its job is still being looked at (SP10)."""

import contextlib

from scheduling.model import errors
from scheduling.model.delivery import Delivery
from scheduling.model.events import AudioSpoken, JobAssigned, SpeechEnded, StreamFailed

Spoken = AudioSpoken | SpeechEnded


class SpeechBuffer:
    """Keeps speech in order behind its assignment, for that waits for a word of Redis first."""

    def __init__(self, *, delivery: Delivery) -> None:
        self._delivery = delivery
        self._waiting: dict[tuple[str, int], list[Spoken]] = {}

    def hold(self, event: JobAssigned) -> None:
        """An assignment is being looked at: what is said of it waits."""
        self._waiting.setdefault((event.job_id, event.attempt), [])

    async def let_go(self, node_id: str, event: JobAssigned) -> None:
        """The node has the assignment, or will not have it: pass on what waited."""
        for spoken in self._waiting.pop((event.job_id, event.attempt), ()):
            if not self.take(node_id, spoken):
                await self.give_up(node_id, spoken)
                return

    def take(self, node_id: str, event: Spoken) -> bool:
        """Bring what was said to its node, or keep it; False where the node is not to have it."""
        waiting = self._waiting.get((event.job_id, event.attempt))
        if waiting is not None:
            waiting.append(event)
            return True
        return bool(self._delivery.local.to_node(node_id, event, conn_epoch=None))

    async def give_up(self, node_id: str, event: Spoken) -> None:
        """Let the speaker's process begin anew; where that is lost, time ends the open job."""
        broken = StreamFailed(
            session_id=event.session_id,
            job_id=event.job_id,
            attempt=event.attempt,
            node_id=node_id,
            reason="stream_gap",
        )
        with contextlib.suppress(errors.DependencyDown):
            await self._delivery.to_session(event.session_id, broken)
