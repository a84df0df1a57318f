"""A scheduler to connect to, and a node whose handler the test holds in its hand."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import settings
from node_testing.nodes import Bench
from node_testing.scheduler import FakeScheduler

# The same examples each time, however long a busy machine takes.
settings.register_profile("package", deadline=None, derandomize=True)
settings.load_profile("package")


@pytest.fixture
async def scheduler() -> AsyncIterator[FakeScheduler]:
    fake = FakeScheduler()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
def bench() -> Bench:
    return Bench()
