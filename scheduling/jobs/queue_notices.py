"""Who waits longer than a moment is told where it stands, and for how long yet (ND7)."""

import asyncio
import collections
import contextlib

import msgspec

from scheduling.jobs.outlook import Outlook
from scheduling.model import clock, errors
from scheduling.model.background import Background
from scheduling.model.delivery import Delivery
from scheduling.model.events import JobQueued
from scheduling.model.lines import Expected, name_line
from scheduling.placement.wait_queue import PlacementRequest, WaitQueue

# Who waits no longer is told nothing; and then a job is told so often at most.
_MOMENT_MS, _AGAIN_MS = 300, 1_000
# What is told again: a quarter of what was told, or a second.
_PART, _LEAST_MS = 4, 1_000


class _Waits(msgspec.Struct):
    since_ms: float
    told: Expected | None = None


class QueueNotices:
    """Looks at the whole line at once, a moment after it changed, and not while it stands still."""

    def __init__(self, *, waiting: WaitQueue, outlook: Outlook, delivery: Delivery) -> None:
        self._waiting = waiting
        self._outlook = outlook
        self._delivery = delivery
        self._background = Background()
        self._jobs: dict[str, _Waits] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._looked_at_ms = -float("inf")

    def note_joined(self, job_id: str) -> None:
        """A job waits from now on."""
        self._jobs.setdefault(job_id, _Waits(since_ms=clock.steady_ms()))
        self.look_soon()

    def look_soon(self) -> None:
        """A line changed, here or elsewhere."""
        if self._timer is None and self._jobs:
            now_ms = clock.steady_ms()
            delay_ms = max(_MOMENT_MS, self._looked_at_ms + _AGAIN_MS - now_ms)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay_ms / 1000, self._look)

    def _look(self) -> None:
        self._timer = None
        self._looked_at_ms = now_ms = clock.steady_ms()
        self._jobs = {job_id: one for job_id, one in self._jobs.items() if job_id in self._waiting}
        places: collections.Counter[str] = collections.Counter()
        told: list[JobQueued] = []
        is_early = False
        for request in self._waiting.list_all():
            kind = name_line(request.need)
            places[kind] += 1
            one = self._jobs.get(request.job_id)
            if one is None or request.assignment.is_open:
                continue
            if now_ms - one.since_ms < _MOMENT_MS:
                is_early = True
                continue
            expected = self._outlook.expect(request.need, place=places[kind])
            if one.told is None or _differs(expected, one.told):
                one.told = expected
                told.append(_tell(request, expected))
        if told:
            self._background.run(self._send(told), name="places in line")
        if is_early:
            self.look_soon()

    async def _send(self, told: list[JobQueued]) -> None:
        """Tell speakers, wherever they are; who cannot be reached hears of the end."""
        for event in told:
            if event.job_id in self._waiting:
                with contextlib.suppress(errors.DependencyDown):
                    await self._delivery.to_session(event.session_id, event)


def _tell(request: PlacementRequest, expected: Expected) -> JobQueued:
    job = request.assignment
    return JobQueued(
        session_id=job.session_id,
        job_id=job.job_id,
        utterance_index=job.utterance_index,
        trace_id=job.trace_id,
        position=expected.position,
        wait_ms=expected.wait_ms,
    )


def _differs(now: Expected, before: Expected) -> bool:
    """Say whether it is worth telling that something else is expected now."""
    if abs(now.position - before.position) * _PART >= before.position:
        return now.position != before.position
    if now.wait_ms is None or before.wait_ms is None:
        return now.wait_ms != before.wait_ms
    return abs(now.wait_ms - before.wait_ms) >= max(_LEAST_MS, before.wait_ms // _PART)
