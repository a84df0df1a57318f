"""One reader of a normal channel hears its messages in their order, whatever it gives up."""

import asyncio

import pytest
from streams_testing.layers import MakeLayer
from streams_testing.redis_server import RedisServer
from streams_testing.waiting import SOON, eventually, receive

pytestmark = pytest.mark.req("RE1")


async def test_a_cancelled_receive_changes_no_order(layer, peer):
    for n in range(20):
        await peer.send("work", {"type": "x", "n": n})
    got = []
    while len(got) < 20:
        waiting = asyncio.create_task(layer.receive("work"))
        # From one turn of the loop to the next the message is anywhere on its way.
        for _ in range(len(got) % 7):
            await asyncio.sleep(0)
        waiting.cancel()
        (outcome,) = await asyncio.gather(waiting, return_exceptions=True)
        if isinstance(outcome, dict):
            got.append(outcome["n"])
        else:
            got.append((await receive(layer, "work"))["n"])
    assert got == list(range(20))


async def test_what_a_reader_gave_back_is_the_next_of_another(layer, peer):
    for n in range(5):
        await peer.send("work", {"type": "x", "n": n})
    reader = layer._reader("work")
    waiting = [asyncio.create_task(layer.receive("work")) for _ in range(3)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    taken = [each["n"] for each in outcomes if isinstance(each, dict)]
    await eventually(lambda: reader._task is None)
    rest = [(await receive(peer, "work"))["n"] for _ in range(5 - len(taken))]
    assert taken + rest == list(range(5))


async def test_giving_back_twice_changes_nothing(layer, peer):
    """As after a reply that was lost: what is another reader's by then stays there."""
    for n in range(3):
        await peer.send("work", {"type": "x", "n": n})
    reader, connections = layer._reader("work"), layer._resources().connections
    stream = layer._keys.stream("work:work")
    read = ("XREADGROUP", "GROUP", "readers", reader._consumer, "COUNT", 2, "STREAMS", stream, ">")
    ((_, entries),) = await connections.command(*read)
    reader._returning = ids = [entry_id for entry_id, _ in entries]
    await reader._give_back_rest(leaves=True)
    reader._returning = list(ids)
    await reader._give_back_rest(leaves=True)
    assert (await receive(peer, "work"))["n"] == 0
    reader._returning = list(ids)
    await reader._give_back_rest(leaves=True)
    assert [(await receive(peer, "work"))["n"] for _ in range(2)] == [1, 2]


async def test_a_reader_that_waits_is_woken_by_what_another_gave_back(make_layer: MakeLayer):
    # Longer than the test may take: nothing but being woken brings the message.
    layer, other = make_layer(), make_layer(block_ms=120_000)
    reader = layer._reader("work")
    waiting = asyncio.create_task(layer.receive("work"))
    await eventually(lambda: reader._task is not None)
    other_waits = asyncio.create_task(other.receive("work"))
    await other.send("work", {"type": "x"})
    done, _ = await asyncio.wait(
        (waiting, other_waits), timeout=SOON, return_when=asyncio.FIRST_COMPLETED
    )
    assert len(done) == 1
    for each in (waiting, other_waits):
        each.cancel()
    await asyncio.gather(waiting, other_waits, return_exceptions=True)


@pytest.mark.standalone("kills its only Redis")
@pytest.mark.parametrize("away_s", [0.0, 0.5])
async def test_a_busy_reader_goes_on_after_each_loss_of_redis(
    tmp_path, make_layer: MakeLayer, away_s
):
    server = RedisServer(directory=tmp_path, append_only=True)
    server.start()
    layer, sender = (make_layer(url=server.url, cluster_urls=()) for _ in range(2))
    got = 0

    async def read() -> None:
        nonlocal got
        while True:
            await layer.receive("work")
            got += 1

    async def send() -> None:
        while True:
            try:
                await sender.send("work", {"type": "x"})
            except Exception:  # noqa: BLE001 - Redis is away, or the queue is full: go on
                await asyncio.sleep(0)
            await asyncio.sleep(0.001)

    tasks = [asyncio.create_task(read()), asyncio.create_task(send())]
    try:
        for _ in range(3):
            before = got
            await eventually(lambda before=before: got > before + 20)
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(away_s)
            before = got
            await asyncio.to_thread(server.start)
            await eventually(lambda before=before: got > before + 20)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await layer.close()
        await sender.close()
        server.stop()
