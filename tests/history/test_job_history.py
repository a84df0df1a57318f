"""The history of jobs: complete whatever dies or is away, and never waited for."""

import asyncio
import json

import pytest
import redis.asyncio

from lingua.settings.embedded_redis import EmbeddedRedis
from scheduling.model.metrics import Metrics
from scheduling.store.job_history import HistoryStore
from scheduling.store.keys import Keys, pick_shard
from scheduling.store.redis.connection import Connection
from tests.history.conftest import History
from tests.instances.servers import MORTAL, Cluster, kill
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.server.launcher import Instance
from tests.waiting import eventually

# Leases and timers of a dead process end one after the other, half a minute in all.
_DEADLINE_S = 90
_SHARDS = 16


async def work(instance: Instance, *, jobs: int) -> list[str]:
    """Let a speaker say as much and a node translate it; return the jobs' ids."""
    languages = draw_languages()
    done = []
    async with (
        FakeNode.open(instance.url("/ws/node"), languages) as node,
        Speaker.open(instance.url("/ws/session"), languages) as speaker,
    ):
        for index in range(jobs):
            await speaker.say(index)
            job = await node.job()
            await node.ack(job)
            await node.finish(job)
            await speaker.next("translation_result", utterance_index=index)
            done.append(job["job_id"])
    return done


def list_waiting(cluster: Cluster) -> list[str]:
    """Return the jobs that are over and not struck off."""
    keys = [cluster.key(f"{{t:{shard}}}:timers") for shard in range(_SHARDS)]
    return [entity for key in keys for entity in cluster.redis.zrangebyscore(key, "-inf", "(0")]


async def await_history(history: History, jobs: set[str]) -> dict[str, dict]:
    """Return the rows once there is one for each of `jobs`."""
    return await eventually(
        history.read,
        f"not all of {jobs} are written",
        fits=lambda rows: jobs <= rows.keys(),
        within_s=_DEADLINE_S,
    )


@pytest.mark.req("J1")
async def test_a_job_is_written_with_all_that_is_known_of_it(
    cluster: Cluster, history: History
) -> None:
    (job_id,) = await work(cluster.start(), jobs=1)

    row = (await await_history(history, {job_id}))[job_id]

    assert (row["state"], row["reason"], row["attempts"]) == ("DONE", "", 1)
    assert row["session_id"] == f"s-{job_id.split('-')[1]}"
    assert row["node_id"]
    assert row["src_lang"] != row["tgt_lang"]
    record = json.loads(row["record"])
    steps = {name for name in record if name.startswith("at:1:")}
    assert {"at:1:NEW", "at:1:DISPATCHED", "at:1:ACKED", "at:1:DONE"} <= steps
    assert "heard" not in row["record"]


async def test_a_job_without_a_result_is_written_with_its_reason(
    cluster: Cluster, history: History
) -> None:
    instance = cluster.start(LINGUA_MAX_RETRY="0")
    languages = draw_languages()
    async with (
        FakeNode.open(instance.url("/ws/node"), languages) as node,
        Speaker.open(instance.url("/ws/session"), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.fail(job, "ASR_FAILED")
        await speaker.next("error")

    row = (await await_history(history, {job["job_id"]}))[job["job_id"]]
    assert (row["state"], row["reason"]) == ("FAILED", "ASR_FAILED")


async def test_jobs_flow_while_the_database_is_away_and_all_are_written_later(
    cluster: Cluster, history: History
) -> None:
    instance = cluster.start()
    before = await work(instance, jobs=1)
    await await_history(history, set(before))

    history.take_away()
    during = await work(instance, jobs=20)
    history.bring_back()

    rows = await await_history(history, {*before, *during})
    assert rows.keys() == {*before, *during}


async def test_a_killed_instance_leaves_its_history_to_the_next(
    cluster: Cluster, history: History
) -> None:
    # An outcome nobody takes is told again until it is kept no longer; then its job is over.
    briefly = {"LINGUA_RESULT_TTL_S": "5"}
    # Of whom works only later: in a hurry with what is left, not with what is begun.
    quick = {"LINGUA_RUN_TIMEOUT_S": "2", "LINGUA_PENDING_TIMEOUT_S": "1"}
    first = cluster.start(**briefly, **MORTAL)
    languages = draw_languages()
    history.take_away()
    jobs = await work(first, jobs=5)
    async with (
        FakeNode.open(first.url("/ws/node"), languages) as node,
        Speaker.open(first.url("/ws/session"), languages) as speaker,
    ):
        # One whose result is on its way when the process dies, and one that nobody answers.
        for index in range(2):
            await speaker.say(index)
            job = await node.job()
            await node.ack(job)
            jobs.append(job["job_id"])
        await node.finish(job)
        kill(first)
    history.bring_back()

    cluster.start(**briefly, **quick, **MORTAL)

    assert (await await_history(history, set(jobs))).keys() == set(jobs)


async def test_what_a_dead_writer_had_taken_is_written_by_another(
    cluster: Cluster, history: History, own_redis: EmbeddedRedis
) -> None:
    instance = cluster.start()
    history.take_away()
    jobs = await work(instance, jobs=3)
    kill(instance)
    connection = Connection(
        redis.asyncio.Redis.from_url(own_redis.url, decode_responses=True), metrics=Metrics()
    )
    store = HistoryStore(connection, keys=Keys("i"), shards=_SHARDS, record_ms=60_000)
    for entity in list_waiting(cluster):
        # The killed instance's own lease, over at once.
        key = cluster.key(f"{{t:{pick_shard(entity, _SHARDS)}}}:timers")
        cluster.redis.zadd(key, {entity: -(10**15)})
    _, taken = await store.take(most=10, lease_ms=1_000)
    await connection.close()
    history.bring_back()

    cluster.start()

    assert {entity.split("|")[2] for entity in taken} == set(jobs)
    assert (await await_history(history, set(jobs))).keys() == set(jobs)


async def test_two_writers_write_each_job_once(cluster: Cluster, history: History) -> None:
    one, other = cluster.start(), cluster.start()

    done = await asyncio.gather(work(one, jobs=30), work(other, jobs=30))

    jobs = {job_id for part in done for job_id in part}
    assert (await await_history(history, jobs)).keys() == jobs
    assert len(jobs) == 60
    await eventually(lambda: not list_waiting(cluster), "all are struck off")


async def test_without_a_history_nothing_waits_for_one(cluster: Cluster, history: History) -> None:
    instance = cluster.start(LINGUA_HISTORY_DAYS="0")

    await work(instance, jobs=1)

    assert list_waiting(cluster) == []
    assert history.read() == {}
