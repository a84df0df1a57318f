"""Stores over the real Redis at a clock the test holds; no test may leave an endless key."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import redis.asyncio

from lua import scripts
from tests.redis_under_test import OwnRedis, open_redis
from tests.scripts.fixtures import Stores, make_stores
from tests.scripts.whole_state import State, find_changes, list_endless, read_state

Resend = Callable[[], Awaitable[list[object]]]


@pytest.fixture
async def stores(redis_server: OwnRedis, prefix: str) -> AsyncIterator[Stores]:
    client = open_redis(redis_server.url)
    made = make_stores(client, prefix=prefix)
    yield made
    await made.connection.close()


@pytest.fixture
def resend(stores: Stores, redis_client: "redis.asyncio.Redis") -> Resend:
    """Return a function that sends the last script once more, as after a lost reply."""
    sent: list[tuple[str, list[str], list[object]]] = []
    run_script = stores.connection.run_script

    def note(name, *, keys, args, **how):
        sent.append((name, keys, [*args]))
        return run_script(name, keys=keys, args=args, **how)

    stores.connection.run_script = note

    async def send_again() -> list[object]:
        name, keys, args = sent[-1]
        return await redis_client.eval(
            scripts.load_source(name), len(keys), *keys, *args[:-1], str(stores.now_ms)
        )

    return send_again


class Watcher:
    """Reads the whole state, and tells what changed since it was read last."""

    def __init__(self, client: "redis.asyncio.Redis", prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._seen: State = {}

    async def read(self) -> State:
        self._seen = await read_state(self._client, self._prefix)
        return self._seen

    async def find_changes(self) -> dict[str, object]:
        """Return what changed since the last look."""
        before = self._seen
        return find_changes(before, await self.read())


@pytest.fixture
async def watcher(redis_client: "redis.asyncio.Redis", prefix: str) -> Watcher:
    return Watcher(redis_client, prefix)


@pytest.fixture(autouse=True)
async def every_key_expires(
    redis_client: "redis.asyncio.Redis", prefix: str
) -> AsyncIterator[None]:
    """Fail a test that leaves a key without expiry; timers alone are permanent."""
    yield
    assert list_endless(await read_state(redis_client, prefix)) == []
