"""Background loops: repeated, restarted, ended."""

import asyncio
import logging

import pytest

from lingua.serving.supervisor import Supervisor

_DEADLINE_S = 60


class CountingLoop:
    """Fails on chosen passes and tells when it has made enough of them."""

    def __init__(
        self, name: str, *, failing: frozenset[int] = frozenset(), enough: int = 3
    ) -> None:
        self.name = name
        self.interval_s = 0.001
        self.passes = 0
        self.cancelled = False
        self.done = asyncio.Event()
        self._failing = failing
        self._enough = enough

    async def run_once(self) -> int:
        self.passes += 1
        if self.passes in self._failing:
            raise ConnectionError("Redis is away")
        if self.passes >= self._enough:
            self.done.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled = True
        return 1


async def test_a_failing_loop_is_logged_and_runs_again(caplog: pytest.LogCaptureFixture) -> None:
    failing = CountingLoop("presence", failing=frozenset({1, 2}))
    steady = CountingLoop("timers")
    supervisor = Supervisor(loops=[failing, steady])

    with caplog.at_level(logging.ERROR, logger="lingua.serving.supervisor"):
        supervisor.start()
        async with asyncio.timeout(_DEADLINE_S):
            await asyncio.gather(failing.done.wait(), steady.done.wait())
        await supervisor.stop()

    assert failing.passes == 3
    assert steady.passes == 3
    assert [vars(record)["loop"] for record in caplog.records] == ["presence", "presence"]
    assert all(record.exc_info for record in caplog.records)


async def test_stop_waits_until_every_loop_has_ended() -> None:
    loops = [CountingLoop(name, enough=1) for name in ("inbox", "leader")]
    supervisor = Supervisor(loops=loops)
    supervisor.start()
    for loop in loops:
        await asyncio.wait_for(loop.done.wait(), _DEADLINE_S)

    await supervisor.stop()
    await supervisor.stop()

    assert [loop.cancelled for loop in loops] == [True, True]


async def test_two_loops_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match="inbox"):
        Supervisor(loops=[CountingLoop("inbox"), CountingLoop("inbox")])
