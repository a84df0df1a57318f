"""The running instance as views in threads reach it: its loop, its access service."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as WaitedTooLong
from typing import Any, TypeVar

import msgspec

from scheduling.access.access import Access
from scheduling.model.errors import DependencyDown

T = TypeVar("T")
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
        running = self._find_running()
        if running is None:
            return 0
        return self._ask(running, running.access.take_request(principal_id=principal_id))

    def check_credential(self, sender: str, shown: str) -> None:
        """See that an address may show a credential, before it is looked up.

        :raises TooManyRequests: it showed too many wrong ones
        """
        if (running := self._find_running()) is not None:
            running.access.wrong.check(sender, shown)

    def note_wrong(self, sender: str, shown: str) -> None:
        """A credential was wrong: from now on, its address is nearer to being refused."""
        if (running := self._find_running()) is not None:
            self._ask(running, running.access.wrong.note_wrong(sender, shown))

    def note_good(self, shown: str) -> None:
        """A credential was right."""
        if (running := self._find_running()) is not None:
            running.loop.call_soon_threadsafe(running.access.wrong.note_good, shown)

    def begin_login(self, sender: str, name: str) -> int:
        """Count a login before its password is looked at; return 0, or how many ms to wait.

        :raises DependencyDown: Redis did not answer
        """
        running = self._find_running()
        if running is None:
            return 0
        return self._ask(running, running.access.wrong.begin_login(sender, name))

    def end_login(self, sender: str, name: str) -> None:
        """A login was right.

        :raises DependencyDown: Redis did not answer
        """
        if (running := self._find_running()) is not None:
            self._ask(running, running.access.wrong.end_login(sender, name))

    def _find_running(self) -> _Running | None:
        running = self._running
        return None if running is None or running.loop.is_closed() else running

    def _ask(self, running: _Running, question: Coroutine[Any, Any, T]) -> T:
        asked = asyncio.run_coroutine_threadsafe(question, running.loop)
        try:
            return asked.result(_WITHIN_S)
        except WaitedTooLong as late:
            asked.cancel()
            raise DependencyDown from late


link = InstanceLink()
