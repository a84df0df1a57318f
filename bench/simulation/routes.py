"""The ways to Redis in a simulation: the model, the real scripts, or both and compared."""

import asyncio
import collections
import hashlib
import zlib
from collections.abc import Sequence
from typing import Any, Protocol

import redis
import redis.asyncio

from bench.simulation import virtual_time
from bench.simulation.redis_model import RedisModel
from lua import scripts
from scheduling.model.metrics import Metrics
from scheduling.store.redis.connection import Connection
from scheduling.store.redis.routes import Command

SCRIPT_NAMES: dict[Any, str] = {
    hashlib.sha1(scripts.load_source(name).encode(), usedforsecurity=False).hexdigest(): name
    for name in scripts.list_names()
}

# A test clock is a script's last argument, but where any number of arguments follows it.
_CLOCKS = {"create_job": 6}


class Executor(Protocol):
    """Carries commands out at one moment."""

    def run(self, commands: Sequence[Command], now: int) -> list[Any]:
        """Return the replies in order, as redis-py returns them; `now` is in ms."""


class Differs(AssertionError):
    """The model and the real scripts answered one command differently."""


class ModelExecutor:
    """The model alone."""

    def __init__(self) -> None:
        self.model = RedisModel()

    def run(self, commands: Sequence[Command], now: int) -> list[Any]:
        model = self.model
        replies = []
        for command in commands:
            if command[0] == "EVALSHA":
                first = 3 + int(command[2])
                keys: Any = command[3:first]
                script = SCRIPT_NAMES[command[1]]
                replies.append(model.run_script(script, keys, command[first:], now))
            else:
                replies.append(model.execute(*map(str, command[:1]), *command[1:]))
        return replies


class RealExecutor:
    """The real scripts on a real Redis, told the virtual moment as a test's clock."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, decode_responses=True)
        for name in scripts.list_names():
            self._client.script_load(scripts.load_source(name))

    def run(self, commands: Sequence[Command], now: int) -> list[Any]:
        pipeline: Any = self._client.pipeline(transaction=False)  # redis-py left it without types
        for command in commands:
            pipeline.execute_command(*_tell_time(command, now))
        replies: list[Any] = pipeline.execute()
        return replies

    def close(self) -> None:
        self._client.close()


class ComparedExecutor:
    """Both: the real replies count, and any difference ends the simulation."""

    def __init__(self, url: str) -> None:
        self._model = ModelExecutor()
        self._real = RealExecutor(url)
        self.compared: collections.Counter[str] = collections.Counter()

    def run(self, commands: Sequence[Command], now: int) -> list[Any]:
        """Return what both say.

        :raises Differs: they do not say the same
        """
        real = self._real.run(commands, now)
        modelled = self._model.run(commands, now)
        for command, ours, theirs in zip(commands, modelled, real, strict=True):
            name = name_command(command)
            if ours != theirs:
                raise Differs(f"{name} {command[2:]}: the model says {ours}, Redis says {theirs}")
            self.compared[name] += 1
        return real

    def close(self) -> None:
        self._real.close()


class Masters:
    """The masters of the simulated Redis: each does one command after the other."""

    def __init__(self, executor: Executor, *, count: int, command_us: float) -> None:
        self.executor = executor
        self.count = count
        self.commands: collections.Counter[str] = collections.Counter()
        self.busy_s = [0.0] * count
        self.fault: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._command_s = command_us / 1e6
        self._free_at = [0.0] * count

    def run(self, commands: Sequence[Command]) -> tuple[list[Any], float]:
        """Carry commands out now; return the replies and the moment the last was done (loop s)."""
        now_s = asyncio.get_running_loop().time()
        done_at = now_s
        for command in commands:
            self.commands[name_command(command)] += 1
            master = self.find_owner(command)
            begun_at = max(self._free_at[master], now_s)
            self._free_at[master] = begun_at + self._command_s
            self.busy_s[master] += self._command_s
            done_at = max(done_at, self._free_at[master])
        return self.executor.run(commands, virtual_time.now_ms()), done_at

    def note_fault(self, fault: Exception) -> None:
        """The simulation itself is wrong: whoever waits for `fault` learns of it."""
        if not self.fault.done():
            self.fault.set_exception(fault)

    def find_owner(self, command: Command) -> int:
        """Return which master owns a command's key."""
        if self.count == 1:
            return 0
        key = str(command[3] if command[0] == "EVALSHA" else command[1])
        tag = key.partition("{")[2].partition("}")[0]
        return zlib.crc32(tag.encode()) % self.count


class VirtualRoute:
    """A route of the store that takes virtual time: there, Redis's own work, and back."""

    def __init__(self, masters: Masters, *, network_s: float) -> None:
        self.most_under_way = 2
        self.replies = 0
        self._masters = masters
        self._network_s = network_s

    def find_master(self, command: Command) -> str:
        """Return the number of the master that owns a command's key."""
        return str(self._masters.find_owner(command))

    def look_for_another(self, master: str) -> None:
        """No simulated master falls silent."""

    async def probe(self, master: str) -> None:
        """Each answers."""

    async def close(self) -> None:
        """Nothing goes on by itself."""

    def begin(self, commands: Sequence[Command], *, master: str) -> None:
        """Return None: all that takes time is in `run`."""

    async def open(self) -> None:
        """Nothing to do."""

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        await asyncio.sleep(self._network_s)
        try:
            replies, done_at = self._masters.run(commands)
        except Exception as fault:
            self._masters.note_fault(fault)
            raise
        self.replies += len(replies)
        waited_s = done_at - asyncio.get_running_loop().time()
        await asyncio.sleep(max(waited_s, 0.0) + self._network_s)
        return replies


class VirtualConnection(Connection):
    """The store's own connection, over a virtual route."""

    def __init__(self, route: VirtualRoute) -> None:
        super().__init__(redis.asyncio.Redis(), metrics=Metrics())
        self._route = route


def _tell_time(command: Command, now: int) -> Command:
    """Return a script's call with its test clock set; it is empty where Redis's own counts."""
    if command[0] != "EVALSHA":
        return command
    first = 3 + int(command[2])
    place = first + _CLOCKS[SCRIPT_NAMES[command[1]]] if _is_apart(command) else len(command) - 1
    if command[place] != "":
        return command
    return (*command[:place], now, *command[place + 1 :])


def _is_apart(command: Command) -> bool:
    return SCRIPT_NAMES[command[1]] in _CLOCKS


def name_command(command: Command) -> str:
    """Return the name of a command's script, or its own."""
    if command[0] == "EVALSHA":
        return SCRIPT_NAMES[command[1]]
    return str(command[0])
