"""The running instance as views in threads reach it: its loop, its access service."""

import asyncio
from concurrent.futures import TimeoutError as WaitedTooLong

import msgspec

from scheduling.access.access import Access
from scheduling.model.errors import DependencyDown

_WITHIN_S = 2.0


class _Running(msgspec.Struct, frozen=True):
    loop: asyncio.AbstractEventLoop
    access: Access


class InstanceLink:
    """Set once when the instance is built; unset in commands, which serve nobody."""

    def __init__(self) -> None:
        self._running: _Running | None = None

    def connect(self, access: Access) -> None:
        """Note the instance that runs on this event loop."""
        self._running = _Running(loop=asyncio.get_running_loop(), access=access)

    def take_request(self, principal_id: str) -> int:
        """Count one request from a thread; return 0, or how many ms its sender must wait.

        :raises DependencyDown: Redis did not answer
        """
        running = self._running
        if running is None or running.loop.is_closed():
            return 0
        counting = asyncio.run_coroutine_threadsafe(
            running.access.take_request(principal_id=principal_id), running.loop
        )
        try:
            return counting.result(_WITHIN_S)
        except WaitedTooLong as late:
            counting.cancel()
            raise DependencyDown from late


link = InstanceLink()
