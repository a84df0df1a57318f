"""Calls a handler, be it `async def` or `def`; the latter in a thread, so that the loop goes on."""

import asyncio
import contextlib
import contextvars
import inspect
import threading
from collections.abc import Callable
from typing import cast

from lingua_node import results
from lingua_node.jobs import AsyncHandler, Handler, Job, Result


def as_async(handler: Handler) -> AsyncHandler:
    """Return a handler that can be awaited and does the same."""
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004 - asked for what it is, not whether it is
    ):
        return cast("AsyncHandler", handler)

    async def handle(job: Job) -> Result:
        outcome = await _run_in_thread(lambda: handler(job))
        # A `lambda` or a partial may hide an `async def`.
        return await outcome if inspect.isawaitable(outcome) else cast("Result", outcome)

    return handle


async def _run_in_thread(work: Callable[[], object]) -> object:
    """Run it in a thread that nobody waits for when the program ends."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[object] = loop.create_future()
    context = contextvars.copy_context()

    def settle(outcome: object, error: Exception | None) -> None:
        if done.done():
            return  # the job was cancelled: nobody waits any more
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(outcome)

    def run() -> None:
        outcome: object = None
        error: Exception | None = None
        try:
            outcome = context.run(work)
        except StopIteration as stop:
            error = RuntimeError(f"the handler raised StopIteration: {stop}")
        except BaseException as raised:  # noqa: BLE001 - whatever it is, the job hears of it
            error = raised if isinstance(raised, Exception) else _make_exception(raised)
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
            loop.call_soon_threadsafe(settle, outcome, error)

    threading.Thread(target=run, name="handler", daemon=True).start()
    return await done


def _make_exception(error: BaseException) -> Exception:
    """Return what ends a thread as what ends a job, with the place where it was raised."""
    return RuntimeError(results.describe(error)).with_traceback(error.__traceback__)
