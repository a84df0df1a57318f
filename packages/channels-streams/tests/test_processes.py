"""Several real processes: killed mid-message, far away, with wrong clocks, in large groups."""

import asyncio
import itertools
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from streams_testing.layers import MakeLayer
from streams_testing.redis_server import IS_CLUSTER, Client, Cluster, RedisServer, locate
from streams_testing.waiting import eventually, nothing_comes, receive

# A new reader looks often at first, for as long as it will wait at a time.
PATIENT = {"block_ms": 3_000, "socket_timeout_s": 60.0}
# How long a dead process is taken for alive; a busy machine may hold up a living one for a while.
MORTAL_S = 6.0
PROGRAM = Path(__file__).parent / "streams_testing" / "peer_process.py"


class Peer:
    """One started process; it is killed when the test ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def next_line(self) -> dict[str, Any]:
        async with asyncio.timeout(60):
            line = await self.process.stdout.readline()
        return json.loads(line)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@pytest.fixture
async def start_peer(redis_server: RedisServer | Cluster, prefix: str) -> AsyncIterator[Callable]:
    peers: list[Peer] = []

    async def start(*order: str, **config: Any) -> Peer:
        settings = {**locate(redis_server.url), "prefix": prefix, **config}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROGRAM), json.dumps(settings), *order),
            stdout=asyncio.subprocess.PIPE,
            limit=16 * 1024 * 1024,
        )
        peers.append(Peer(process))
        return peers[-1]

    yield start
    for peer in peers:
        await peer.kill()
        peer.process._transport.close()


@pytest.mark.req("T4", "T6")
async def test_what_a_killed_process_left_is_taken_over_once(start_peer, make_layer: MakeLayer):
    peer = await start_peer("stuck", finish_on_next_receive=True, presence_ttl_s=MORTAL_S)
    started = await peer.next_line()
    (channel,) = started["channels"]
    survivors = [
        make_layer(presence_ttl_s=MORTAL_S, takeover_interval_s=0.2, dead_letter_fields=("job_id",))
        for _ in range(2)
    ]
    for survivor in survivors:
        await survivor.register()
    # More than are moved in one step.
    many = 70
    for n in range(many):
        message = {"type": "job.assign", "job_id": f"j{n}", "n": n}
        assert await survivors[0].send_if_alive(channel, message)
    assert (await peer.next_line())["got"]["n"] == 0
    await peer.kill()
    await eventually(
        lambda: sum(each.counters.dead_lettered["process_gone"] for each in survivors) >= many
    )
    letters = await survivors[0].dead_letters.list_letters()
    assert [letter.message["n"] for letter in letters] == list(range(many))
    first = letters[0]
    assert (first.target, first.event_type, first.reason) == (channel, "job.assign", "process_gone")
    assert (first.deliveries, first.fields) == (1, {"job_id": "j0"})
    assert first.instance in {each.iid for each in survivors}
    assert first.moved_at_ms >= first.first_seen_at_ms
    assert not await survivors[0].send_if_alive(channel, {"type": "late"})
    client = survivors[0]._resources().connections
    assert await client.command("XLEN", survivors[0]._keys.stream(f"process:{started['iid']}")) == 0


@pytest.mark.req("T4")
async def test_the_application_may_send_a_dead_process_messages_elsewhere(
    start_peer, make_layer: MakeLayer
):
    peer = await start_peer("stuck", finish_on_next_receive=True, presence_ttl_s=MORTAL_S)
    (channel,) = (await peer.next_line())["channels"]
    layer = make_layer(presence_ttl_s=MORTAL_S, takeover_interval_s=0.2)
    new_home = await layer.new_channel()
    await layer.register()

    async def resolve(letter):
        # The first was with a consumer: whoever knows better may refuse it.
        return None if letter.deliveries and letter.message["n"] == 0 else new_home

    layer.set_orphan_handler(resolve)
    for n in range(3):
        await layer.send(channel, {"type": "x", "n": n})
    assert (await peer.next_line())["got"]["n"] == 0
    await peer.kill()
    assert [(await receive(layer, new_home))["n"] for _ in range(2)] == [1, 2]
    letters = await layer.dead_letters.list_letters()
    assert [letter.message["n"] for letter in letters] == [0]


@pytest.mark.req("T4")
async def test_a_process_that_slept_past_its_presence_hands_out_nothing_taken_over(
    start_peer, make_layer: MakeLayer
):
    """Stopped while messages came, taken over, and awake again: one owner of each at any time."""
    peer = await start_peer("receive", "1", presence_ttl_s=MORTAL_S)
    (channel,) = (await peer.next_line())["channels"]
    layer = make_layer(presence_ttl_s=MORTAL_S, takeover_interval_s=0.2)
    await layer.register()
    peer.pause()
    for n in range(5):
        assert await layer.send_if_alive(channel, {"type": "x", "n": n})
    await eventually(lambda: layer.counters.dead_lettered["process_gone"] == 5)
    peer.resume()

    async def is_back() -> bool:
        return await layer.send_if_alive(channel, {"type": "back"})

    await eventually(is_back)
    assert await peer.next_line() == {"got": {"type": "back"}}


async def test_a_large_group_in_two_processes_costs_one_message_a_process(
    start_peer, make_layer: MakeLayer
):
    peers = [await start_peer("receive", "2500") for _ in range(2)]
    for peer in peers:
        assert len((await peer.next_line())["channels"]) == 2500
    layer = make_layer()
    await layer.group_send("crowd", {"type": "x"})
    assert layer.counters.sent == 2
    for peer in peers:
        for _ in range(2500):
            assert await peer.next_line() == {"got": {"type": "x"}}


async def test_wrong_clocks_of_senders_change_nothing(start_peer, make_layer: MakeLayer):
    layer = make_layer(expiry=30)
    channel = await layer.new_channel()
    await layer.register()
    await start_peer("skewed", channel)
    assert [(await receive(layer, channel))["hours"] for _ in range(2)] == [1, -1]
    assert layer.counters.dropped["expired"] == 0


async def test_a_dead_member_leaves_the_group_with_the_next_message(
    start_peer, make_layer: MakeLayer, redis_client, prefix
):
    peer = await start_peer("receive", "1", presence_ttl_s=0.5)
    await peer.next_line()
    await peer.kill()
    layer = make_layer()
    key = f"{prefix}:{{group:crowd}}:members"
    assert await redis_client.zcard(key) == 1

    async def has_left() -> bool:
        await layer.group_send("crowd", {"type": "x"})
        return await redis_client.zcard(key) == 0

    await eventually(has_left)


async def test_bystanders_lose_nothing_while_consumers_come_and_go(make_layer: MakeLayer):
    layer, sender = make_layer(capacity=4000), make_layer()
    bystander = await layer.new_channel()
    await layer.register()
    got: list[int] = []
    done = asyncio.Event()

    async def stand_by() -> None:
        while len(got) < 3000:
            got.append((await layer.receive(bystander))["n"])
        done.set()

    async def come_and_go() -> None:
        while not done.is_set():
            channel = await layer.new_channel()
            await sender.send(channel, {"type": "churn"})
            task = asyncio.create_task(layer.receive(channel))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(stand_by())
        for _ in range(5):
            tasks.create_task(come_and_go())
        for n in range(3000):
            await sender.send(bystander, {"type": "x", "n": n})
    assert got == list(range(3000))


async def test_sends_to_dead_channels_do_not_grow_memory(make_layer: MakeLayer):
    layer, sender = (make_layer(expiry=0.3, dlq_scan_interval_ms=100) for _ in range(2))
    await layer.new_channel()
    await layer.register()
    for n in range(2000):
        await sender.send(f"specific.{layer.iid}!gone{n}", {"type": "x"})
        await layer.send(f"specific.{layer.iid}!here{n}", {"type": "x"})
    await eventually(lambda: len(layer._inbox.mailboxes) == 0)
    assert layer._inbox.mailboxes._bytes == 0
    await eventually(lambda: layer.counters.acked == 2000)
    assert layer._inbox._held == {}
    assert layer.counters.dropped["expired"] == 4000


async def test_a_busy_channel_does_not_starve_a_quiet_one(make_layer: MakeLayer):
    layer, sender = make_layer(capacity=10_000), make_layer()
    busy, quiet = await layer.new_channel(), await layer.new_channel()
    await layer.register()
    await asyncio.gather(*(sender.send(busy, {"type": "x", "n": n}) for n in range(3000)))
    await sender.send(quiet, {"type": "quiet"})
    # Nobody reads the busy channel, and the quiet one gets its message.
    assert await receive(layer, quiet) == {"type": "quiet"}


@pytest.mark.req("I7", "T4")
async def test_a_message_whose_consumer_was_killed_before_it_finished_is_processed_again(
    start_peer, make_layer: MakeLayer
):
    """Killed between read and acknowledgement: Redis still has the message, pending."""
    config = {"at_least_once": ["work"], "redeliver_after_ms": 1_000, "dlq_scan_interval_ms": 50}
    peer = await start_peer("work", presence_ttl_s=0.5, **config)
    assert await peer.next_line() == {"ready": True}
    layer = make_layer(**config)
    await layer.send("work", {"type": "command", "n": 1})
    assert (await peer.next_line())["got"]["n"] == 1
    await peer.kill()

    assert (await receive(layer, "work"))["n"] == 1

    assert layer.counters.reclaimed == 1
    assert await nothing_comes(layer, "work")


@pytest.mark.req("I-29")
async def test_a_read_that_blocks_holds_up_no_command(make_layer: MakeLayer, redis_client: Client):
    """Commands waited behind the blocking read on the one connection there was (I-29)."""
    layer = make_layer(max_connections=1, **PATIENT)
    waiting = asyncio.create_task(layer.receive("work"))
    await eventually(partial(_are_blocked, redis_client, 1), within_s=60)
    async with asyncio.timeout(60):
        for n in range(20):
            await layer.send("other", {"type": "x", "n": n})
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.req("I-29")
async def test_a_read_that_blocks_holds_up_no_other_read(
    make_layer: MakeLayer, redis_client: Client
):
    layer = make_layer(**PATIENT)
    await layer.register()
    channel = await layer.new_channel()
    reads = [asyncio.create_task(layer.receive(each)) for each in ("work", channel)]
    await eventually(partial(_are_blocked, redis_client, 2), within_s=60)

    other = make_layer()
    async with asyncio.timeout(60):
        for each in (channel, "work"):
            await other.send(each, {"type": each})
        assert [(await read)["type"] for read in reads] == ["work", channel]


async def _are_blocked(client: Client, reads: int) -> bool:
    """Say whether so many reads wait, on all masters together, and since more than a moment."""
    told = await client.client_list(**({"target_nodes": "primaries"} if IS_CLUSTER else {}))
    clients = itertools.chain(*told.values()) if IS_CLUSTER else told
    waiting = [each for each in clients if "b" in each["flags"] and int(each["idle"]) > 1]
    return len(waiting) >= reads
