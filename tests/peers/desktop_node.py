"""The desktop node as it behaves after a failure, in words and order as recorded (run 6)."""

from websockets.asyncio.client import ClientConnection

from tests.peers.frames import Frame
from tests.peers.node import FakeNode

DUPLICATE_JOB = "DUPLICATE_JOB_ID"
DUPLICATE_UTTERANCE = "DUPLICATE_UTTERANCE_INDEX"


class DesktopNode(FakeNode):
    """It never acknowledges, knows nothing of resuming, and refuses a job it has seen.

    So it does with another job of an utterance, and with one of a session that has come further.
    `had` outlives its socket: a test that lets it come back hands it to the next one.
    """

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__(socket)
        self.had: set[str] = set()
        self.heard: dict[str, int] = {}

    async def register(self, languages: tuple[str, str], **changes: object) -> Frame:
        return await super().register(languages, **{"advanced_features": [], **changes})

    async def come_back(self, before: FakeNode, languages: tuple[str, str]) -> None:
        """Register as an older socket's node: a heartbeat with its id goes out before."""
        assert isinstance(before, DesktopNode)
        self.node_id, self.had = before.node_id, before.had
        await self.heartbeat()
        await self.register(languages, node_id=before.node_id)
        await self.make_ready()

    async def on_frame(self, frame: Frame) -> None:
        if frame["type"] == "job_assign" and frame["job_id"] in self.had:
            await self.fail(
                frame,
                "PROCESSING_ERROR",
                message=f"{DUPLICATE_JOB}: job_id already processed by this node",
            )
        elif frame["type"] == "job_assign":
            self.had.add(frame["job_id"])
            session_id, index = frame["session_id"], frame["utterance_index"]
            if index <= self.heard.get(session_id, -1):
                await self.fail(frame, "PROCESSING_ERROR", message=f"{DUPLICATE_UTTERANCE}: …")
            else:
                self.heard[session_id] = index
