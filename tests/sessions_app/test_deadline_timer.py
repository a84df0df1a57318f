"""The timer of a session: put off again and again, it rings once."""

import asyncio

import pytest

from scheduling.model import clock
from sessions_app.deadline_timer import DeadlineTimer
from tests.waiting import eventually

_LONG_MS = 60_000


class _Bell:
    def __init__(self) -> None:
        self.rung_at_ms: list[int] = []
        self.timer = DeadlineTimer(self._ring)

    async def _ring(self) -> None:
        self.rung_at_ms.append(clock.now_ms())


@pytest.mark.req("J17")
async def test_a_timer_that_is_put_off_rings_once_and_not_before() -> None:
    bell = _Bell()
    due_at_ms = 0
    for later_ms in (10, 30, 50):
        due_at_ms = clock.now_ms() + later_ms
        bell.timer.set_for(due_at_ms)
    await eventually(lambda: bool(bell.rung_at_ms))
    await asyncio.sleep(0)
    assert len(bell.rung_at_ms) == 1
    assert bell.rung_at_ms[0] >= due_at_ms


@pytest.mark.req("J17")
async def test_a_timer_that_is_brought_forward_rings_then() -> None:
    bell = _Bell()
    bell.timer.set_for(clock.now_ms() + _LONG_MS)
    bell.timer.set_for(clock.now_ms() + 5)
    await eventually(lambda: bool(bell.rung_at_ms))


@pytest.mark.req("J17")
async def test_a_timer_that_rang_can_be_set_again() -> None:
    bell = _Bell()
    for rings in (1, 2):
        bell.timer.set_for(clock.now_ms() + 5)
        await eventually(lambda rings=rings: len(bell.rung_at_ms) == rings)
