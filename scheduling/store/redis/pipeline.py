"""Commands on their way to one Redis, or to one master of a cluster, batched."""

import asyncio
import functools
import logging
import re
from collections.abc import Callable
from typing import Any

import msgspec
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)

from scheduling.model import clock, errors
from scheduling.model.metrics import Metrics
from scheduling.store.redis.refusals import Refusals
from scheduling.store.redis.reply_timeout import ReplyTimeout
from scheduling.store.redis.routes import Command, RedisRoute
from scheduling.store.redis.script_cache import ScriptCache
from scheduling.store.redis.words import tell_of

logger = logging.getLogger(__name__)

_PROBE_EVERY_S = 0.05
_COMPANY_WITHIN_S = 0.02
_SILENT = "Redis does not answer: no reply in time"
LOST = (RedisError, RedisClusterException, OSError, asyncio.TimeoutError)
# Who carries a command out has changed, or changes now.
_ELSEWHERE = (AskError, ClusterDownError, TryAgainError)
_ONCE_MORE = (NoScriptError, *_ELSEWHERE)
_PASSING_ERRORS = (
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
_PASSING_WORDS = re.compile(
    r"\b(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|READONLY|OOM|MISCONF|NOREPLICAS|NOPERM) "
)


class Issued(msgspec.Struct, gc=False, eq=False):
    """A command on its way, who waits for it, and how its reply is read; `op` is what it does."""

    op: str
    command: Command
    future: "asyncio.Future[Any]"
    read: Callable[[Any], Any]
    urgent: bool = False
    patient: bool = False


class CommandPipeline:
    """Sends commands in the order they came, together where they came together.

    A few pipelines are under way at a time, so that Redis works while we do; then the next fills
    up. Once a pipeline was lost, or no reply came for half a second, commands are refused at once
    until Redis answers again. Urgent ones are refused as soon as replies are overdue. Patient ones
    wait up to 20 ms for others to leave with: alone each would cost two system calls and a wake-up
    of Redis, most of what a heartbeat costs.

    `on_turn` is called when `is_down` may have changed.
    """

    def __init__(
        self,
        name: str,
        *,
        route: RedisRoute,
        scripts: ScriptCache,
        metrics: Metrics,
        overdue_s: float,
        stalled_s: float,
        on_turn: Callable[[], None],
    ) -> None:
        self.is_down = False
        self._name = name
        self._route = route
        self._scripts = scripts
        self._metrics = metrics
        self._on_turn = on_turn
        self._waiting: list[Issued] = []
        self._under_way: list[list[Issued]] = []
        self._ended = asyncio.Event()
        self._senders: set[asyncio.Task[None]] = set()
        self._is_due = False
        self._patience: asyncio.TimerHandle | None = None
        self._probe: asyncio.Task[None] | None = None
        self._stalled = False
        # Why nothing is answered, and what is refused.
        self._lost = ""
        self._refusals = Refusals(name)
        self._answered = 0
        self._reply_timeout = ReplyTimeout(
            overdue_s=overdue_s,
            stalled_s=stalled_s,
            count_replies=lambda: self._answered + self._route.replies,
            count_under_way=lambda: sum(len(batch) for batch in self._under_way),
            count_bytes=lambda: sum(map(_count_bytes, self._under_way)),
            on_overdue=self._note_overdue,
            on_stall=self._note_stall,
        )
        self._back = asyncio.Event()
        self._back.set()

    @property
    def trouble(self) -> str:
        """That Redis is lost, or refuses, in its words; else ``""``."""
        return self._lost or self._refusals.words or (_SILENT if self.is_down else "")

    @property
    def is_busy(self) -> bool:
        """Say whether commands wait, or are under way."""
        return bool(self._waiting or self._under_way)

    def put(self, issued: Issued, loop: asyncio.AbstractEventLoop) -> None:
        """Send a command with those of this turn of the event loop, or refuse it at once."""
        is_late = issued.urgent and self._reply_timeout.is_overdue
        if is_late or self._stalled or self._probe is not None:
            fail(issued.future, errors.DependencyDown())
            return
        self._waiting.append(issued)
        if self._is_due or len(self._under_way) >= self._route.most_under_way:
            return
        if not issued.patient:
            self._is_due = True
            loop.call_soon(self._send_waiting)
        elif self._patience is None:
            self._patience = loop.call_later(_COMPANY_WITHIN_S, self._send_waiting)

    async def close(self) -> None:
        """Wait for what was issued."""
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)
        while self.is_busy:
            self._ended.clear()
            await self._ended.wait()

    async def wait_until_up(self) -> None:
        """Return once Redis answers, which may be now."""
        await self._back.wait()

    def _send_waiting(self) -> None:
        """Send what waits; who sends it sees to what waits then."""
        self._is_due = False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if not self._waiting or len(self._under_way) >= self._route.most_under_way:
            return
        batch, self._waiting = self._waiting, []
        self._under_way.append(batch)
        self._reply_timeout.begin(asyncio.get_running_loop())
        begun_ms = clock.steady_ms()
        # Without a task, which would cost a seventh of the whole round trip's CPU.
        begun = self._route.begin([issued.command for issued in batch], master=self._name)
        if begun is None:
            self._send_and_wait(batch, begun_ms)
        else:
            begun.add_done_callback(functools.partial(self._take, batch, begun_ms))

    def _take(
        self, batch: list[Issued], begun_ms: float, begun: "asyncio.Future[list[Any]]"
    ) -> None:
        """Take replies; what was lost, or not understood, is sent once more by who can wait."""
        replies = None if begun.exception() else begun.result()
        if replies is None or any(isinstance(reply, _ONCE_MORE) for reply in replies):
            self._send_and_wait(batch, begun_ms, replies)
        else:
            self._end(batch, replies, begun_ms=begun_ms)

    def _send_and_wait(
        self, batch: list[Issued], begun_ms: float, replies: list[Any] | None = None
    ) -> None:
        sending = self._send(batch, begun_ms, replies)
        sender = asyncio.create_task(sending, name="redis pipeline")
        self._senders.add(sender)
        sender.add_done_callback(self._senders.discard)

    async def _send(self, batch: list[Issued], begun_ms: float, replies: list[Any] | None) -> None:
        is_down = False
        try:
            if replies is None:
                replies = await self._route.run([issued.command for issued in batch])
            else:
                await self._send_again(batch, replies, after=_ELSEWHERE, spell=lambda words: words)
            spell = self._scripts.spell_out
            await self._send_again(batch, replies, after=(NoScriptError,), spell=spell)
        except LOST as lost:
            replies = [lost] * len(batch)
            is_down = True
            self._note_loss(lost)
        except Exception as fault:
            # Whoever waits for these commands must not wait for ever.
            logger.exception("a pipeline failed")
            replies = [fault] * len(batch)
        self._end(batch, replies, begun_ms=begun_ms, is_down=is_down)

    async def _send_again(
        self,
        batch: list[Issued],
        replies: list[Any],
        *,
        after: tuple[type[Exception], ...],
        spell: Callable[[Command], Command],
    ) -> None:
        """Send those commands once more whose replies are such errors, and put the new in place."""
        places = [at for at, reply in enumerate(replies) if isinstance(reply, after)]
        if not places:
            return
        again = await self._route.run([spell(batch[at].command) for at in places])
        for at, reply in zip(places, again, strict=True):
            replies[at] = reply

    def _end(
        self, batch: list[Issued], replies: list[Any], *, begun_ms: float, is_down: bool = False
    ) -> None:
        """Answer whoever waits, and send what waits by now."""
        self._note(clock.steady_ms() - begun_ms, is_down=is_down)
        for issued, reply in zip(batch, replies, strict=True):
            if isinstance(reply, BaseException):
                self._metrics.count("phase2_redis_op_total", issued.op, "err")
                named = name_error(reply)
                if isinstance(named, errors.DependencyDown) and not is_down:
                    self._refusals.note(issued.op, reply)
                fail(issued.future, named)
                continue
            self._metrics.count("phase2_redis_op_total", issued.op, "ok")
            self._refusals.note_done(issued.op)
            if not issued.future.done():
                _answer(issued, reply)
        self._under_way.remove(batch)
        self._ended.set()
        self._answered += len(batch)
        if self._stalled and self._probe is None:
            self._stalled = False
            self._lost = ""
            self._back.set()
        self._send_waiting()

    def _note(self, took_ms: float, *, is_down: bool) -> None:
        """Count a round trip, and whether Redis answers."""
        metrics = self._metrics
        metrics.observe("redis_op_duration_seconds", took_ms / 1000, "pipeline")
        self._turn(is_down=is_down)
        if took_ms > metrics.wait_warn_ms:
            metrics.count("slow_lock_wait_total", "redis_pipeline")

    def _turn(self, *, is_down: bool) -> None:
        self.is_down = is_down
        self._on_turn()

    def _note_overdue(self) -> None:
        """No reply for a while: whoever brings new work learns so now."""
        self._turn(is_down=True)
        for batch in (*self._under_way, self._waiting):
            for issued in batch:
                if issued.urgent:
                    fail(issued.future, errors.DependencyDown())
        if self._stalled:
            self._route.look_for_another(self._name)

    def _note_stall(self) -> None:
        """A pipeline has no reply for long: what waits behind it is refused, as is what comes."""
        logger.warning("Redis is slow to answer; new work is refused until it does")
        self._stalled = True
        self._lost = _SILENT
        self._back.clear()
        self._refuse_waiting()

    def _note_loss(self, lost: BaseException) -> None:
        """Redis is gone: ask for it until it answers."""
        told = tell_of(lost)
        if told != self._lost:
            logger.warning("%s", told, extra={"redis": self._name})
        self._lost = told
        self._back.clear()
        self._refuse_waiting()
        if self._probe is None:
            self._probe = asyncio.get_running_loop().create_task(self._ask(), name="redis probe")

    def _refuse_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for issued in waiting:
            fail(issued.future, errors.DependencyDown())

    async def _ask(self) -> None:
        """Return when Redis answers, or loads no more."""
        while True:
            await asyncio.sleep(_PROBE_EVERY_S)
            try:
                await self._ask_once()
            except LOST as lost:
                self._lost = tell_of(lost)
            else:
                break
        logger.info("Redis answers again")
        self._probe = None
        self._stalled = False
        self._lost = ""
        self._turn(is_down=False)
        self._back.set()

    async def _ask_once(self) -> None:
        """Ask a master; until it answers, its neighbours are asked whether it is one still."""
        asking = asyncio.create_task(self._route.probe(self._name), name="redis ping")
        try:
            while not asking.done():
                self._route.look_for_another(self._name)
                await asyncio.wait([asking], timeout=_PROBE_EVERY_S)
            await asking
        finally:
            asking.cancel()
            await asyncio.wait([asking])


def fail(future: "asyncio.Future[Any]", error: BaseException) -> None:
    """Fail a future that waits for Redis.

    Commands of one batch are lost together: who awaits one of them need not ask the others.
    """
    if not future.done():
        future.set_exception(error)
        if isinstance(error, errors.DependencyDown):
            future.exception()


def _answer(issued: Issued, reply: Any) -> None:
    try:
        issued.future.set_result(issued.read(reply))
    except Exception as fault:  # noqa: BLE001 - its caller's alone: the others' replies follow
        issued.future.set_exception(fault)


def name_error(error: BaseException) -> BaseException:
    """Return a caller's bug as it is; what Redis cannot do for now is that it is down."""
    if isinstance(error, ResponseError) and not _is_passing(error):
        return error
    down = errors.DependencyDown()
    down.__cause__ = error
    return down


def _is_passing(error: ResponseError) -> bool:
    """Say whether a refused command is the server's passing state, not a caller's bug.

    redis-py turns the first word of some replies into a class and drops it; a script's own
    commands are answered within the script's error, which keeps the word.
    """
    return isinstance(error, _PASSING_ERRORS) or _PASSING_WORDS.search(str(error)) is not None


def _count_bytes(batch: list[Issued]) -> int:
    """Return about how much a batch has to carry; numbers count nothing."""
    return sum(
        len(part) for issued in batch for part in issued.command if isinstance(part, str | bytes)
    )
