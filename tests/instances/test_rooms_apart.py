"""Rooms whose members are on several instances (RM2): none notices, and no loss ends one."""

import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator

import pytest

from tests.e2e.test_streaming import CHUNKS, STREAMS, StreamingNode, say
from tests.instances.layers import LAYERS
from tests.instances.servers import HASTY, MORTAL, Cluster, kill
from tests.peers.frames import Frame, draw_languages
from tests.peers.member import Member, list_names
from tests.peers.node import FakeNode
from tests.peers.streaming import STREAMING_SPEAKER
from tests.redis_under_test import OwnRedis
from tests.server.launcher import Instance
from tests.waiting import eventually

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]
# A seat is kept until the test is over, where it says nothing else.
LONG = {"LINGUA_SESSION_GRACE_S": "600"}


@contextlib.asynccontextmanager
async def in_room(
    one: Instance, two: Instance, pair: Pair, **bob_init: str
) -> AsyncIterator[tuple[Member, Member]]:
    """Ann at one instance, Bob at another, in one room."""
    async with (
        Member.open(one.url(SESSION), pair) as ann,
        Member.open(two.url(SESSION), pair, **bob_init) as bob,
    ):
        await ann.create_room(display_name="Ann")
        await bob.join_room(ann.code, display_name="Bob")
        await ann.sees("Ann", "Bob")
        yield ann, bob


async def hears(ann: Member, bob: Member, node: FakeNode, *, index: int = 0) -> Frame:
    """Let Ann say something; return what Bob is told."""
    await ann.say(index)
    await node.finish(await node.job(), text_translated=f"Ann's {index}", tts_format="pcm16")
    return await bob.next("translation_result", session_id=ann.session_id)


@pytest.mark.req("RM1", "RM2", "RM3")
@pytest.mark.parametrize("layer", LAYERS)
async def test_members_of_two_instances_see_call_and_hear_each_other(
    cluster: Cluster, layer: str
) -> None:
    one, two = [cluster.start(LINGUA_CHANNEL_LAYER=layer) for _ in range(2)]
    pair = draw_languages()
    async with (
        FakeNode.open(two.url(NODE), pair) as node,
        in_room(one, two, pair) as (ann, bob),
    ):
        await ann.offer(bob.session_id)
        assert (await bob.next("webrtc_offer"))["to"] == ann.session_id
        await ann.prefer(bob.session_id, wanted=False)
        await bob.next(
            lambda frame: (
                frame["type"] == "room_members"
                and frame["members"][0].get("raw_voice_preferences") == {bob.session_id: False}
            )
        )
        await bob.offer(ann.session_id)

        shown = await hears(ann, bob, node)
        await ann.check_alive()
        assert shown["text_translated"] == "Ann's 0"
        assert not ann.told("webrtc_offer")
        bob.drop()
        await ann.sees("Ann")


@pytest.mark.req("RM2")
async def test_who_was_at_an_instance_that_died_is_told_away(cluster: Cluster) -> None:
    one, two = cluster.start(**MORTAL), cluster.start(**MORTAL)
    async with in_room(one, two, draw_languages()) as (ann, bob):
        kill(two)
        await ann.sees("Ann")
        await bob.socket.wait_closed()
        async with Member.open(one.url(SESSION), bob.languages) as cid:
            assert list_names(await cid.join_room(ann.code, display_name="Cid")) == ["Ann", "Cid"]


@pytest.mark.req("RM2")
@pytest.mark.parametrize("how", ["dropped", "killed"])
async def test_a_session_that_is_resumed_elsewhere_sits_where_it_sat(
    cluster: Cluster, how: str
) -> None:
    one, two = cluster.start(**MORTAL, **LONG), cluster.start(**MORTAL, **LONG)
    pair = draw_languages()
    async with (
        FakeNode.open(one.url(NODE), pair) as node,
        in_room(one, two, pair, resume_token="") as (ann, bob),
    ):
        if how == "killed":
            kill(two)
        else:
            bob.drop()
        async with Member.connect(one.url(SESSION)) as again:
            ack = await again.init(pair, resume_token=bob.resume_token)
            assert ack["resumed"] is True
            await again.sees("Ann", "Bob")
            assert (await hears(ann, again, node))["text_translated"] == "Ann's 0"
        assert not any(list_names(frame) == ["Ann"] for frame in ann.told("room_members")[2:]), (
            "it was told away"
        )


@pytest.mark.req("RM2", "RM3")
@pytest.mark.parametrize("how", ["dropped", "killed"])
async def test_what_was_under_way_when_its_speaker_moved_is_told_to_its_room(
    cluster: Cluster, how: str
) -> None:
    one, two = cluster.start(**MORTAL, **LONG), cluster.start(**MORTAL, **LONG)
    pair = draw_languages()
    async with (
        FakeNode.open(one.url(NODE), pair) as node,
        in_room(two, one, pair, resume_token="") as (_, bob),
        Member.open(two.url(SESSION), pair, resume_token="") as cid,
    ):
        await cid.join_room(bob.code, display_name="Cid")
        await bob.sees("Ann", "Bob", "Cid")
        await cid.say(0)
        job = await node.job()
        seat = cluster.key(f"{{session:{cid.session_id}}}:room")
        await eventually(lambda: '"index"' in str(cluster.redis.get(seat)))
        if how == "killed":
            kill(two)
        else:
            cid.drop()
        async with Member.connect(one.url(SESSION)) as again:
            await again.init(pair, resume_token=cid.resume_token)
            await again.next("room_members")
            await node.finish(job, text_translated="said before")
            shown = await bob.next("translation_result", session_id=cid.session_id)
            await again.check_alive()
            assert shown["text_translated"] == "said before"
            assert not again.told("translation_result")


@pytest.mark.req("RM2", "RM3")
@pytest.mark.parametrize("how", ["dropped", "killed"])
async def test_who_comes_back_is_told_what_was_said_meanwhile(cluster: Cluster, how: str) -> None:
    one, two = cluster.start(**MORTAL, **LONG), cluster.start(**MORTAL, **LONG)
    pair = draw_languages()
    async with (
        FakeNode.open(one.url(NODE), pair) as node,
        in_room(one, two, pair, resume_token="") as (ann, bob),
        Member.open(one.url(SESSION), pair) as cid,
    ):
        await cid.join_room(ann.code, display_name="Cid")
        await hears(ann, bob, node)
        if how == "killed":
            kill(two)
        else:
            bob.drop()
        await hears(ann, cid, node, index=1)
        await hears(ann, cid, node, index=2)
        async with Member.connect(one.url(SESSION)) as again:
            await again.init(pair, resume_token=bob.resume_token)
            await again.next("translation_result", text_translated="Ann's 2")
            texts = [each["text_translated"] for each in again.told("translation_result")]
            # Of an instance that died nobody knows what it had told.
            assert texts[-2:] == ["Ann's 1", "Ann's 2"]
            assert how == "killed" or len(texts) == 2


@pytest.mark.req("RM2", "RM8")
async def test_what_a_speaker_had_begun_to_say_ends_for_others_when_its_instance_dies(
    cluster: Cluster,
) -> None:
    # No grace: the session may not come back, so its seat is free at once.
    one, two = cluster.start(**MORTAL), cluster.start(**MORTAL)
    pair = draw_languages()
    async with (
        StreamingNode.open(one.url(NODE), pair, **STREAMS) as node,
        Member.open(one.url(SESSION), pair, enable_streaming=True) as bob,
        Member.open(two.url(SESSION), pair, **STREAMING_SPEAKER | {"resume_token": None}) as ann,
    ):
        await bob.create_room(display_name="Bob")
        await ann.join_room(bob.code, display_name="Ann")
        await say(ann, CHUNKS[:10])
        job = await node.open_job()
        about = {key: job[key] for key in ("job_id", "attempt_id", "session_id")}
        about |= {"type": "translation_partial", "node_id": node.node_id}
        seqs = itertools.count()

        # What grows before its speaker's instance knows who took the job is shown to nobody.
        async def is_told() -> bool:
            await node.send(about | {"seq": next(seqs), "committed": "half", "tail": "…"})
            return any(frame["type"] == "translation_partial" for frame in bob.seen)

        await eventually(is_told, "nothing grows")
        growing = await bob.next("translation_partial")
        kill(two)
        missing = await bob.next("missing_result")

    assert missing["reason"] == "speaker_left"
    assert missing["utterance_index"] == growing["utterance_index"]


@pytest.mark.req("RM2")
async def test_who_does_not_come_back_within_the_grace_has_left(cluster: Cluster) -> None:
    one, two = [cluster.start(LINGUA_SESSION_GRACE_S="1") for _ in range(2)]
    async with in_room(one, two, draw_languages(), resume_token="") as (ann, bob):
        bob.drop()
        await ann.sees("Ann")


@pytest.mark.req("RM2")
async def test_a_room_goes_on_after_redis_lost_its_data(cluster: Cluster) -> None:
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    async with (
        FakeNode.open(two.url(NODE), pair) as node,
        in_room(one, two, pair, resume_token="") as (ann, bob),
        Member.open(one.url(SESSION), pair) as cid,
    ):
        before = await hears(ann, bob, node)
        cluster.redis.flushall()
        members = cluster.key(f"{{room:{ann.code}}}:members")
        await eventually(lambda: cluster.redis.hlen(members) == 2, "no seats written back")
        record = f"{{node:{node.node_id}}}:info"
        await eventually(lambda: cluster.read_hash(record).get("status") == "ready")

        assert list_names(await cid.join_room(ann.code, display_name="Cid")) == [
            "Ann",
            "Bob",
            "Cid",
        ]
        await bob.sees("Ann", "Bob", "Cid")
        after = await hears(ann, bob, node, index=1)
        assert after["utterance_index"] > before["utterance_index"]


@pytest.mark.req("RM1", "RM2")
async def test_a_room_that_is_idle_is_over_for_all(cluster: Cluster) -> None:
    idle = {"LINGUA_ROOM_IDLE_S": "1"}
    one, two = cluster.start(**idle), cluster.start(**idle)
    async with in_room(one, two, draw_languages()) as (ann, bob):
        for member in (ann, bob):
            expired = await member.next("room_expired")
            assert expired["room_code"] == ann.code
            join = {"type": "room_join", "room_code": ann.code}
            assert await member.refused(join) == "ROOM_NOT_FOUND"
        assert not cluster.redis.keys(cluster.key(f"{{room:{ann.code}}}*"))


@pytest.mark.req("RM1")
async def test_as_many_as_may_be_are_in_a_room_wherever_they_are(cluster: Cluster) -> None:
    full = {"LINGUA_ROOM_MAX_MEMBERS": "2"}
    one, two = cluster.start(**full), cluster.start(**full)
    pair = draw_languages()
    async with in_room(one, two, pair) as (ann, bob), Member.open(one.url(SESSION), pair) as cid:
        join = {"type": "room_join", "room_code": ann.code}
        assert await cid.refused(join) == "ROOM_FULL"
        await bob.send({"type": "room_leave", "room_code": ann.code})
        await ann.sees("Ann")
        await cid.join_room(ann.code, display_name="Cid")
        await ann.sees("Ann", "Cid")


@pytest.mark.req("RM1", "ED12")
async def test_whoever_opens_too_many_rooms_must_wait_on_every_instance(cluster: Cluster) -> None:
    few = {"LINGUA_ROOMS_PER_MINUTE": "2"}
    one, two = cluster.start(**few), cluster.start(**few)
    pair = draw_languages()
    async with (
        Member.open(one.url(SESSION), pair) as ann,
        Member.open(two.url(SESSION), pair) as bob,
    ):
        await ann.create_room()
        await bob.create_room()
        create = {"type": "room_create", "client_ts": 1}
        assert [await each.refused(create) for each in (ann, bob)] == ["RATE_LIMITED"] * 2
        join = {"type": "room_join", "room_code": bob.code}
        await ann.send(join)
        await ann.next("room_create_ack")


@pytest.mark.req("RM1", "ED12")
async def test_whoever_guesses_codes_is_soon_not_looked_up_any_more(cluster: Cluster) -> None:
    few = {"LINGUA_ROOM_GUESSES_PER_MINUTE": "3"}
    one, two = cluster.start(**few), cluster.start(**few)
    pair = draw_languages()
    async with in_room(one, two, pair) as (ann, _), Member.open(two.url(SESSION), pair) as cid:
        for kind in ("room_join", "room_leave"):
            wrong = {"type": kind, "room_code": "000000" if ann.code != "000000" else "000001"}
            codes = [await cid.refused(wrong) for _ in range(8)]
        assert codes[-1] == "RATE_LIMITED"
        assert await cid.refused({"type": "room_join", "room_code": ann.code}) == "RATE_LIMITED"


@pytest.mark.standalone("the one server sleeps")
@pytest.mark.req("RM2")
async def test_who_went_while_redis_slept_has_left_when_it_is_awake(
    cluster: Cluster, own_redis: OwnRedis
) -> None:
    one, two = cluster.start(**HASTY), cluster.start(**HASTY)
    async with in_room(one, two, draw_languages()) as (ann, bob):
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            for member in (bob, ann):
                await member.send({"type": "room_create", "client_ts": 1})
                await member.next("error", code="SCHEDULER_DEPENDENCY_DOWN")
                bob.drop()
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)
        await ann.sees("Ann")
