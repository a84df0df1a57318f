"""The core of one instance on a real Redis, its clock in the test's hands."""

from collections.abc import AsyncIterator

import pytest

from tests.redis_under_test import OwnRedis, open_redis
from tests.scheduling.core import Services
from tests.scripts.fixtures import make_stores


@pytest.fixture
async def core(redis_server: OwnRedis, prefix: str) -> AsyncIterator[Services]:
    client = open_redis(redis_server.url)
    stores = make_stores(client, prefix=prefix)
    yield Services(stores)
    await stores.connection.close()
