"""Sockets that resume one session at the same time: the newest has it, and no other."""

import asyncio
import contextlib

import pytest

from tests.instances.servers import Cluster, Instance, pause, resume
from tests.peers.frames import draw_languages, init_frame
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

FENCED = 4409
ROUNDS = 20


async def resume_at_once(speakers: list[Speaker], older: Speaker) -> Speaker:
    """Resume a session on each socket; return the one that keeps it."""
    frame = init_frame(older.languages) | {"resume_token": older.resume_token}
    await asyncio.gather(*(speaker.send(frame) for speaker in speakers))
    await eventually(
        lambda: sum(one.close_code is None for one in speakers) == 1, "all but one are closed"
    )
    stays = next(one for one in speakers if one.close_code is None)
    for speaker in speakers:
        if speaker is not stays:
            assert speaker.close_code == FENCED
    ack = await stays.next("session_init_ack")
    assert ack["resumed"] is True
    stays.session_id, stays.resume_token = ack["session_id"], ack["resume_token"]
    stays.languages = older.languages
    return stays


async def converse(speaker: Speaker, node: WorkingNode, index: int) -> None:
    """See that a speaker is served, and has heard all."""
    await speaker.say(index)
    job = await node.job()
    await node.acknowledge(job)
    await node.finish(job)
    await speaker.result(index)
    await speaker.send(
        {"type": "result_ack", "session_id": speaker.session_id, "utterance_index": index}
    )


def place(one: Instance, two: Instance, how: str) -> list[Instance]:
    return {"at two": [one, two], "at one": [one, one], "three": [one, two, two]}[how]


@pytest.mark.req("I4")
@pytest.mark.parametrize("how", ["at two", "at one", "three"])
async def test_of_sockets_that_resume_at_once_exactly_one_stays_and_is_served(
    cluster: Cluster, how: str
):
    one, two = cluster.start(), cluster.start()
    async with contextlib.AsyncExitStack() as sockets:
        node = await sockets.enter_async_context(WorkingNode.connect(one.url("/ws/node")))
        pair = draw_languages()
        await node.register(pair)
        held = await sockets.enter_async_context(Speaker.connect(two.url("/ws/session")))
        await held.init(pair, resume_token="")
        for turn in range(ROUNDS):
            speakers = [
                await sockets.enter_async_context(Speaker.connect(at.url("/ws/session")))
                for at in place(one, two, how)
            ]
            if turn % 2:
                held.drop()

            stays = await resume_at_once(speakers, held)

            await converse(stays, node, turn)
            assert stays.close_code is None
            if not turn % 2:
                assert await held.closed() == FENCED
            held = stays


@pytest.mark.req("I4")
async def test_a_socket_that_nobody_told_learns_from_its_sign_of_life_that_it_is_not_the_newest(
    cluster: Cluster,
):
    one = cluster.start()
    async with Speaker.connect(one.url("/ws/session")) as speaker:
        await speaker.init(draw_languages(), resume_token="")
        await speaker.check_alive()
        # As an instance leaves it that dies before it tells the one before.
        cluster.redis.hincrby(
            cluster.key(f"{{session:{speaker.session_id}}}:info"), "conn_epoch", 1
        )

        await speaker.check_alive()

        assert await speaker.closed() == FENCED


@pytest.mark.req("I4", "G5")
@pytest.mark.parametrize("first", ["older", "newer"])
async def test_of_sockets_that_nobody_told_of_each_other_the_newer_is_written_back(
    cluster: Cluster, first: str
):
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    async with (
        Speaker.connect(one.url("/ws/session")) as older,
        Speaker.connect(two.url("/ws/session")) as newer,
    ):
        await older.init(pair, resume_token="")
        record = f"{{session:{older.session_id}}}:info"
        # The word that the newer one has the session goes to nobody.
        cluster.redis.hset(cluster.key(record), "instance_id", "another")
        await newer.init(pair, resume_token=older.resume_token)
        pause(one)
        pause(two)
        cluster.redis.flushall()

        for instance in (one, two) if first == "older" else (two, one):
            resume(instance)
            await eventually(lambda: cluster.read_hash(record), "it was not written back")

        assert await older.closed() == FENCED
        await newer.check_alive()
        async with WorkingNode.connect(one.url("/ws/node")) as node:
            await node.register(pair)
            await converse(newer, node, 0)
