"""Three instances and their Redis, to which faults are done; they come back by themselves."""

import asyncio
import contextlib
import random
import re
import signal
from collections import Counter
from pathlib import Path

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.chaos import plan
from tests.chaos.plan import Fault
from tests.server.launcher import Instance, Launcher
from tests.waiting import eventually

PREFIX = "chaos"
ACK_S, RUN_S, PENDING_S, DRAIN_S = 3.0, 6.0, 8.0, 4.0
_STOPPED_WITHIN_S = 20.0
_STARTED_WITHIN_S = 120.0
# What Redis's absence raises, and the end of a process that waits for it no longer.
_REDIS_IS_AWAY = re.compile(
    r"(scheduling\.errors\.DependencyDown|redis\.exceptions\.(ConnectionError|TimeoutError)"
    r"|ConnectionRefusedError|ConnectionResetError|TimeoutError|asyncio\.exceptions\.CancelledError)\b"
)
_SETTINGS = {
    "LINGUA_APPLICATION": "lingua.composition.bootstrap.build_application",
    "LINGUA_KEY_PREFIX": PREFIX,
    "LINGUA_ACK_TIMEOUT_MS": str(round(ACK_S * 1000)),
    "LINGUA_RESERVATION_MS": str(round(ACK_S * 1000) + 1000),
    "LINGUA_RUN_TIMEOUT_S": str(RUN_S),
    "LINGUA_PENDING_TIMEOUT_S": str(PENDING_S),
    "LINGUA_DRAIN_TIMEOUT_S": str(DRAIN_S),
    "LINGUA_NODE_GRACE_S": "4",
    "LINGUA_SESSION_GRACE_S": "20",
    "LINGUA_PRESENCE_INTERVAL_S": "1",
    "LINGUA_PRESENCE_TTL_S": "5",
    "LINGUA_SNAPSHOT_REFRESH_MS": "1000",
    "LINGUA_RECONCILE_INTERVAL_S": "2",
    "LINGUA_SESSION_RATE_PER_S": "100000",
    "LINGUA_SESSION_BURST": "100000",
    # All speakers of a test come from one address.
    "LINGUA_PRINCIPAL_FRAME_RATE_PER_S": "1000000",
}


class Scene:
    """What faults are done to; nothing outlives it."""

    def __init__(self, *, directory: Path, instances: int) -> None:
        self.redis = EmbeddedRedis(directory=directory / "redis", append_only=True)
        self.done: Counter[str] = Counter()
        self.tracebacks: list[str] = []
        self.exit_codes: list[int] = []
        self._launcher = Launcher(directory=directory)
        self._instances: list[Instance | None] = [None] * instances
        self._locks = [asyncio.Lock() for _ in range(instances)]
        self._redis_lock = asyncio.Lock()
        self._ended: list[Instance] = []

    async def start(self) -> None:
        """Start Redis, then all instances."""
        await asyncio.to_thread(self.redis.start)
        for position in range(len(self._instances)):
            await self._start(position)

    def pick_url(self, rng: random.Random) -> str:
        """Return where a peer tries its luck: it cannot know who sleeps."""
        alive = [instance for instance in self._instances if instance is not None]
        return rng.choice(alive).url("") if alive else "ws://127.0.0.1:1"

    @property
    def addresses(self) -> list[str]:
        return [instance.address for instance in self._instances if instance is not None]

    async def do(self, fault: Fault) -> None:
        """Do a fault to an instance or to Redis, and undo it when its time is over."""
        if fault.kind == plan.REDIS:
            async with self._redis_lock:
                await asyncio.to_thread(self.redis.kill)
                self.done[fault.kind] += 1
                await asyncio.sleep(fault.lasts_s)
                await asyncio.to_thread(self.redis.start)
            return
        (position,) = fault.targets
        async with self._locks[position]:
            instance = self._instances[position]
            if instance is None:
                return
            self.done[fault.kind] += 1
            if fault.kind == plan.PAUSE:
                instance.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(fault.lasts_s)
                instance.process.send_signal(signal.SIGCONT)
                return
            self._instances[position] = None
            await self._stop(instance, kindly=fault.kind == plan.DRAIN)
            await asyncio.sleep(fault.lasts_s)
            await self._start(position)

    def end(self) -> None:
        """Kill what is left, and look at every log."""
        self._launcher.end()
        self.redis.stop()
        for instance in [*self._ended, *(each for each in self._instances if each)]:
            self.tracebacks += list_tracebacks(instance.errors)

    async def _start(self, position: int) -> None:
        """Start an instance; it cannot while Redis is away, and is started again then."""
        variables = _SETTINGS | {"REDIS_URL": self.redis.url}

        async def starts() -> bool:
            async with self._redis_lock:
                with contextlib.suppress(AssertionError):
                    self._instances[position] = await asyncio.to_thread(
                        self._launcher.start, "--server", "uvicorn", **variables
                    )
                    return True
            return False

        await eventually(starts, "an instance does not start", within_s=_STARTED_WITHIN_S)

    async def _stop(self, instance: Instance, *, kindly: bool) -> None:
        self._ended.append(instance)
        if not kindly:
            instance.process.kill()
        else:
            instance.terminate()
        code = await asyncio.to_thread(instance.process.wait, _STOPPED_WITHIN_S)
        if kindly:
            self.exit_codes.append(code)


def list_tracebacks(log: str) -> list[str]:
    """Return what was raised and where, where the absence of Redis does not explain it."""
    found = []
    is_inside, where = False, ""
    for line in log.splitlines():
        if line.startswith("Traceback "):
            is_inside = True
        elif is_inside and line.startswith("  File "):
            where = line.strip()
        elif is_inside and line and not line.startswith(" "):
            is_inside = False
            if not _REDIS_IS_AWAY.match(line):
                found.append(f"{line} ({where})")
    return found
