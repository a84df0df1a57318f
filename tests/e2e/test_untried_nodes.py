"""A node that joins in a rush of jobs has few of them until a probe proves it (ND10)."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from scheduling.placement.pool_config import PoolConfig
from tests.e2e.servers import Lingua, Servers
from tests.e2e.sick_fleet import NODE, SESSION, read_states, say_and_hear
from tests.e2e.test_probed_nodes import ENGLISH, Hearing
from tests.instances.test_degraded_reads import ask
from tests.peers.frames import register_frame
from tests.peers.speaker import Speaker
from tests.redis_under_test import OwnRedis
from tests.waiting import eventually

pytestmark = pytest.mark.req("ND10")

MOST_JOBS = 5
CALLERS = 12
# Longer than a test takes: what a node is kept from does not end by itself.
LONG = {"LINGUA_NODE_PROBATION_S": "600", "LINGUA_NODE_QUARANTINE_S": "600"}


@pytest.fixture(scope="module")
def rushed(e2e_redis: OwnRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lingua]:
    """One server: what a node may have stands behind both kinds."""
    servers = Servers(directory=tmp_path_factory.mktemp("rushed"), redis_url=e2e_redis.url)
    try:
        lingua = servers.start("uvicorn", **LONG)
        yield lingua
        lingua.stop()
    finally:
        servers.end()


@pytest.fixture
async def lingua(rushed: Lingua) -> Lingua:
    await eventually(lambda: _knows_its_probes(rushed))
    return rushed


async def _knows_its_probes(lingua: Lingua) -> bool:
    """Say whether the instance goes by a configuration that has the probe of English."""
    document = lingua.dump("{poolcfg}:doc").get("{poolcfg}:doc")
    if not isinstance(document, dict):
        return False
    _, told = await asyncio.to_thread(ask, lingua.instance, "/metrics")
    is_in_force = f"scheduler_pool_config_version {document['version']}.0\n" in told
    return is_in_force and "en" in msgspec.json.decode(document["doc"], type=PoolConfig).probed


@contextlib.asynccontextmanager
async def _rush(lingua: Lingua) -> AsyncIterator[list[bool]]:
    """Let more speakers than there are slots speak without a pause; keep how it ended."""
    ended: list[bool] = []
    is_over = asyncio.Event()

    async def go_on(speaker: Speaker) -> None:
        for index in itertools.count():
            if is_over.is_set():
                break
            ended.append(await say_and_hear(speaker, index))

    async with contextlib.AsyncExitStack() as stack:
        speakers = [
            await stack.enter_async_context(Speaker.open(lingua.url(SESSION), ENGLISH))
            for _ in range(CALLERS)
        ]
        going = [asyncio.create_task(go_on(speaker)) for speaker in speakers]
        try:
            yield ended
        finally:
            is_over.set()
            await asyncio.gather(*going)


@contextlib.asynccontextmanager
async def _join(lingua: Lingua, count: int, *, is_rubbish: bool) -> AsyncIterator[list[Hearing]]:
    async with contextlib.AsyncExitStack() as stack:
        nodes = []
        for _ in range(count):
            node = await stack.enter_async_context(Hearing.connect(lingua.url(NODE)))
            node.is_rubbish = is_rubbish
            await node.register(ENGLISH)
            node.beat_on()
            nodes.append(node)
        yield nodes


async def test_a_node_that_answers_rubbish_joins_in_a_rush_and_has_five_jobs(
    lingua: Lingua,
) -> None:
    async with _join(lingua, 3, is_rubbish=False) as good:
        await eventually(lambda: read_states(lingua, good) == [("good", "")] * 3)
        async with _rush(lingua) as ended:
            await eventually(lambda: len(ended) > CALLERS)
            async with _join(lingua, 3, is_rubbish=True) as bad:
                await eventually(lambda: read_states(lingua, bad) == [("quarantine", "probe")] * 3)
                before = len(ended)
                await eventually(lambda: len(ended) > before + 2 * CALLERS)

                assert all(node.assigned <= MOST_JOBS for node in bad)
        assert all(ended)


async def test_a_good_node_that_joins_in_a_rush_is_probed_before_the_rush_and_has_its_share(
    lingua: Lingua,
) -> None:
    async with _join(lingua, 1, is_rubbish=False) as first:
        await eventually(lambda: read_states(lingua, first) == [("good", "")])
        async with _rush(lingua) as ended:
            await eventually(lambda: len(ended) > CALLERS)
            async with _join(lingua, 1, is_rubbish=False) as joined:
                await eventually(lambda: read_states(lingua, joined) == [("good", "")])
                await eventually(lambda: joined[0].assigned > 2 * MOST_JOBS)
        assert all(ended)


async def test_where_all_nodes_are_untried_they_serve(
    lingua: Lingua,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        node = await stack.enter_async_context(Hearing.connect(lingua.url(NODE)))
        node.declines_probes = True
        await node.register(ENGLISH)
        speaker = await stack.enter_async_context(Speaker.open(lingua.url(SESSION), ENGLISH))
        ended = [await say_and_hear(speaker, index) for index in range(3 * MOST_JOBS)]

        assert all(ended)
        assert read_states(lingua, [node]) == [("probation", "untried")]


async def test_who_declines_its_probe_is_no_better_known_and_has_no_more_jobs(
    lingua: Lingua,
) -> None:
    async with _join(lingua, 1, is_rubbish=False) as good:
        await eventually(lambda: read_states(lingua, good) == [("good", "")])
        async with _rush(lingua) as ended, Hearing.connect(lingua.url(NODE)) as liar:
            liar.is_rubbish = liar.declines_probes = True
            await liar.register(ENGLISH)
            liar.beat_on()
            await eventually(lambda: liar.assigned == MOST_JOBS)
            before = len(ended)
            await eventually(lambda: len(ended) > before + 2 * CALLERS)

            assert liar.assigned == MOST_JOBS


async def test_who_offers_english_only_later_is_untried_then(
    lingua: Lingua,
) -> None:
    async with _join(lingua, 1, is_rubbish=False) as good:
        await eventually(lambda: read_states(lingua, good) == [("good", "")])
        async with _rush(lingua) as ended, Hearing.connect(lingua.url(NODE)) as liar:
            liar.is_rubbish = liar.declines_probes = True
            await liar.register(("xx", "yy"))
            liar.beat_on()
            assert read_states(lingua, [liar]) == [("good", "")]
            await liar.heartbeat(
                language_capabilities=register_frame(ENGLISH)["language_capabilities"]
            )
            await eventually(lambda: liar.assigned == MOST_JOBS)
            before = len(ended)
            await eventually(lambda: len(ended) > before + 2 * CALLERS)

            assert liar.assigned == MOST_JOBS
