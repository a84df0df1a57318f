"""The way to Redis: commands issued in one turn of the event loop leave as one pipeline."""

import asyncio
import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import msgspec
import redis.asyncio
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)

from channels_streams.cluster import ClusterClient
from lua import scripts
from scheduling import clock, errors
from scheduling.journal import Journal
from scheduling.store.patience import Patience
from scheduling.store.pipes import Argument, Command, open_pipe

logger = logging.getLogger(__name__)

T = TypeVar("T")
_RETRY_AFTER_S = 0.05
_PROBE = ("PING",)
_PROBE_EVERY_S = 0.05
_PATIENCE_S = 0.5
_LOST = (RedisError, RedisClusterException, OSError, asyncio.TimeoutError)
_PASSING_ERRORS = (
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
_PASSING_WORDS = re.compile(
    r"\b(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|READONLY|OOM|MISCONF|NOREPLICAS) "
)


class _Issued(msgspec.Struct, gc=False):
    """A command on its way, who waits for it, and how its reply is read."""

    command: Command
    future: "asyncio.Future[Any]"
    read: Callable[[Any], Any]
    urgent: bool


def _as_it_is(reply: Any) -> Any:
    return reply


def open_client(
    *, url: str, cluster_urls: Sequence[str], timeout_s: float, connect_timeout_s: float
) -> "redis.asyncio.Redis | ClusterClient":
    """Return a client of one Redis, or of the cluster whose masters are named; nothing is sent yet.

    A command is sent a second time when its reply was lost, then given up.
    """
    retry = Retry(ConstantBackoff(_RETRY_AFTER_S), 1)
    if cluster_urls:
        addresses = (address.rpartition("//")[2].rpartition(":") for address in cluster_urls)
        return ClusterClient(
            startup_nodes=[ClusterNode(host, int(port)) for host, _, port in addresses],
            decode_responses=True,
            retry=retry,
            socket_timeout=timeout_s,
            socket_connect_timeout=connect_timeout_s,
        )
    return redis.asyncio.Redis.from_url(
        url,
        decode_responses=True,
        retry=retry,
        socket_timeout=timeout_s,
        socket_connect_timeout=connect_timeout_s,
    )


class Connection:
    """Sends commands in the order they were issued, together where they were issued together.

    A few pipelines are under way at a time, so that Redis works while we do; then the next fills
    up, so the busier the process the fewer round trips a command costs. A command whose reply is
    lost may have been carried out, and is sent again after others: every script is safe to send
    twice.

    Once a pipeline was lost, or no reply came for half a second, commands are refused at once until
    Redis answers again (G1). Urgent ones, by which new work begins, are refused as soon as replies
    are overdue, those under way as well: Redis may yet carry them out, and their caller undoes it.
    """

    def __init__(
        self,
        client: "redis.asyncio.Redis | ClusterClient",
        *,
        journal: Journal | None = None,
        overdue_s: float = 0.08,
    ) -> None:
        self._client = client
        self._pipe = open_pipe(client)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._journal = journal or Journal()
        self._waiting: list[_Issued] = []
        self._senders: set[asyncio.Task[None]] = set()
        self._about_to_send = False
        self._probe: asyncio.Task[None] | None = None
        self._stalled = False
        self._under_way: list[list[_Issued]] = []
        self._patience = Patience(
            overdue_s=overdue_s,
            stalled_s=_PATIENCE_S,
            count_replies=lambda: self._pipe.replies,
            count_under_way=lambda: sum(len(batch) for batch in self._under_way),
            on_overdue=self._refuse_urgent,
            on_stall=self._note_stall,
        )
        self._back = asyncio.Event()
        self._back.set()
        self._scripts: dict[str, tuple[str, str]] = {}
        self._names: dict[Argument, str] = {}
        for name in scripts.list_names():
            source = scripts.load_source(name)
            digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
            self._scripts[name] = (digest, source)
            self._names[digest] = name

    def execute(
        self, *command: Argument, read: Callable[[Any], T] = _as_it_is, urgent: bool = False
    ) -> "asyncio.Future[T]":
        """Issue one command now; await the result for what `read` makes of its reply.

        :raises DependencyDown: (when awaited) Redis did not answer
        """
        return self._issue(command, read, urgent=urgent)

    def run_script(
        self,
        name: str,
        *,
        keys: Sequence[str],
        args: Sequence[Argument],
        read: Callable[[Any], T] = _as_it_is,
        urgent: bool = False,
    ) -> "asyncio.Future[T]":
        """Issue the script `name` now; its reply is ``[1, …]`` or ``[0, reason, …]``.

        :raises DependencyDown: (when awaited) Redis did not answer
        """
        digest = self._scripts[name][0]
        return self._issue(("EVALSHA", digest, len(keys), *keys, *args), read, urgent=urgent)

    def _issue(
        self, command: Command, read: Callable[[Any], T], *, urgent: bool
    ) -> "asyncio.Future[T]":
        # Asking for the running loop is a system call in Python 3.11, nine times a job.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        is_late = urgent and self._patience.is_overdue
        if is_late or self._stalled or self._probe is not None:
            _refuse(future)
            return future
        self._waiting.append(_Issued(command, future, read, urgent))
        if not self._about_to_send and len(self._senders) < self._pipe.most_under_way:
            self._about_to_send = True
            sender = loop.create_task(self._send_waiting(), name="redis pipeline")
            self._senders.add(sender)
        return future

    async def execute_all(self, commands: Sequence[Command]) -> list[Any]:
        """Carry out many commands at once, beside those under way; return all replies.

        For bulk, in whose replies nobody is interested one by one: each costs a fifth less.

        :raises DependencyDown: Redis did not answer
        :raises ResponseError: Redis refused one of them; others may have been carried out
        """
        if self._stalled or self._probe is not None:
            raise errors.DependencyDown
        try:
            replies = await self._pipe.run(commands)
        except _LOST as lost:
            raise errors.DependencyDown from lost
        for reply in replies:
            if isinstance(reply, BaseException):
                if isinstance(reply, ResponseError) and not _is_passing(reply):
                    raise reply
                raise errors.DependencyDown from reply
        return replies

    async def close(self) -> None:
        """Wait for what was issued, then close the connections."""
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)
        while self._senders:
            await asyncio.wait(self._senders)
        await self._client.aclose()

    async def wait_until_up(self) -> None:
        """Return once Redis answers, which may be now."""
        await self._back.wait()

    async def _send_waiting(self) -> None:
        """Send pipeline after pipeline until nothing waits."""
        self._about_to_send = False
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                self._under_way.append(batch)
                self._patience.begin(asyncio.get_running_loop())
                await self._send(batch)
                self._under_way.remove(batch)
                if self._stalled and self._probe is None:
                    self._stalled = False
                    self._back.set()
        finally:
            # Not in a callback of the task: a command issued before it ran would find no sender.
            self._senders.remove(_current_task())

    async def _send(self, batch: list[_Issued]) -> None:
        begun_ms = clock.steady_ms()
        is_down = False
        try:
            replies = await self._pipe.run([issued.command for issued in batch])
            unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if unknown:
                again = await self._pipe.run(
                    [self._spell_out(batch[position].command) for position in unknown]
                )
                for position, reply in zip(unknown, again, strict=True):
                    replies[position] = reply
        except _LOST as lost:
            replies = [lost] * len(batch)
            is_down = True
            self._note_loss()
        except Exception as fault:
            # Whoever waits for these commands must not wait for ever.
            logger.exception("a pipeline failed")
            replies = [fault] * len(batch)
        self._note(clock.steady_ms() - begun_ms, is_down=is_down)
        for issued, reply in zip(batch, replies, strict=True):
            is_error = isinstance(reply, BaseException)
            self._count(issued.command, is_error=is_error)
            if is_error:
                _fail(issued.future, reply)
            elif not issued.future.done():
                _answer(issued, reply)

    def _note(self, took_ms: float, *, is_down: bool) -> None:
        """Tell the journal of a round trip, and whether Redis answers."""
        journal = self._journal
        journal.observe("redis_op_duration_seconds", took_ms / 1000, "pipeline")
        journal.gauge("degrade_mode", is_down)
        if took_ms > journal.wait_warn_ms:
            journal.count("slow_lock_wait_total", "redis_pipeline")

    def _count(self, command: Command, *, is_error: bool) -> None:
        """Count a command under its script's name, or its own."""
        script = self._names.get(command[1]) if len(command) > 1 else None
        op = script or str(command[0]).lower()
        self._journal.count("phase2_redis_op_total", op, "err" if is_error else "ok")

    def _note_stall(self) -> None:
        """A pipeline has no reply for long: what waits behind it is refused, as is what comes."""
        logger.warning("Redis is slow to answer; new work is refused until it does")
        self._stalled = True
        self._back.clear()
        self._refuse_waiting()

    def _note_loss(self) -> None:
        """Redis is gone: ask for it until it answers."""
        self._back.clear()
        self._refuse_waiting()
        if self._probe is None:
            self._probe = asyncio.get_running_loop().create_task(self._ask(), name="redis probe")

    def _refuse_urgent(self) -> None:
        """No reply for a while: whoever brings new work learns so now."""
        self._journal.gauge("degrade_mode", 1)
        for batch in (*self._under_way, self._waiting):
            for issued in batch:
                if issued.urgent:
                    _refuse(issued.future)

    def _refuse_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for issued in waiting:
            _refuse(issued.future)

    async def _ask(self) -> None:
        """Return when Redis answers, or loads no more."""
        while True:
            await asyncio.sleep(_PROBE_EVERY_S)
            try:
                reply = (await self._pipe.run([_PROBE]))[0]
            except _LOST:
                continue
            if not isinstance(reply, BaseException):
                break
        logger.info("Redis answers again")
        self._probe = None
        self._stalled = False
        self._back.set()

    def _spell_out(self, command: Command) -> Command:
        """Return an EVALSHA with the script's text, after Redis forgot its scripts."""
        digest = command[1]
        source = next(source for known, source in self._scripts.values() if known == digest)
        return ("EVAL", source, *command[2:])


def _current_task() -> "asyncio.Task[None]":
    return cast("asyncio.Task[None]", asyncio.current_task())


def _refuse(future: "asyncio.Future[Any]", cause: BaseException | None = None) -> None:
    """Fail a future that waits for Redis.

    Commands of one batch fail together: who awaits one of them need not ask the others.
    """
    if not future.done():
        down = errors.DependencyDown()
        down.__cause__ = cause
        future.set_exception(down)
        future.exception()


def _answer(issued: _Issued, reply: Any) -> None:
    try:
        issued.future.set_result(issued.read(reply))
    except Exception as fault:  # noqa: BLE001 - its caller's alone: the others' replies follow
        issued.future.set_exception(fault)


def _fail(future: "asyncio.Future[Any]", error: BaseException) -> None:
    """Fail a future with a caller's bug, or with what Redis cannot do for now."""
    if future.done():
        return
    if isinstance(error, ResponseError) and not _is_passing(error):
        future.set_exception(error)
    else:
        _refuse(future, error)


def unattended(future: "asyncio.Future[Any]", *, what: str) -> None:
    """Let a command run without waiting for it; a timer repairs what its loss leaves undone."""

    def note(done: "asyncio.Future[Any]") -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, errors.DependencyDown):
            logger.warning("%s was not recorded: %s", what, error)
        elif error is not None:
            logger.error("%s was not recorded", what, exc_info=error)

    future.add_done_callback(note)


def _is_passing(error: ResponseError) -> bool:
    """Say whether a refused command is the server's passing state, not a caller's bug.

    redis-py turns the first word of some replies into a class and drops it; a script's own
    commands are answered within the script's error, which keeps the word.
    """
    return isinstance(error, _PASSING_ERRORS) or _PASSING_WORDS.search(str(error)) is not None
