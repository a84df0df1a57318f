"""SIGTERM and SIGINT: the first drains, the second does not wait."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def run_until_drained(
    serving: Coroutine[None, None, None], *, drain: Callable[[], None]
) -> None:
    """Run `serving`; call `drain` at the first signal and cancel at the second."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(serving)
    received: list[int] = []

    def on_signal(number: int) -> None:
        if received:
            task.cancel()
        else:
            drain()
        received.append(number)

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
