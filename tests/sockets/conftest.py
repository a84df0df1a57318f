"""The access that a socket or a request asks for, over a real Redis."""

from collections.abc import AsyncIterator

import pytest

from scheduling.access.access import Access, AccessLimits
from scheduling.model.metrics import Metrics
from scheduling.store.allowances import AllowanceStore
from scheduling.store.credentials import CredentialStore
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from tests.redis_under_test import OwnRedis, open_redis
from tests.sockets.credentials import Guard

# So slow that no bucket gains a token while a test runs.
_LIMITS = AccessLimits(
    most_connections=2,
    connects_per_s=0.001,
    connect_burst=4,
    requests_per_s=0.001,
    request_burst=2,
    work_per_s=0.001,
    work_burst=2,
)


@pytest.fixture
async def guard(redis_server: OwnRedis, prefix: str) -> AsyncIterator[Guard]:
    connection = Connection(open_redis(redis_server.url), metrics=Metrics())
    keys = Keys(prefix)
    credentials = CredentialStore(connection, keys=keys, life_ms=60_000)
    allowances = AllowanceStore(connection, keys=keys)
    access = Access(credentials=credentials, allowances=allowances, limits=_LIMITS)
    yield Guard(access=access, credentials=credentials)
    await connection.close()
