"""What a program may tell a node besides its handler: how it warms up, and how busy it is."""

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from lingua_node import clock, machine, mistakes
from lingua_node.messages import ResourceUsage

logger = logging.getLogger(__name__)

_WHOLE = 100.0


class PrewarmHook:
    """Decorates a function, `async def` or `def`, that is called once, before the node connects.

    Models are loaded there: no speaker waits for them, and what fails ends the program at once.
    """

    def __init__(self) -> None:
        self._hook: Callable[[], Any] | None = None

    def __call__(self, hook: Callable[[], Any]) -> Callable[[], Any]:
        """Call this one.

        :raises NodeMistake: it cannot be called, or there is one already
        """
        _check(hook, "prewarm", is_second=self._hook is not None)
        self._hook = hook
        return hook

    async def run(self) -> None:
        """Call it, the first time alone; a `def` runs in a thread."""
        hook, self._hook = self._hook, None
        if hook is None:
            return
        started_s = clock.monotonic_s()
        if inspect.iscoroutinefunction(hook):
            await hook()
        else:
            await asyncio.to_thread(hook)
        logger.info("warmed up in %.1f s", clock.monotonic_s() - started_s)


class LoadHook:
    """Decorates a function that says how busy the node is, from 0 to 1.

    It takes the place of the processor's figure: above 0.85 a scheduler gives no job, by default.
    """

    def __init__(self, usage: machine.UsageReader | None) -> None:
        self._usage: Callable[[int], Any] = usage or machine.UsageGauge().read
        self._hook: Callable[[], Any] | None = None

    def __call__(self, hook: Callable[[], Any]) -> Callable[[], Any]:
        """Ask this one.

        :raises NodeMistake: it cannot be called, or there is one already
        """
        _check(hook, "load", is_second=self._hook is not None)
        self._hook = hook
        return hook

    async def read(self, running_jobs: int) -> ResourceUsage:
        """Return the figures of the machine, the program's own in their place.

        :raises ValueError: it returned no number from 0 to 1
        """
        told = self._usage(running_jobs)
        usage: ResourceUsage = await told if inspect.isawaitable(told) else told
        if self._hook is None:
            return usage
        share = self._hook()
        share = await share if inspect.isawaitable(share) else share
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise ValueError(f"@node.load returns a number from 0 to 1, not {share!r:.80}")
        gpu = None if usage.gpu_percent is None else share * _WHOLE
        return msgspec.structs.replace(usage, cpu_percent=share * _WHOLE, gpu_percent=gpu)


def _check(hook: object, name: str, *, is_second: bool) -> None:
    if not callable(hook):
        raise mistakes.NodeMistake(
            f"@node.{name} decorates a function without arguments: write @node.{name} "
            "without parentheses"
        )
    required = [
        each
        for each in inspect.signature(hook).parameters.values()
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    if required:
        raise mistakes.NodeMistake(
            f"the function of @node.{name} is called without arguments, and wants {required[0]}"
        )
    if is_second:
        raise mistakes.NodeMistake(f"a node has one function with @node.{name}")
