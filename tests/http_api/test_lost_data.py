"""Accepted over HTTP is accepted: what becomes of it when Redis loses its data (ED7)."""

import asyncio
from typing import Any

import pytest

from tests.http_api.hook_receiver import HookReceiver
from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.http import AUDIO, DEADLINE_S, HttpNode, Reply, ask
from tests.peers.node import WorkingNode
from tests.redis_under_test import OwnRedis
from tests.server.launcher import Instance
from tests.waiting import eventually

SECRET = "signs what we are told"  # noqa: S105 - of these tests alone
DOWN = "SCHEDULER_DEPENDENCY_DOWN"


async def dispatch(address: str, pair: tuple[str, str], **changes: Any) -> Any:
    message = {"src_lang": pair[0], "tgt_lang": pair[1], "audio": AUDIO} | changes
    reply = await ask(address, "/v1/dispatch/f2f", message)
    assert reply.status in {200, 202}, reply
    return reply.json


async def look(address: str, job_id: str, *, method: str = "GET") -> Reply:
    return await ask(address, f"/v1/job/{job_id}", method=method)


async def await_end(address: str, job_id: str) -> Any:
    reply = await eventually(
        lambda: look(address, job_id),
        f"{job_id} does not end",
        fits=lambda told: told.status == 200 and told.json.get("ended"),
        within_s=DEADLINE_S,
    )
    return reply.json


def forget_all(cluster: Cluster) -> None:
    cluster.redis.execute_command("FLUSHALL")


def start_two(cluster: Cluster, receiver: HookReceiver) -> tuple[Instance, Instance]:
    one, two = (cluster.start(LINGUA_HOOK_HOSTS=receiver.address) for _ in range(2))
    return one, two


@pytest.mark.req("ED7", "J16", "G5")
@pytest.mark.parametrize("loss", ["flushed", "restarted empty"])
async def test_a_job_under_way_is_refused_by_name_wherever_it_is_asked_for_and_the_hook_is_told(
    cluster: Cluster, own_redis: OwnRedis, loss: str
) -> None:
    pair = draw_languages()
    async with HookReceiver.open() as receiver:
        one, two = start_two(cluster, receiver)
        async with HttpNode(two.address) as node:
            await node.register(pair)
            callback = {"url": f"http://{receiver.address}/", "secret": SECRET}
            begun = await dispatch(one.address, pair, callback=callback, request_id="r-1")
            job = await node.job()
            await node.ack(job)

            if loss == "flushed":
                forget_all(cluster)
            else:
                own_redis.kill()
                own_redis.forget()
                await asyncio.to_thread(own_redis.start)

            told = await receiver.next(1)
            assert (told.json["job_id"], told.json["error"]) == (begun["job_id"], DOWN)
            assert "lost its data" in told.json["detail"]
            for instance in (one, two):
                ended = await await_end(instance.address, begun["job_id"])
                assert (ended["error"], ended["utterance_index"]) == (DOWN, 0)
            await node.done(job)
            ended = await await_end(two.address, begun["job_id"])
            assert ended["error"] == DOWN
            session_id = begun["session_id"]
            again = await dispatch(one.address, pair, session_id=session_id, request_id="r-1")
            assert again["job_id"] == begun["job_id"]
            after = await dispatch(two.address, pair, session_id=session_id)
            assert after["utterance_index"] > 0
            assert after["job_id"] != begun["job_id"]
    assert "Traceback" not in one.errors + two.errors, one.errors + two.errors


@pytest.mark.req("ED7", "J16")
@pytest.mark.usefixtures("own_redis")
async def test_a_result_that_was_there_is_there_again(cluster: Cluster) -> None:
    pair = draw_languages()
    async with HookReceiver.open() as receiver:
        one, two = start_two(cluster, receiver)
        async with HttpNode(two.address) as node:
            await node.register(pair)
            node.work()
            fetched, unasked = [await dispatch(one.address, pair) for _ in range(2)]
            before = await await_end(two.address, fetched["job_id"])
            place = (unasked["session_id"], unasked["job_id"])
            key = cluster.key("{session:%s}:outcome:%s") % place
            await eventually(lambda: cluster.redis.exists(key), "no outcome", within_s=DEADLINE_S)
            # Whoever holds them has heard of both once it tells of one that came after them.
            callback = {"url": f"http://{receiver.address}/", "secret": SECRET}
            await dispatch(one.address, pair, callback=callback)
            await receiver.next(1)

            forget_all(cluster)

            for job_id in (fetched["job_id"], unasked["job_id"]):
                ended = await await_end(two.address, job_id)
                assert ended["result"]["text_asr"] == before["result"]["text_asr"]


@pytest.mark.req("ED7", "J16")
@pytest.mark.usefixtures("own_redis")
async def test_a_hook_that_could_not_be_told_before_is_told_the_result_after(
    cluster: Cluster,
) -> None:
    pair = draw_languages()
    async with HookReceiver.open(500) as receiver:
        one, two = start_two(cluster, receiver)
        async with HttpNode(two.address) as node:
            await node.register(pair)
            node.work()
            callback = {"url": f"http://{receiver.address}/", "secret": SECRET}
            begun = await dispatch(one.address, pair, callback=callback)
            await receiver.next(1)

            forget_all(cluster)

            told = await receiver.next(2)
            assert told.json["job_id"] == begun["job_id"]
            assert told.json["result"]["text_asr"] == "heard 0"
            assert told.is_signed_with(SECRET)


@pytest.mark.req("ED7", "J16")
@pytest.mark.usefixtures("own_redis")
async def test_a_job_is_cancelled_before_a_loss_and_after(cluster: Cluster) -> None:
    pair = draw_languages()
    one, two = cluster.start(), cluster.start()
    async with WorkingNode.connect(two.url("/ws/node")) as node:
        await node.register(pair)
        first, second = [await dispatch(one.address, pair) for _ in range(2)]
        for _ in range(2):
            await node.job()

        cancelled = await look(two.address, first["job_id"], method="DELETE")

        assert (cancelled.status, cancelled.json["error"]) == (200, "CANCELLED")
        frame = await node.find(lambda frame: frame["type"] == "job_cancel", within_s=DEADLINE_S)
        assert frame["job_id"] == first["job_id"]
        forget_all(cluster)
        late = await eventually(
            lambda: look(one.address, second["job_id"], method="DELETE"),
            "it cannot be cancelled",
            fits=lambda reply: reply.status == 200,
            within_s=DEADLINE_S,
        )
        assert (late.json["ended"], late.json["error"]) == (True, DOWN)
    unknown = await look(one.address, "job-00000000-000000000000", method="DELETE")
    assert (unknown.status, unknown.json["error"]) == (404, "NO_SUCH_JOB")


@pytest.mark.req("ED7", "J16")
@pytest.mark.usefixtures("own_redis")
async def test_whoever_took_the_request_never_says_that_there_is_no_such_job(
    cluster: Cluster,
) -> None:
    """Not in the moment before the loss is noticed either."""
    pair = draw_languages()
    # Its presence is looked at once a minute: nothing but the question brings the job back.
    one = cluster.start(
        LINGUA_PRESENCE_INTERVAL_S="60",
        LINGUA_PRESENCE_TTL_S="600",
        LINGUA_SNAPSHOT_REFRESH_MS="60000",
    )
    async with HttpNode(one.address) as node:
        await node.register(pair)
        begun = await dispatch(one.address, pair)
        await node.job()

        forget_all(cluster)

        replies = [await look(one.address, begun["job_id"]) for _ in range(5)]
        assert {reply.status for reply in replies} == {200}
        assert replies[-1].json["error"] == DOWN
