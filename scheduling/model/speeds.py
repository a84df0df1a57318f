"""How fast a node does its work, as this scheduler measured it (ND4)."""

import collections
import functools
import sys
from collections.abc import Iterable

import msgspec

from scheduling.model.jobs import STREAMING

_LEAST_AUDIO_MS = 1_000
# So many jobs tell what one in twenty exceeds.
LEAST_JOBS = 20
# Past what is usual by so much, a job takes long.
_MARGIN_SHARE = 1.25
_LEAST_MARGIN_MS = 50


class Speed(msgspec.Struct, frozen=True):
    """What a second of audio takes a node with these services; `at_ms` is Redis's time.

    One in twenty jobs takes more than `slow_ms` a second, 0 where too few were measured.
    """

    services: str
    rate_ms: int
    at_ms: int
    slow_ms: int = 0

    def takes_long_after(self, audio_ms: int) -> float | None:
        """Return from when on a job takes long, in ms; None where that is not known."""
        if not self.slow_ms:
            return None
        return add_margin(expect_ms(self.slow_ms, audio_ms=audio_ms))


class MedianSpeed(msgspec.Struct, frozen=True):
    """What a second of audio takes the node in the middle of all whose speed is known."""

    rate_ms: int
    nodes: int


class Work(msgspec.Struct, frozen=True):
    """What an attempt took a node, for each second of its audio."""

    services: str
    rate_ms: int


class UsualTime:
    """What only one in twenty of some spans exceeds, as `note_speed.lua` keeps it of jobs."""

    def __init__(self) -> None:
        self._slow_ms = 0.0
        self._count = 0

    def note(self, took_ms: float) -> None:
        """Take one more: a longer one moves the figure up, 19 times as far as others move it down.

        One alone never moves it past itself.
        """
        self._count += 1
        slow_ms = self._slow_ms if self._count > 1 else took_ms
        step_ms = max(0.05, 1 / self._count) * slow_ms
        if took_ms > slow_ms:
            self._slow_ms = min(slow_ms + step_ms * 0.95, took_ms)
        else:
            self._slow_ms = max(slow_ms - step_ms * 0.05, took_ms)

    @property
    def long_ms(self) -> float | None:
        """Return from when on such a span is long, None where too few are known."""
        return add_margin(self._slow_ms) if self._count >= LEAST_JOBS else None


@functools.lru_cache(maxsize=256)
def name_services(types: tuple[str, ...]) -> str:
    """Return what speeds are kept by: the service types of a job, in one order."""
    return sys.intern(",".join(sorted(each for each in types if each != STREAMING)))


def expect_ms(rate_ms: int, *, audio_ms: int) -> float:
    """Return how long an attempt takes a node that needs `rate_ms` for a second of audio."""
    return rate_ms * max(audio_ms, _LEAST_AUDIO_MS) / 1_000


def add_margin(usual_ms: float) -> float:
    """Return what is long for what usually takes so long: more than noise."""
    return max(usual_ms * _MARGIN_SHARE, usual_ms + _LEAST_MARGIN_MS)


def measure_work(services: str, *, took_ms: float, audio_ms: int) -> Work | None:
    """Return what an attempt took; audio of less than a second counts as one: part is overhead."""
    if not services or took_ms < 0:
        return None
    return Work(services, max(1, round(took_ms * 1_000 / max(audio_ms, _LEAST_AUDIO_MS))))


def find_medians(fleet: Iterable[tuple[Speed, ...]]) -> dict[str, MedianSpeed]:
    """Return by services how fast the node in the middle is, of two the faster one."""
    rates: collections.defaultdict[str, list[int]] = collections.defaultdict(list)
    for speeds in fleet:
        for speed in speeds:
            rates[speed.services].append(speed.rate_ms)
    return {
        services: MedianSpeed(rate_ms=sorted(known)[(len(known) - 1) // 2], nodes=len(known))
        for services, known in rates.items()
    }
