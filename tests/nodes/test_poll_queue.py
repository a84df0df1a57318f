"""What waits for a node that polls: what a lost answer brought is brought once more (RE2)."""

import asyncio

import pytest

from nodes.poll_queue import Fetched, PollQueue
from sockets.outbound import OutboundLimits

pytestmark = pytest.mark.req("RE2", "N18")


class Asking:
    """A node that asks instances for what there is, and says which answer it had."""

    def __init__(self) -> None:
        self.had = 0

    async def ask(self, queue: PollQueue, *, is_lost: bool = False) -> list[str]:
        fetched: Fetched = await queue.fetch(
            most=16, wait_s=0, wait_gone=asyncio.Event().wait, had=self.had
        )
        fetched.settle(True)  # noqa: FBT003 - as the server calls it
        if is_lost:
            return []
        self.had = fetched.number if fetched.frames else self.had
        return list(fetched.frames)


def make_queue() -> PollQueue:
    return PollQueue(limits=OutboundLimits(), on_closed=lambda _queue: None)


async def test_what_a_lost_answer_brought_is_brought_once_more() -> None:
    node, queue = Asking(), make_queue()
    queue.enqueue("a job")

    assert await node.ask(queue, is_lost=True) == []

    assert await node.ask(queue) == ["a job"]
    assert await node.ask(queue) == []


@pytest.mark.parametrize("had_before", [1, 3])
async def test_an_answer_lost_after_a_node_moved_is_brought_once_more(had_before: int) -> None:
    """Numbers of the instance where it was before say nothing about those of the next."""
    node, before, after = Asking(), make_queue(), make_queue()
    for number in range(had_before):
        before.enqueue(f"a job, {number}")
        await node.ask(before)
    after.enqueue("a job of the other instance")

    assert await node.ask(after, is_lost=True) == []

    assert await node.ask(after) == ["a job of the other instance"]
