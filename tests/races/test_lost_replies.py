"""Redis did it and the reply was lost: the call is sent again, acts once, and is told the truth."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
import redis.asyncio

from lingua.settings.embedded_redis import EmbeddedRedis
from scheduling.model import errors
from scheduling.model.jobs import JobState
from scheduling.store.redis.clients import open_client
from tests.races.lossy_proxy import LossyProxy
from tests.scripts import fixtures
from tests.scripts.fixtures import JOB, Stores, make_node, make_stores
from tests.scripts.whole_state import State, read_state

pytestmark = pytest.mark.standalone("replies are lost by a proxy in front of one server")

KEPT = "a-token"
Step = Callable[[Stores], Awaitable[Any]]


async def prepare(stores: Stores) -> None:
    """A ready node that holds a reservation and a run; a job that runs there."""
    node = await fixtures.make_ready(stores, max_jobs=4)
    await fixtures.reserve(stores, node, JOB, 1)
    await fixtures.run(stores, node, JOB, 2)
    await fixtures.bring_to(stores, JobState.RUNNING)


# These are answered with the very words of the first time.
SAME_WORDS: dict[str, Step] = {
    "register": lambda stores: fixtures.register(stores, "n2", kept_token=KEPT),
    "create": lambda stores: fixtures.create(
        stores, fixtures.make_request(fixtures.OTHER_JOB, utterance_index=1)
    ),
    "requeue": fixtures.requeue,
    "finish": fixtures.finish,
    "retire": lambda stores: stores.nodes.retire(node_id="n1", conn_epoch=fixtures.START_MS),
    "arm": lambda stores: stores.timers.arm("job|s|j", delay_ms=1),
    "drain": lambda stores: stores.nodes.drain(node_id="n1", draining=True),
}
# These are told that it was done before; the load, which their callers go by, is the same.
OWN_WORDS: dict[str, Step] = {
    "reserve": lambda stores: fixtures.reserve(stores, make_node(), fixtures.OTHER_JOB),
    "commit": lambda stores: stores.slots.commit(node_id="n1", job_id=JOB, attempt=1),
    "release": lambda stores: stores.slots.release(node_id="n1", job_id=JOB, attempt=1),
    "finish slot": lambda stores: stores.slots.finish(node_id="n1", job_id=JOB, attempt=2),
}


@pytest.fixture
async def proxy(own_redis: EmbeddedRedis) -> AsyncIterator[LossyProxy]:
    started = LossyProxy(port=own_redis.port)
    yield started
    await started.stop()


async def take_step(
    step: Step,
    *,
    proxy: LossyProxy,
    url: str,
    client: "redis.asyncio.Redis",
    prefix: str,
    lossy: bool,
) -> tuple[Any, State]:
    """Return what a step was told and what it left, with its first reply lost or not."""
    stores = make_stores(
        open_client(url=url, cluster_urls=(), timeout_s=5, connect_timeout_s=5), prefix=prefix
    )
    await prepare(stores)
    proxy.lose_next_reply = lossy
    told = await step(stores)
    assert not proxy.lose_next_reply
    await stores.connection.close()
    return told, await read_state(client, prefix)


def without_tokens(state: State) -> State:
    """Forget the token of each call, which differs by design."""
    tokens = {"requeued_by", "ended_by"}
    return {
        key: msgspec.structs.replace(
            entry, value={name: each for name, each in entry.value.items() if name not in tokens}
        )
        if entry.type == "hash"
        else entry
        for key, entry in state.items()
    }


@pytest.mark.req("G4", "G9")
@pytest.mark.parametrize("name", [*SAME_WORDS, *OWN_WORDS])
async def test_a_lost_reply_changes_nothing(
    name: str, proxy: LossyProxy, own_client: "redis.asyncio.Redis"
) -> None:
    url = await proxy.start()
    step = SAME_WORDS.get(name) or OWN_WORDS[name]

    plainly, expected = await take_step(
        step, proxy=proxy, url=url, client=own_client, prefix="plain", lossy=False
    )
    again, left = await take_step(
        step, proxy=proxy, url=url, client=own_client, prefix="lossy", lossy=True
    )

    assert proxy.lost == 1
    assert without_tokens(left) == without_tokens(expected)
    if name in SAME_WORDS:
        assert again == plainly
    else:
        assert (again.done, again.load) == (plainly.done, plainly.load) == (True, again.load)


@pytest.mark.req("G9")
async def test_a_redis_that_hangs_is_given_up_in_time(
    own_redis: EmbeddedRedis, prefix: str
) -> None:
    client = open_client(url=own_redis.url, cluster_urls=(), timeout_s=3, connect_timeout_s=3)
    stores = make_stores(client, prefix=prefix)
    node = await fixtures.make_ready(stores)
    os.kill(own_redis.pid, signal.SIGSTOP)

    async with asyncio.timeout(60):
        with pytest.raises(errors.DependencyDown):
            await fixtures.reserve(stores, node)

    os.kill(own_redis.pid, signal.SIGCONT)
    async with asyncio.timeout(60):
        await stores.connection.wait_until_up()
    reply = await fixtures.reserve(stores, node)
    assert (reply.done, reply.load) == (True, 1)
    await stores.connection.close()
