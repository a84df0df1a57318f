"""SIGTERM and SIGINT: the first drains, the second does not wait."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator

# Windows has the third, for Ctrl-Break and for a console that is closed.
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name)
)


async def run_until_drained(
    serving: Coroutine[None, None, None], *, drain: Callable[[], None]
) -> None:
    """Run `serving`; call `drain` at the first signal and cancel at the second.

    Outside the main thread no signal arrives, and none is listened for.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(serving)
    received: list[int] = []

    def on_signal(number: int) -> None:
        if received:
            task.cancel()
        else:
            drain()
        received.append(number)

    with _listening(loop, on_signal), contextlib.suppress(asyncio.CancelledError):
        await task


@contextlib.contextmanager
def _listening(loop: asyncio.AbstractEventLoop, on_signal: Callable[[int], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        for number in _SIGNALS:
            loop.add_signal_handler(number, on_signal, number)
    except NotImplementedError:
        with _listening_without_loop(loop, on_signal):
            yield
        return
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _listening_without_loop(
    loop: asyncio.AbstractEventLoop, on_signal: Callable[[int], None]
) -> Iterator[None]:
    """The same on Windows, whose loops take no signal handlers: the loop is told from outside."""

    def tell(number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(on_signal, number)

    before = {number: signal.signal(number, tell) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None where it was not Python that had set it: that cannot be set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
