"""Event loops: each has its own connections; one of them, the owner, reads the inbox for all.

A loop that ends (async_to_sync makes one per call) cancels its tasks; the keeper task of this
module then closes the loop's connections, and a loop with waiting consumers becomes the owner.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable

from channels_streams.batching import Batcher
from channels_streams.clock import now_ms
from channels_streams.connection import REDIS_TROUBLE, Connections
from channels_streams.counters import Counters
from channels_streams.options import Options
from channels_streams.process import Process
from channels_streams.redis.refusals import tell_of
from channels_streams.work_queues import WorkReader

_LOOK_FOR_OWNER_EVERY_S = 0.3
_FIRST_RETRY_S = 0.05
_LAST_RETRY_S = 1.0
_FORGET_LANE_AFTER_MS = 60_000.0
_log = logging.getLogger("channels_streams")

Step = Callable[[Connections], Awaitable[object]]


class LoopResources:
    """What one event loop uses of Redis."""

    def __init__(
        self, *, loop: asyncio.AbstractEventLoop, options: Options, counters: Counters
    ) -> None:
        self.loop = loop
        self.connections = Connections(options=options, counters=counters)
        self.readers: dict[str, WorkReader] = {}
        self.keeper: asyncio.Task[None] | None = None
        self.inbox_wanted = asyncio.Event()
        self.ack_wanted = asyncio.Event()
        self._batchers: dict[str, tuple[Batcher, float]] = {}

    def batcher(self, entity: str) -> Batcher | None:
        """Return the batcher to an entity's stream, if there is one."""
        found = self._batchers.get(entity)
        if found is None:
            return None
        self._batchers[entity] = (found[0], now_ms())
        return found[0]

    def add_batcher(self, entity: str, batcher: Batcher) -> Batcher:
        """Keep a new batcher, and forget those unused for a minute."""
        now = now_ms()
        self._batchers = {
            name: each
            for name, each in self._batchers.items()
            if not each[0].is_idle or each[1] + _FORGET_LANE_AFTER_MS > now
        }
        self._batchers[entity] = (batcher, now)
        return batcher

    async def close(self) -> None:
        """Stop readers and close connections."""
        readers, self.readers = list(self.readers.values()), {}
        for reader in readers:
            try:
                await reader.close()
            except REDIS_TROUBLE:
                _log.warning("work queue not reachable while leaving it")
        await self.connections.close()
        # Last, for it may be all that keeps the loop running.
        for reader in readers:
            reader.dismiss()


class Loops:
    """The loops that use the layer, and which of them owns the inbox."""

    def __init__(self, *, process: Process, steps: Callable[[LoopResources], list[Step]]) -> None:
        self._options = process.options
        self._counters = process.counters
        self._steps = steps
        self._lock = threading.Lock()
        self._all: dict[asyncio.AbstractEventLoop, LoopResources] = {}
        self._owner: LoopResources | None = None

    def __len__(self) -> int:
        return len(self._all)

    def current(self) -> LoopResources:
        """Return the resources of the running loop."""
        loop = asyncio.get_running_loop()
        found = self._all.get(loop)
        if found is None:
            self._forget_closed()
            found = LoopResources(loop=loop, options=self._options, counters=self._counters)
            found.keeper = loop.create_task(self._keep(found), name="channels_streams.keeper")
            self._all[loop] = found
        return found

    def wake_acknowledger(self) -> None:
        """Tell the owner, from any thread, that something is to be acknowledged."""
        owner = self._owner
        if owner is None or owner.ack_wanted.is_set():
            return
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is owner.loop:
            owner.ack_wanted.set()
        elif not owner.loop.is_closed():
            owner.loop.call_soon_threadsafe(owner.ack_wanted.set)

    async def close_current(self) -> None:
        """Stop everything the running loop does for the layer, and close its connections."""
        resources = self._all.get(asyncio.get_running_loop())
        if resources is not None:
            await _end(resources)

    async def close_all(self) -> None:
        """Do so for every loop, each in its own thread; one that hangs is left behind."""
        here = asyncio.get_running_loop()
        elsewhere = [
            asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_end(each), each.loop))
            for each in list(self._all.values())
            if each.loop is not here and each.loop.is_running()
        ]
        if elsewhere:
            await asyncio.wait(elsewhere, timeout=self._options.socket_timeout_s)
        await self.close_current()

    async def _keep(self, resources: LoopResources) -> None:
        try:
            await resources.inbox_wanted.wait()
            while True:
                if self._become_owner(resources):
                    await self._own(resources)
                await asyncio.sleep(_LOOK_FOR_OWNER_EVERY_S)
        except GeneratorExit:
            # The loop was closed with its tasks in it: nothing can be waited for there any more.
            self._forget(resources)
            raise
        except BaseException:
            self._forget(resources)
            await resources.close()
            raise

    def _forget(self, resources: LoopResources) -> None:
        with self._lock:
            if self._owner is resources:
                self._owner = None
        self._all.pop(resources.loop, None)

    async def _own(self, resources: LoopResources) -> None:
        async with asyncio.TaskGroup() as tasks:
            for step in self._steps(resources):
                tasks.create_task(_repeat(step, resources.connections, self._counters))

    def _become_owner(self, resources: LoopResources) -> bool:
        with self._lock:
            owner = self._owner
            if owner is None or owner is resources or not owner.loop.is_running():
                self._owner = resources
            return self._owner is resources

    def _forget_closed(self) -> None:
        for loop in [each for each in self._all if each.is_closed()]:
            del self._all[loop]


async def _end(resources: LoopResources) -> None:
    if resources.keeper is not None:
        resources.keeper.cancel()
        await asyncio.gather(resources.keeper, return_exceptions=True)


async def _repeat(step: Step, connections: Connections, counters: Counters) -> None:
    """Run one step of the owner's work for ever, slower while it fails."""
    retry_s = _FIRST_RETRY_S
    while True:
        try:
            await step(connections)
            retry_s = _FIRST_RETRY_S
            continue
        except REDIS_TROUBLE as error:
            counters.reconnects += 1
            _log.warning("%s", tell_of(error), extra={"retry_s": retry_s})
        except Exception:  # noqa: BLE001 - a step that failed must not end the others
            _log.exception("channel layer step failed")
        await asyncio.sleep(retry_s)
        retry_s = min(retry_s * 2, _LAST_RETRY_S)
