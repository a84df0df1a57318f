"""A forked child is another process: it sends to its parent, and never reads for it."""

import asyncio
import multiprocessing
from collections.abc import Callable

import pytest
from asgiref.sync import async_to_sync
from streams_testing.waiting import receive

pytestmark = [
    pytest.mark.req("RE1"),
    # The parent has threads: that a child of it is forked is the point here.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]


async def run_forked(work: Callable[[], None]) -> None:
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    await asyncio.to_thread(child.join)
    assert child.exitcode == 0


async def test_a_child_sends_to_a_channel_of_its_parent(layer):
    channel = await layer.new_channel()

    def work() -> None:
        for n in range(3):
            async_to_sync(layer.send)(channel, {"type": "progress", "n": n})

    await run_forked(work)
    assert [(await receive(layer, channel))["n"] for _ in range(3)] == [0, 1, 2]


async def test_a_child_sends_to_its_parents_group_and_is_not_a_member(layer):
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    await run_forked(lambda: async_to_sync(layer.group_send)("room", {"type": "from the child"}))
    assert await receive(layer, channel) == {"type": "from the child"}


async def test_a_child_that_receives_for_its_parent_is_told_so_at_once(layer):
    channel = await layer.new_channel()

    def work() -> None:
        with pytest.raises(AssertionError, match="another process"):
            async_to_sync(layer.receive)(channel)

    await run_forked(work)


async def test_a_child_takes_its_parents_channel_out_of_a_group(layer):
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    await run_forked(lambda: async_to_sync(layer.group_discard)("room", channel))
    await layer.group_send("room", {"type": "secret"})
    await layer.send(channel, {"type": "direct"})
    assert await receive(layer, channel) == {"type": "direct"}


async def test_a_child_that_closes_the_layer_leaves_its_parents_alone(layer, peer):
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    await run_forked(async_to_sync(layer.close))
    await peer.group_send("room", {"type": "still here"})
    assert await receive(layer, channel) == {"type": "still here"}
