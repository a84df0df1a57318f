"""How quiet the machine was: what others used of its cores before a run and while it lasted."""

import dataclasses
import os
import resource
import time
from collections.abc import Mapping
from pathlib import Path

# A kernel and what watches a machine use some hundredths of it.
QUIET_BELOW = 0.05
_LOOKS_FOR_S = 2.0
_STAT = Path("/proc/stat")
# user, nice, system and steal: what interrupts take is caused by ours as well.
_BUSY_FIELDS = (1, 2, 3, 8)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moment:
    """Seconds of a core until now: of everybody on this machine, and of this run's processes."""

    at_s: float
    everybody_s: float
    ours_s: float


def look() -> Moment:
    """Return how much was used until now; of processes of ours, those that have ended."""
    ours = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Moment(
        at_s=time.perf_counter(),
        everybody_s=read_busy_s(_STAT.read_text(), ticks_per_s=os.sysconf("SC_CLK_TCK")),
        ours_s=sum(used.ru_utime + used.ru_stime for used in ours),
    )


def read_busy_s(stat: str, *, ticks_per_s: int) -> float:
    """Return the seconds that all cores worked, or were taken away, by the first line of a stat."""
    fields = stat.splitlines()[0].split()
    return sum(int(fields[place]) for place in _BUSY_FIELDS) / ticks_per_s


def measure_before() -> float:
    """Return which share of the cores others use now, before anything of ours is started."""
    before = look()
    time.sleep(_LOOKS_FOR_S)
    return share_of_others(before, look())


def share_of_others(before: Moment, after: Moment, *, cores: int | None = None) -> float:
    """Return which share of all cores others used between two moments.

    What ours used is known once they have ended: take `after` then.
    """
    others_s = (after.everybody_s - before.everybody_s) - (after.ours_s - before.ours_s)
    whole_s = (after.at_s - before.at_s) * (cores or os.cpu_count() or 1)
    return max(others_s / whole_s, 0.0)


def describe(others: Mapping[str, float]) -> str:
    """Return the sentence about a run; `others` has their share `before` it and `during` it."""
    before, during = others["before"], others["during"]
    if max(before, during) < QUIET_BELOW:
        return f"The machine was quiet: others used {during:.0%} of its cores."
    return (
        f"**The machine was not quiet: others used {during:.0%} of its cores** "
        f"({before:.0%} before the start)."
    )
