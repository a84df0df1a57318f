"""How messages of many senders travel together, and what becomes of a sender that leaves."""

import asyncio
from typing import Any

import pytest
from channels.exceptions import ChannelFull
from channels_streams.batching import Batcher, Parcel
from redis.exceptions import RedisError
from streams_testing.layers import MakeLayer
from streams_testing.waiting import SOON, receive


async def test_many_senders_share_few_scripts(make_layer: MakeLayer):
    layer, sender = make_layer(capacity=1000), make_layer()
    channel = await layer.new_channel()
    await layer.register()

    async def send_ten(number: int) -> None:
        for n in range(10):
            await sender.send(channel, {"type": "x", "from": number, "n": n})

    async with asyncio.timeout(SOON):
        await asyncio.gather(*(send_ten(number) for number in range(50)))
    got: dict[int, list[int]] = {number: [] for number in range(50)}
    for _ in range(500):
        message = await receive(layer, channel)
        got[message["from"]].append(message["n"])
    assert got == {number: list(range(10)) for number in range(50)}
    assert sender.counters.redis_ops["enqueue", "ok"] <= 15


@pytest.mark.parametrize("leaving", [0, 5])
async def test_a_sender_that_leaves_holds_up_nobody(make_layer: MakeLayer, leaving):
    """The first is on its way when it leaves; the sixth has not left yet, and never does."""
    layer, sender = make_layer(), make_layer()
    channel = await layer.new_channel()
    await layer.register()
    await sender.send(channel, {"type": "x", "n": -1})
    sends = [asyncio.create_task(sender.send(channel, {"type": "x", "n": n})) for n in range(10)]
    await asyncio.sleep(0)
    sends[leaving].cancel()
    async with asyncio.timeout(SOON):
        outcomes = await asyncio.gather(*sends, return_exceptions=True)
    assert [isinstance(each, asyncio.CancelledError) for each in outcomes] == [
        n == leaving for n in range(10)
    ]
    got = []
    while 9 not in got:
        got.append((await receive(layer, channel))["n"])
    assert [n for n in got if n != leaving] == [-1, *(n for n in range(10) if n != leaving)]
    if leaving:
        assert leaving not in got


class Road:
    """Where a batcher's batches go: each arrives, or breaks down, when the test says so."""

    def __init__(self) -> None:
        self.batcher = Batcher()
        self.batcher.send_batch = self._carry
        self.batches: list[tuple[str, list[bytes], asyncio.Future[Any]]] = []

    async def _carry(self, token: str, parcels: list[Parcel]) -> list[bool | Exception]:
        arrival: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.batches.append((token, [payload for _, payload in parcels], arrival))
        return await arrival

    def send(self, *payloads: bytes) -> list["asyncio.Task[bool]"]:
        return [asyncio.create_task(self.batcher.send(("channel", each))) for each in payloads]


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_batch_is_under_way_at_a_time_each_with_a_token_of_its_own():
    road = Road()
    sends = road.send(b"1", b"2", b"3")
    await turn()
    assert [payloads for _, payloads, _ in road.batches] == [[b"1"]]
    road.batches[0][2].set_result([True])
    await turn()
    assert [payloads for _, payloads, _ in road.batches] == [[b"1"], [b"2", b"3"]]
    assert not road.batcher.is_idle
    road.batches[1][2].set_result([True, False])
    assert await asyncio.gather(*sends) == [True, True, False]
    await turn()
    assert road.batcher.is_idle
    assert len({token for token, _, _ in road.batches}) == 2


async def test_a_batch_that_broke_down_is_told_to_its_senders_and_the_next_one_leaves():
    road = Road()
    sends = road.send(b"1", b"2", b"3", b"4")
    await turn()
    lost, full = RedisError("lost"), ChannelFull()
    road.batches[0][2].set_exception(lost)
    await turn()
    road.batches[1][2].set_result([True, full, True])
    assert await asyncio.gather(*sends, return_exceptions=True) == [lost, True, full, True]


async def test_a_lane_that_everybody_left_is_idle():
    road = Road()
    sends = road.send(b"1", b"2", b"3")
    await turn()
    for send in sends:
        send.cancel()
    await asyncio.gather(*sends, return_exceptions=True)
    assert road.batcher.is_idle
    (again,) = road.send(b"4")
    await turn()
    road.batches[-1][2].set_result([True])
    assert await again
    assert [payloads for _, payloads, _ in road.batches] == [[b"1"], [b"4"]]
