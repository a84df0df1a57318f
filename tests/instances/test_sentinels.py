"""A Redis behind Sentinels: its master dies, another takes its place, and jobs go on (RE7)."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instances.lost_masters import open_peers, start_two
from tests.instances.sentinels import (
    IN_URL,
    NAME,
    OTHER_IN_URL,
    OTHER_SECRET,
    SECRET,
    SentinelServers,
)
from tests.instances.servers import Cluster
from tests.instances.test_redis_faults import WHOLE_WITHIN_S
from tests.manage import run

pytestmark = [
    pytest.mark.req("RE7"),
    pytest.mark.standalone("Sentinels know one Redis and its replica"),
]
# Nothing but the node's answer ends a job while nobody knows who is the master.
PATIENT = {"LINGUA_ACK_TIMEOUT_MS": "20000", "LINGUA_RESERVATION_MS": "25000"}


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[SentinelServers]:
    servers = SentinelServers(tmp_path / "redis")
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


@pytest.fixture
def cluster(tmp_path: Path, sentinels: SentinelServers) -> Iterator[Cluster]:
    cluster = Cluster(directory=tmp_path, redis_url=sentinels.servers[0].url)
    yield cluster
    cluster.end()


def hides_secrets(text: str) -> bool:
    return not any(each in text for each in (SECRET, OTHER_SECRET, IN_URL, OTHER_IN_URL))


@pytest.mark.req("G1", "G5", "X6")
async def test_jobs_before_and_after_a_failover_are_answered(
    cluster: Cluster, sentinels: SentinelServers
):
    instances = start_two(cluster, **sentinels.variables, **PATIENT)
    async with open_peers(cluster, sentinels, instances) as scene:
        # Then whoever took the place is lost in its turn, to the one that was lost first.
        for _ in range(2):
            scene.node.works = False
            before = await scene.accept()
            lost = await asyncio.to_thread(sentinels.find_master)
            await asyncio.to_thread(sentinels.copy_all, lost)

            lost.kill()
            await asyncio.to_thread(sentinels.await_promotion, lost)
            scene.node.works = True
            await scene.node.finish(before)

            answered = await scene.answer(before["utterance_index"])
            assert answered["type"] == "translation_result"
            assert await scene.await_whole() < WHOLE_WITHIN_S
            await asyncio.to_thread(sentinels.bring_back, lost)
        await scene.all_ended()
    written = "".join(instance.errors for instance in instances)
    assert "Traceback" not in written
    assert hides_secrets(written)


async def test_the_doctor_looks_at_every_sentinel_and_at_the_master(
    sentinels: SentinelServers, tmp_path: Path
):
    told = run("doctor", LINGUA_VAR_DIR=str(tmp_path / "var"), **sentinels.variables).stdout

    assert told.count(f"master at 127.0.0.1:{sentinels.servers[0].port}, 1 replicas") == 3
    assert f"redis {NAME}/0 role" in told
    assert "a key was written and deleted" in told
    assert hides_secrets(told)


@pytest.mark.parametrize("fault", ["another name", "another password", "nobody answers"])
async def test_a_server_does_not_start_without_its_master_and_says_why(
    cluster: Cluster, sentinels: SentinelServers, tmp_path: Path, fault: str
):
    variables, words = dict(sentinels.variables), NAME
    if fault == "another name":
        variables["REDIS_URL"] = variables["REDIS_URL"].replace(NAME, "main")
    elif fault == "another password":
        urls = variables["REDIS_SENTINEL_URLS"]
        variables["REDIS_SENTINEL_URLS"] = urls.replace(OTHER_IN_URL, "wrong")
        words = "WRONGPASS"
    else:
        sentinels.end_sentinels()
        words = "Connection refused"

    ended = cluster.start(awaiting_ready=False, **variables)

    assert ended.wait() == 1
    assert "no Sentinel says where its master" in ended.errors
    assert words in ended.errors
    assert "REDIS_SENTINEL_URLS" in ended.errors
    assert "Traceback" not in ended.errors
    assert hides_secrets(ended.errors)
    told = run("doctor", LINGUA_VAR_DIR=str(tmp_path / "var"), **variables).stdout
    assert words in told
    assert hides_secrets(told)
