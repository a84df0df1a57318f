"""How busy the machine is, as heartbeats say it; a reader that fails costs no connection."""

import inspect
import logging
import math
from collections.abc import Callable
from typing import Any

import msgspec

from lingua_node import clock, machine, results
from lingua_node.messages import ResourceUsage
from lingua_node.mistakes import NodeMistake

logger = logging.getLogger(__name__)

# Above it a scheduler gives no work, by default: to a node that tells none of a GPU, by these.
BUSY_PERCENT = 85
_TOLD_EVERY_S = 60.0
_FIGURES = ("cpu_percent", "mem_percent", "gpu_percent", "gpu_mem_percent")


class Load:
    """Asks for the figures, and tells the node's author what they will mean."""

    def __init__(self, read: Callable[[int], Any] | None = None) -> None:
        self.is_too_busy = False  # for work, though nothing of ours runs
        self._read = read or machine.UsageGauge().read
        self._last: ResourceUsage | None = None
        self._told_at_s = -math.inf

    async def read(self, running_jobs: int) -> ResourceUsage:
        """Return the figures now, or the last ones where they cannot be had.

        :raises NodeMistake: they could not be had the first time either
        """
        try:
            usage = _check(await self._ask(running_jobs), running_jobs)
        except Exception as error:  # whatever it is, the node lives on without it
            if self._last is None:
                raise NodeMistake(
                    "usage is an async function of the number of running jobs that returns "
                    "ResourceUsage(cpu_percent=…, mem_percent=…, running_jobs=…): "
                    f"{results.describe(error)}"
                ) from error
            self._tell("the load could not be read, the last one is told: %s", error)
            usage = msgspec.structs.replace(self._last, running_jobs=running_jobs)
        self._last = usage
        self._judge(usage)
        return usage

    async def _ask(self, running_jobs: int) -> object:
        told = self._read(running_jobs)
        return await told if inspect.isawaitable(told) else told

    def _judge(self, usage: ResourceUsage) -> None:
        busiest, percent = find_busiest(usage)
        self.is_too_busy = percent > BUSY_PERCENT and not usage.running_jobs
        if self.is_too_busy:
            self._tell(
                "%s of this machine is at %.0f %%, and nothing of this node runs: above "
                "LINGUA_RESOURCE_THRESHOLD_PERCENT, by default %d %%, a scheduler gives no job",
                busiest,
                percent,
                BUSY_PERCENT,
            )

    def _tell(self, text: str, *values: object) -> None:
        if clock.monotonic_s() - self._told_at_s >= _TOLD_EVERY_S:
            self._told_at_s = clock.monotonic_s()
            logger.warning(text, *values)


def find_busiest(usage: ResourceUsage) -> tuple[str, float]:
    """Return which figure a scheduler looks at, and what it says, in percent."""
    if usage.gpu_percent is not None:
        return "GPU", usage.gpu_percent
    shown = {"CPU": usage.cpu_percent, "memory": usage.mem_percent}
    busiest = max(shown, key=lambda name: shown[name])
    return busiest, shown[busiest]


def _check(usage: Any, running_jobs: int) -> ResourceUsage:
    if not isinstance(usage, ResourceUsage):
        raise TypeError(f"it returned {type(usage).__name__}")
    for name in _FIGURES:
        figure = getattr(usage, name)
        if figure is None and name.startswith("gpu"):
            continue
        if not 0 <= float(figure) <= 100:  # noqa: PLR2004 - percent
            raise ValueError(f"{name} is a number from 0 to 100, not {figure!r:.80}")
    return msgspec.structs.replace(
        usage,
        running_jobs=running_jobs if type(usage.running_jobs) is not int else usage.running_jobs,
        **{
            name: float(figure) for name in _FIGURES if (figure := getattr(usage, name)) is not None
        },
    )
