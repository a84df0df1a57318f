"""Waits until an instance knows the nodes of others: their word takes a moment to get there."""

from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually


async def know_nodes(
    speaker: Speaker, languages: tuple[str, str], *, node: FakeNode | None = None
) -> None:
    """Wait until a speaker's instance knows a node for its languages.

    Other speakers ask there until one is answered, by `node` where that does nothing by itself.
    """
    host, port = speaker.socket.remote_address[:2]
    url = f"ws://{host}:{port}/ws/session"

    async def is_served() -> bool:
        async with Speaker.open(url, languages) as scout:
            await scout.say(0)
            told = await scout.next(
                lambda frame: (
                    frame["type"] == "missing_result" or frame.get("event") == "DISPATCHED"
                )
            )
            if told["type"] == "missing_result":
                return False
            if node is not None:
                await node.finish(await node.job())
            await scout.result(0)
        return True

    await eventually(is_served, "nobody there knows the node")
