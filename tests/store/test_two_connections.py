"""What one instance has written, another reads with its next command: nothing lies in between."""

from collections.abc import AsyncIterator

import pytest

from tests.redis_under_test import OwnRedis, open_redis
from tests.scripts.fixtures import Stores, create, make_request, make_stores

_MANY = 100


@pytest.fixture
async def instances(redis_server: OwnRedis, prefix: str) -> AsyncIterator[list[Stores]]:
    stores = [make_stores(open_redis(redis_server.url), prefix=prefix) for _ in range(2)]
    for each in stores:
        each.use_redis_clock()
    yield stores
    for each in stores:
        await each.connection.close()


@pytest.mark.req("I12", "I10")
async def test_a_job_written_by_one_instance_is_read_by_another_at_once(
    instances: list[Stores],
) -> None:
    ours, theirs = instances
    for number in range(_MANY):
        # Sessions on every master of a cluster.
        session_id = f"s-{number:08X}"
        request = make_request(f"job-{number:08X}-000000000001", session_id=session_id)
        await create(ours, request)

        read = await theirs.jobs.find(session_id=session_id, job_id=request.assignment.job_id)

        assert read is not None
        assert read.node_id == "n1"
