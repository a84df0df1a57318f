"""A state machine whose steps call stores over a real Redis, with a clock it holds."""

import asyncio
import itertools
from collections.abc import Awaitable
from typing import TypeVar

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.redis_under_test import IS_CLUSTER, open_redis
from tests.scripts.fixtures import START_MS, make_stores

T = TypeVar("T")
_prefixes = itertools.count(1)
# Each example reads the whole state after each step; three masters take several times as long.
_QUICK = settings(max_examples=10 if IS_CLUSTER else 60, stateful_step_count=40, deadline=None)


class StoreMachine(RuleBasedStateMachine):
    """Steps are synchronous: each runs the machine's own event loop until its replies are there."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.prefix = f"machine{next(_prefixes)}"
        self.wait(self._open(url))
        self.now_ms = START_MS

    async def _open(self, url: str) -> None:
        self.client = open_redis(url)
        self.stores = make_stores(self.client, prefix=self.prefix)

    def wait(self, what: Awaitable[T]) -> T:
        """Run the loop until `what` is there."""
        return self.runner.run(_as_coroutine(what))

    def call(self, method, /, **arguments):
        """Call a store method, which issues its command on the machine's loop, and wait for it."""

        async def issue():
            return await method(**arguments)

        return self.runner.run(issue())

    def pass_time(self, span_ms: int) -> None:
        self.now_ms += span_ms
        self.stores.set_clock(self.now_ms)

    def teardown(self) -> None:
        self.wait(self._close())
        self.runner.close()

    async def _close(self) -> None:
        keys = [key async for key in self.client.scan_iter(match=f"{self.prefix}:*", count=1_000)]
        if keys:
            await self.client.delete(*keys)
        await self.stores.connection.close()


async def _as_coroutine(what: Awaitable[T]) -> T:
    return await what


def search(machine: type[StoreMachine], url: str) -> None:
    """Look for a story that breaks the machine's promises."""
    thorough = settings.get_current_profile_name() == "thorough"
    run_state_machine_as_test(lambda: machine(url), settings=settings() if thorough else _QUICK)
