"""Many processes at once: no node holds more than it offers, one request is one job."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio

from tests.redis_under_test import OwnRedis
from tests.scripts.fixtures import JOB_LIMITS, Stores, beat, make_ready, reserve, run
from tests.scripts.whole_state import read_state

ROOT = Path(__file__).parents[2]
OFFERED = 4
KILLS = 100
ROOMY = 3 * KILLS + 1  # so that what was left behind never stops the next process


class CandidateViews:
    """Processes forked from one that has everything loaded; each says when it is ready to go."""

    def __init__(self, client: "redis.asyncio.Redis", *, url: str, prefix: str) -> None:
        self._client = client
        self._about = {"url": url, "prefix": prefix}
        self._nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.races.contender"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    async def start(self, me: str, **task: object) -> int:
        """Start a process that waits for `go`; return its id."""
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(json.dumps({**self._about, "me": me, **task}) + "\n")
        self._nursery.stdin.flush()
        pid = int(await asyncio.to_thread(self._nursery.stdout.readline))
        assert await self._client.blpop(["ready"], timeout=50) == ("ready", me)
        return pid

    async def go(self, *names: str) -> None:
        pipeline = self._client.pipeline()
        for name in names:
            pipeline.rpush(f"go:{name}", "now")
        await pipeline.execute()

    async def collect(self, count: int) -> list[dict[str, object]]:
        """Return what `count` processes report at their end."""
        reports = []
        for _ in range(count):
            report = await self._client.blpop(["reports"], timeout=50)
            assert report is not None
            reports.append(json.loads(report[1]))
        return reports

    def end(self) -> None:
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.close()
        self._nursery.wait(timeout=60)
        self._nursery.stdout.close()


@pytest.fixture
async def views(
    own_redis: OwnRedis, own_client: "redis.asyncio.Redis", prefix: str
) -> AsyncIterator[CandidateViews]:
    started = CandidateViews(own_client, url=own_redis.url, prefix=prefix)
    yield started
    started.end()


@pytest.mark.req("R1", "P1")
async def test_eight_processes_never_hold_more_than_the_node_offers(
    views: CandidateViews,
    own_stores: Stores,
    own_client: "redis.asyncio.Redis",
    prefix: str,
) -> None:
    own_stores.use_redis_clock()
    node = await make_ready(own_stores, max_jobs=OFFERED)
    names = [f"p{number}" for number in range(8)]
    for name in names:
        await views.start(name, do="contend", attempts=1_000, conn_epoch=node.conn_epoch)

    await views.go(*names)
    reports = await views.collect(len(names))

    assert max(report["peak"] for report in reports) == OFFERED
    assert len([report for report in reports if report["won"]]) > 1
    state = await read_state(own_client, prefix)
    assert {key for key in state if "resv" in key or "run" in key} == set()
    assert state["{node:n1}:cap"].value == {"max": "4", "reserved": "0", "running": "0"}


@pytest.mark.req("J2", "J4", "I-9")
@pytest.mark.parametrize("utterances", ["one utterance", "an utterance each"])
async def test_fifty_creates_of_one_request_make_one_job(
    utterances: str,
    views: CandidateViews,
    own_client: "redis.asyncio.Redis",
    prefix: str,
) -> None:
    names = [f"p{number}" for number in range(5)]
    job_ids = [f"job-AAAA0001-{number:012x}" for number in range(50)]
    for number, name in enumerate(names):
        await views.start(
            name,
            do="create",
            job_ids=job_ids[number::5],
            utterance_index=0 if utterances == "one utterance" else number,
        )

    await views.go(*names)
    reports = await views.collect(len(names))

    told = {job_id: reply for report in reports for job_id, reply in report["told"].items()}
    (created,) = [job_id for job_id, existing in told.items() if existing is None]
    assert told.keys() == set(job_ids)
    assert {told[job_id] for job_id in told if job_id != created} == {created}
    state = await read_state(own_client, prefix)
    assert [key for key in state if ":job:" in key] == [f"{{session:s-AAAA0001}}:job:{created}"]


@pytest.mark.req("R2", "R9")
async def test_what_killed_processes_held_is_free_again_and_what_lives_is_kept(
    views: CandidateViews, own_stores: Stores, own_client: "redis.asyncio.Redis"
) -> None:
    own_stores.use_redis_clock()
    node = await make_ready(own_stores, max_jobs=ROOMY)
    await run(own_stores, node, "survivor")
    rng = random.Random(7)
    run_key, resv_key = own_stores.keys.node.run("n1"), own_stores.keys.node.resv("n1")
    for number in range(KILLS):
        name = f"p{number}"
        pid = await views.start(name, do="work", conn_epoch=node.conn_epoch)
        await views.go(name)
        for _ in range(rng.randint(1, 12)):
            assert await own_client.blpop(["steps"], timeout=50) is not None
        os.kill(pid, signal.SIGKILL)
        await beat(own_stores, node, running=[("survivor", 1)])

    left_behind = await own_client.zcard(run_key) + await own_client.zcard(resv_key) - 1
    assert left_behind > 0
    seconds, _ = await own_client.time()
    own_stores.set_clock(seconds * 1_000 + JOB_LIMITS.run_lease_ms - 5_000)
    await beat(own_stores, node, running=[("survivor", 1)])
    own_stores.advance_clock(10_000)
    recorded = await beat(own_stores, node, running=[("survivor", 1)])

    assert recorded is not None
    assert recorded.load == 1
    assert await own_client.zrange(run_key, 0, -1) == ["survivor:1"]
    cap = await own_client.hgetall(own_stores.keys.node.cap("n1"))
    assert cap == {"max": str(ROOMY), "reserved": "0", "running": "1"}
    replies = await asyncio.gather(
        *(reserve(own_stores, node, f"late-{number}") for number in range(ROOMY))
    )
    assert [reply.word for reply in replies] == [*["reserved"] * (ROOMY - 1), "full"]
