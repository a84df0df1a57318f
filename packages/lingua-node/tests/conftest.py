"""A scheduler to connect to, and a node whose handler the test holds in its hand."""

from collections.abc import AsyncIterator

import pytest
from node_testing.nodes import Bench
from node_testing.scheduler import FakeScheduler


@pytest.fixture
async def scheduler() -> AsyncIterator[FakeScheduler]:
    fake = FakeScheduler()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
def bench() -> Bench:
    return Bench()
