"""What connects to instances in these tests: speakers, and nodes that answer by themselves."""

from typing import Any

from websockets.asyncio.client import ClientConnection

from tests.e2e import peers
from tests.e2e.peers import Frame, Speaker
from tests.e2e.peers import draw_languages as draw_pair

__all__ = ["FakeNode", "Frame", "Speaker", "draw_pair"]


class FakeNode(peers.FakeNode):
    """A node that is ready once registered; with `works` it finishes every job at once."""

    works = False
    slots = 4
    acknowledges = True

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__(socket)
        self._held: set[str] = set()
        # How many jobs it had at a time; never more than it has slots for.
        self.most_held = 0

    async def register(self, languages: tuple[str, str], **changes: Any) -> Frame:
        """Register and become ready for jobs."""
        features = ["job_ack"] if self.acknowledges else []
        offer = {"max_concurrent_jobs": self.slots, "advanced_features": features}
        ack = await super().register(languages, **(offer | changes))
        await self.make_ready()
        return ack

    async def on_frame(self, frame: Frame) -> None:
        if frame["type"] == "job_assign":
            self._held.add(frame["job_id"])
            self.most_held = max(self.most_held, len(self._held))
        elif frame["type"] == "job_cancel":
            self._held.discard(frame["job_id"])
        if self.works and frame["type"] == "job_assign":
            await self.acknowledge(frame)
            await self.finish(frame)

    async def acknowledge(self, job: Frame) -> None:
        await self.ack(job)

    async def finish(self, job: Frame, **changes: Any) -> None:
        self._held.discard(job["job_id"])
        await super().finish(job, **changes)

    def result_frame(self, job: Frame) -> Frame:
        who = f"by {self.node_id}, attempt {job['attempt_id']}"
        return super().result_frame(job) | {"text_translated": who}
