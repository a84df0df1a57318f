"""Virtual time: an event loop that never waits; when nothing is left to do now, later is now."""

import asyncio
import contextlib
import selectors
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar
from unittest import mock

from scheduling.model import clock

T = TypeVar("T")
START_MS = 1_800_000_000_000


class NothingLeftToDo(RuntimeError):
    """Everybody waits for somebody else: the simulation would never end."""


class _Skipper(selectors.SelectSelector):
    """Takes every wait for over at once, and adds it to the clock."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise NothingLeftToDo
        self.now_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual time; sockets and other processes never wake it."""

    def __init__(self) -> None:
        self._skipper = _Skipper()
        super().__init__(self._skipper)

    def time(self) -> float:
        return self._skipper.now_s


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in virtual time and return what it returns; the core's clocks show it too.

    :raises NothingLeftToDo: `main` waits for what can never happen
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner, _clocks_of(runner.get_loop()):
        return runner.run(main)


def now_ms() -> int:
    """Return the virtual moment, in milliseconds since the Unix epoch."""
    return START_MS + int(asyncio.get_running_loop().time() * 1000 + 1e-6)


@contextlib.contextmanager
def _clocks_of(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let the core read its clocks from the loop: they are asked for by name each time."""
    with mock.patch.multiple(
        clock,
        now_ms=lambda: START_MS + int(loop.time() * 1000 + 1e-6),
        steady_ms=lambda: loop.time() * 1000,
    ):
        yield
