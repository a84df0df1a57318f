"""A silent Redis: new work learns of it in a moment, all else waits, own stalls do not count."""

import asyncio
import functools
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from lingua.settings.embedded_redis import EmbeddedRedis
from scheduling.model.errors import DependencyDown
from scheduling.model.metrics import Metrics
from scheduling.store.redis.clients import open_client
from scheduling.store.redis.connection import Connection
from scheduling.store.redis.reply_timeout import ReplyTimeout

pytestmark = pytest.mark.standalone("a process that is one server is paused and goes on")

_DEADLINE_S = 20.0
# Over soon where Redis sleeps; longer than a busy machine keeps a Redis waiting that does not.
_OVERDUE_S, _UNHURRIED_S = 0.08, 1.0


@pytest.fixture(autouse=True)
def _resumed(own_redis: EmbeddedRedis) -> Iterator[None]:
    """Let a Redis that a test paused go on, or nothing could stop it."""
    yield
    os.kill(own_redis.pid, signal.SIGCONT)


@pytest.fixture
def overdue_s(request: pytest.FixtureRequest) -> float:
    """After what silence Redis is overdue: a test may name its own."""
    return getattr(request, "param", _OVERDUE_S)


@pytest.fixture
async def connection(own_redis: EmbeddedRedis, overdue_s: float) -> AsyncIterator[Connection]:
    client = open_client(
        url=own_redis.url, cluster_urls=(), timeout_s=_DEADLINE_S, connect_timeout_s=_DEADLINE_S
    )
    opened = Connection(client, overdue_s=overdue_s, metrics=Metrics())
    await opened.execute("PING")
    yield opened
    os.kill(own_redis.pid, signal.SIGCONT)
    await opened.close()


@pytest.mark.req("G1", "I-8")
async def test_new_work_is_refused_while_all_else_waits(
    connection: Connection, own_redis: EmbeddedRedis
) -> None:
    os.kill(own_redis.pid, signal.SIGSTOP)
    waits = connection.execute("ECHO", "patient")
    first = connection.execute("ECHO", "new", urgent=True)

    async with asyncio.timeout(_DEADLINE_S):
        with pytest.raises(DependencyDown):
            await first
        assert connection.execute("ECHO", "newer", urgent=True).done(), "refused at once"
        assert not waits.done()
        os.kill(own_redis.pid, signal.SIGCONT)

        assert await waits == "patient"
        await connection.execute("PING")
        while connection.execute("ECHO", "newest", urgent=True).done():  # noqa: ASYNC110 - a tick
            await asyncio.sleep(0)


@pytest.mark.req("G1")
@pytest.mark.parametrize("overdue_s", [_UNHURRIED_S], indirect=True)
async def test_a_stall_of_this_process_is_not_held_against_redis(connection: Connection) -> None:
    for _ in range(2):
        future = connection.execute("ECHO", "new", urgent=True)
        await asyncio.sleep(0)
        time.sleep(2 * _UNHURRIED_S)  # noqa: ASYNC251 - what a long turn of the event loop does

        assert await future == "new"


@pytest.mark.req("G1")
@pytest.mark.parametrize("overdue_s", [_UNHURRIED_S], indirect=True)
async def test_a_long_pipeline_is_not_taken_for_silence(connection: Connection) -> None:
    futures = [connection.execute("EVAL", _BUSY, 0, urgent=True) for _ in range(5_000)]

    async with asyncio.timeout(_DEADLINE_S):
        await asyncio.gather(*futures)


@pytest.mark.req("G1", "RE9")
async def test_long_speech_on_its_way_is_not_taken_for_silence() -> None:
    """Minutes of it are slow to a Redis that is not near, and then are written to its disk."""
    under_way = {"bytes": 8 * 1024 * 1024}
    said: list[str] = []
    timeout = ReplyTimeout(
        overdue_s=0.08,
        stalled_s=0.5,
        count_replies=lambda: 0,
        count_under_way=lambda: 1,
        count_bytes=lambda: under_way["bytes"],
        on_overdue=lambda: said.append("overdue"),
        on_stall=lambda: said.append("stalled"),
    )
    loop = SteppedLoop()
    timeout.begin(loop)  # type: ignore[arg-type] # a clock and its timers are all it asks for

    loop.run(for_s=0.45)
    assert not said
    under_way["bytes"] = 1_000
    loop.run(for_s=0.15)
    assert set(said) == {"overdue", "stalled"}
    assert said.count("stalled") == 1


class SteppedLoop:
    """A clock that a test moves on, and the timers that are due by it."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._due: Callable[[], object] = lambda: None

    def time(self) -> float:
        return self._now_s

    def call_later(self, delay_s: float, call: Callable[..., object], *words: object) -> object:
        self._due = functools.partial(call, *words)
        return self

    def run(self, *, for_s: float) -> None:
        for _ in range(round(for_s / 0.01)):
            self._now_s += 0.01
            self._due()


# Some 400 µs of work in Redis: five thousand of these are longer than the wait for one reply. It
# counts, since a clock asked within a script stands still from Redis 7 on.
_BUSY = """
local sum = 0
for number = 1, 20000 do sum = sum + number % 7 end
return 1
"""
