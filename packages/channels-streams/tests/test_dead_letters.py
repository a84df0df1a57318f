"""Poison messages end as dead letters while their process lives; operators work with these."""

import asyncio

import pytest
from channels_streams.dead_letters import DeadLetter
from channels_streams.layer import StreamsChannelLayer
from streams_testing.layers import MakeLayer
from streams_testing.waiting import eventually, nothing_comes, receive

HASTY = {"finish_on_next_receive": True, "dlq_min_idle_ms": 200, "dlq_scan_interval_ms": 50}


async def park(layer: StreamsChannelLayer, sender: StreamsChannelLayer, **message) -> DeadLetter:
    """Make a dead letter: its consumer takes the message and never comes back."""
    channel = await layer.new_channel()
    await layer.register()
    await sender.send(channel, {"type": "poison", **message})
    await receive(layer, channel)
    await eventually(lambda: layer.counters.dead_lettered["unfinished"] == 1)
    (letter,) = await layer.dead_letters.list_letters()
    return letter


@pytest.mark.req("T5", "T6", "I-25")
async def test_a_message_its_consumer_never_finished_becomes_a_dead_letter(make_layer: MakeLayer):
    layer, sender = make_layer(**HASTY, dead_letter_fields=("node_id", "attempt")), make_layer()
    letter = await park(layer, sender, node_id="n1", attempt=2)
    assert letter.message == {"type": "poison", "node_id": "n1", "attempt": 2}
    assert (letter.reason, letter.event_type, letter.deliveries) == ("unfinished", "poison", 1)
    assert letter.fields == {"node_id": "n1", "attempt": "2"}
    assert letter.instance == layer.iid
    assert letter.source_stream.endswith(":stream")
    assert letter.letter_id.startswith(f"process:{layer.iid}/")
    assert letter.moved_at_ms - letter.first_seen_at_ms >= 200
    assert await layer.dead_letters.find_letter(letter.letter_id) == letter
    assert await layer.dead_letters.count() == 1


@pytest.mark.req("T3")
async def test_a_finished_message_is_deleted_and_never_a_dead_letter(make_layer: MakeLayer):
    # Each is finished long before it could be taken for stuck, however late the next one comes.
    layer, sender = make_layer(**HASTY | {"dlq_min_idle_ms": 10_000}), make_layer()
    channel = await layer.new_channel()
    await layer.register()
    for n in range(20):
        await sender.send(channel, {"type": "x", "n": n})
        await receive(layer, channel)
    waiting = asyncio.create_task(layer.receive(channel))
    await eventually(lambda: layer.counters.acked == 20)
    connections = layer._resources().connections
    assert await connections.command("XLEN", layer._keys.stream(f"process:{layer.iid}")) == 0
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await nothing_comes(layer, channel)
    assert await layer.dead_letters.list_letters() == []


@pytest.mark.req("T8", "I-25")
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (("payload", b"\xc1garbage"), "malformed"),
        (("other", "thing"), "malformed"),
        (("target", b"\xff", "payload", "x"), "malformed"),
        (("target", None, "payload", b"\xc1garbage"), "undecodable"),
    ],
)
async def test_garbage_in_the_inbox_becomes_a_dead_letter(layer, fields, reason):
    channel = await layer.new_channel()
    await layer.register()
    words = [channel if word is None else word for word in fields]
    connections = layer._resources().connections
    await connections.command("XADD", layer._keys.stream(f"process:{layer.iid}"), "*", *words)
    assert await nothing_comes(layer, channel)
    await eventually(lambda: layer.counters.dead_lettered[reason] == 1)
    (letter,) = await layer.dead_letters.list_letters(reason=reason)
    assert letter.message is None
    assert await layer.dead_letters.replay(letter.letter_id) == "undecodable"


@pytest.mark.req("T8", "I-25")
@pytest.mark.parametrize("again", [False, True])
async def test_garbage_in_a_work_queue_becomes_a_dead_letter(make_layer: MakeLayer, again):
    layer = make_layer(at_least_once=["work"] if again else [])
    connections = layer._resources().connections
    queue = layer._keys.stream("work:work")
    await connections.command("XADD", queue, "*", "target", "work", "payload", b"\xc1")
    await connections.command("XADD", queue, "*", "what", "ever")
    await layer.send("work", {"type": "good"})
    assert await receive(layer, "work") == {"type": "good"}
    reasons = {letter.reason for letter in await layer.dead_letters.list_letters()}
    assert reasons == {"undecodable", "malformed"}


@pytest.mark.req("T8")
async def test_what_its_consumer_cannot_read_becomes_a_dead_letter(make_layer: MakeLayer):
    layer, sender = make_layer(finish_on_next_receive=True), make_layer()
    channel = await layer.new_channel()
    await layer.register()
    await sender.send(channel, {"type": "of a newer version"})
    await sender.send(channel, {"type": "known"})
    await receive(layer, channel)
    await layer.give_up(channel)
    assert (await receive(layer, channel))["type"] == "known"
    (letter,) = await layer.dead_letters.list_letters(reason="undecodable")
    assert letter.message == {"type": "of a newer version"}


@pytest.mark.req("T7")
async def test_a_letter_is_replayed_once_to_where_it_belongs_now(make_layer: MakeLayer):
    layer, sender = make_layer(**HASTY), make_layer()
    letter = await park(layer, sender, n=7)
    home = await sender.new_channel()
    await sender.register()

    async def refuse(_: DeadLetter) -> None:
        return None

    async def resolve(_: DeadLetter) -> str:
        return home

    replay = sender.dead_letters.replay
    assert await replay(letter.letter_id, resolve=refuse) == "refused"
    assert await replay(letter.letter_id, resolve=resolve, dry_run=True) == "would_replay"
    assert await replay(letter.letter_id, resolve=resolve) == "replayed"
    assert await replay(letter.letter_id, resolve=resolve) == "missing"
    assert (await receive(sender, home))["n"] == 7
    assert await nothing_comes(sender, home)


@pytest.mark.req("T7")
async def test_a_replay_that_was_interrupted_does_not_send_twice(make_layer: MakeLayer):
    layer, sender = make_layer(**HASTY), make_layer()
    letter = await park(layer, sender, n=7)
    home = await sender.new_channel()
    await sender.register()
    # What a crash between the two steps of a replay leaves: sent, and the letter still there.
    for _ in range(2):
        await layer._sender.send_once(
            layer._resources(),
            target=home,
            payload=letter.payload,
            token=f"replay {letter.letter_id}",
        )

    async def resolve(_: DeadLetter) -> str:
        return home

    assert await sender.dead_letters.replay(letter.letter_id, resolve=resolve) == "replayed"
    assert (await receive(sender, home))["n"] == 7
    assert await nothing_comes(sender, home)


@pytest.mark.req("T7")
async def test_a_letter_to_a_process_that_is_gone_stays(make_layer: MakeLayer):
    layer, sender = make_layer(**HASTY), make_layer()
    letter = await park(layer, sender)
    await layer.close()
    assert await sender.dead_letters.replay(letter.letter_id) == "gone"
    assert await sender.dead_letters.find_letter(letter.letter_id) is not None


@pytest.mark.req("T7")
async def test_letters_are_purged_by_name_by_age_or_all(make_layer: MakeLayer):
    layer, sender = make_layer(**HASTY), make_layer()
    letter = await park(layer, sender)
    purge = sender.dead_letters.purge
    assert await purge(dry_run=True) == 1
    assert await purge(moved_before_ms=letter.moved_at_ms) == 0
    assert await purge(letter_ids=[letter.letter_id], dry_run=True) == 1
    assert await purge(letter_ids=[letter.letter_id]) == 1
    assert await purge() == 0


@pytest.mark.req("T5")
async def test_a_poison_message_of_a_queue_comes_again_and_then_becomes_a_dead_letter(
    make_layer: MakeLayer,
):
    """Its consumer fails each time and never asks for more; healthy ones behind it go through."""
    layer = make_layer(
        **HASTY,
        at_least_once=["work*"],
        redeliver_after_ms=30,
        dlq_max_deliveries=4,
        dlq_scan_count=2,
    )
    got: list[object] = []

    async def consume() -> None:
        while True:
            got.append((await layer.receive("work"))["n"])

    sender = make_layer(at_least_once=["work*"])
    await sender.send("work", {"type": "x", "n": "poison"})
    # Another process takes it and does not come back.
    other = make_layer(at_least_once=["work*"])
    assert (await receive(other, "work"))["n"] == "poison"
    consuming = asyncio.create_task(consume())
    for n in range(5):
        await sender.send("work", {"type": "x", "n": n})
    await eventually(lambda: {0, 1, 2, 3, 4} <= set(got))
    await eventually(lambda: "poison" in got)
    consuming.cancel()
    await asyncio.gather(consuming, return_exceptions=True)
    assert layer.counters.reclaimed >= 1


@pytest.mark.req("T5", "I-22")
async def test_a_message_delivered_too_often_is_moved_even_though_taking_it_makes_it_young(
    make_layer: MakeLayer,
):
    config = {
        **HASTY,
        "at_least_once": ["work"],
        "redeliver_after_ms": 40,
        "dlq_max_deliveries": 3,
    }
    layer = make_layer(**config)
    await layer.send("work", {"type": "x"})
    takers = [make_layer(**config) for _ in range(4)]
    # Each takes it in turn, fails, and is never heard of again.
    waiting = [asyncio.create_task(taker.receive("work")) for taker in takers]
    await eventually(lambda: sum(t.counters.dead_lettered["max_deliveries"] for t in takers) == 1)
    (letter,) = await layer.dead_letters.list_letters()
    assert letter.deliveries == 3
    assert sum(task.done() for task in waiting) == 3
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_work_queue_hands_what_a_dead_reader_had_to_dead_letters(make_layer: MakeLayer):
    """At most once: the reader was killed between taking and finishing; nobody else gets it."""
    layer = make_layer(**HASTY)
    connections = layer._resources().connections
    await layer.send("work", {"type": "x", "n": 1})
    await connections.read_group(
        layer._keys.stream("work:work"),
        consumer="dead.1",
        count=1,
        block_ms=0,
        take=lambda *_: None,
    )
    assert await nothing_comes(layer, "work")
    await eventually(lambda: layer.counters.dead_lettered["unfinished"] == 1)
    await layer.send("work", {"type": "x", "n": 2})
    assert (await receive(layer, "work"))["n"] == 2


@pytest.mark.req("T5", "T2", "I-22")
async def test_twenty_stuck_messages_become_dead_letters_beside_a_hundred_unread(
    make_layer: MakeLayer,
):
    """None hides behind another, and what nobody took yet stays where it is."""
    layer, sender = make_layer(**HASTY, capacity=200), make_layer()
    stuck = [await layer.new_channel() for _ in range(20)]
    unread = await layer.new_channel()
    await layer.register()
    for channel in stuck:
        await sender.send(channel, {"type": "poison"})
        await receive(layer, channel)
    reading = asyncio.create_task(layer.receive(unread))
    for n in range(101):
        await sender.send(unread, {"type": "x", "n": n})
    assert (await reading)["n"] == 0

    await eventually(lambda: layer.counters.dead_lettered["unfinished"] == 21)

    letters = await layer.dead_letters.list_letters(limit=1_000)
    assert sorted(letter.event_type for letter in letters) == ["poison"] * 20 + ["x"]
    assert [(await receive(layer, unread))["n"] for _ in range(100)] == list(range(1, 101))


@pytest.mark.req("T5")
async def test_a_handler_that_runs_long_handled_its_message_once(make_layer: MakeLayer):
    """Its message becomes a dead letter meanwhile, and does not come again."""
    layer, sender = make_layer(**HASTY), make_layer()
    channel = await layer.new_channel()
    await layer.register()
    await sender.send(channel, {"type": "slow"})
    await sender.send(channel, {"type": "next"})
    assert await receive(layer, channel) == {"type": "slow"}
    await eventually(lambda: layer.counters.dead_lettered["unfinished"] == 1)
    assert await receive(layer, channel) == {"type": "next"}
    assert await nothing_comes(layer, channel)
