"""Our connection to Redis: commands issued in one turn of the event loop leave as one pipeline."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import redis.asyncio
from channels_streams.redis.cluster import ClusterClient

from scheduling.model import errors
from scheduling.model.metrics import Metrics
from scheduling.store.redis.pipeline import LOST, CommandPipeline, Issued, fail, name_error
from scheduling.store.redis.routes import Argument, Command, open_route
from scheduling.store.redis.script_cache import ScriptCache
from scheduling.store.redis.words import spell_out

logger = logging.getLogger(__name__)

T = TypeVar("T")
# Keys that one step of a look at all of them passes.
_A_LOOK = 1_000


def _as_it_is(reply: Any) -> Any:
    return reply


class Connection:
    """Sends commands in the order they were issued, together where they were issued together.

    The busier the process, the fewer round trips a command costs: while pipelines are under way
    the next fills up. A command whose reply is lost may have been carried out, and is sent again
    after others: every script is safe to send twice.

    Once a pipeline was lost, or no reply came for half a second, commands are refused at once until
    Redis answers again (G1). Urgent ones, by which new work begins, are refused as soon as replies
    are overdue, those under way as well: Redis may yet carry them out, and their caller undoes it.

    The masters of a cluster hold each other up in nothing of this.
    """

    def __init__(
        self,
        client: "redis.asyncio.Redis | ClusterClient",
        *,
        metrics: Metrics,
        overdue_s: float = 0.08,
        stalled_s: float = 0.5,
    ) -> None:
        self._client = client
        self._route = open_route(client)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._metrics = metrics
        self._overdue_s = overdue_s
        self._stalled_s = stalled_s
        self._scripts = ScriptCache()
        self._pipelines: dict[str, CommandPipeline] = {}
        self._is_closed = False

    @property
    def trouble(self) -> str:
        """That Redis does not answer, or refuses, in its own words; ``""`` where all is well."""
        troubles = (pipeline.trouble for pipeline in self._pipelines.values())
        return next(filter(None, troubles), "")

    async def open(self) -> None:
        """Connect now: the first commands are not late for it.

        Before a cluster is known, commands for one key may overtake each other.

        :raises DependencyDown: Redis does not answer
        """
        try:
            await self._route.open()
        except LOST as lost:
            raise errors.DependencyDown from lost

    def execute(
        self, *command: Argument, read: Callable[[Any], T] = _as_it_is, urgent: bool = False
    ) -> "asyncio.Future[T]":
        """Issue one command now; await the result for what `read` makes of its reply.

        :raises DependencyDown: (when awaited) Redis did not answer
        """
        return self._issue(str(command[0]).lower(), command, read, urgent=urgent)

    def run_script(
        self,
        name: str,
        *,
        keys: Sequence[str],
        args: Sequence[Argument],
        read: Callable[[Any], T] = _as_it_is,
        urgent: bool = False,
        patient: bool = False,
    ) -> "asyncio.Future[T]":
        """Issue the script `name`; its reply is ``[1, …]`` or ``[0, reason, …]``.

        A `patient` one leaves with the next command, or within 20 ms.

        :raises DependencyDown: (when awaited) Redis did not answer
        """
        digest = self._scripts.get_digest(name)
        command = ("EVALSHA", digest, len(keys), *keys, *args)
        return self._issue(name, command, read, urgent=urgent, patient=patient)

    def _issue(
        self,
        op: str,
        command: Command,
        read: Callable[[Any], T],
        *,
        urgent: bool,
        patient: bool = False,
    ) -> "asyncio.Future[T]":
        # Asking for the running loop is a system call in Python 3.11, nine times a job.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._is_closed:
            fail(future, errors.DependencyDown())
            return future
        master = self._route.find_master(command)
        pipeline = self._pipelines.get(master) or self._open_pipeline(master)
        pipeline.put(Issued(op, command, future, read, urgent, patient), loop)
        return future

    async def execute_all(self, commands: Sequence[Command]) -> list[Any]:
        """Carry out many commands at once, beside those under way; return all replies.

        For bulk, in whose replies nobody is interested one by one: each costs a fifth less.

        :raises DependencyDown: Redis did not answer
        :raises ResponseError: Redis refused one of them; others may have been carried out
        """
        if self._is_closed:
            raise errors.DependencyDown
        try:
            replies = await self._route.run(commands)
        except LOST as lost:
            raise errors.DependencyDown from lost
        for reply in replies:
            if isinstance(reply, BaseException):
                raise name_error(reply)
        return replies

    async def scan(self, pattern: str) -> list[str]:
        """Return the keys that match, of all masters; one that is there all the while is found.

        For who looks at everything, once in a while: it is not cheap.

        :raises DependencyDown: Redis did not answer
        """
        if self._is_closed:
            raise errors.DependencyDown
        try:
            return [key async for key in self._client.scan_iter(match=pattern, count=_A_LOOK)]
        except LOST as lost:
            raise errors.DependencyDown from lost

    async def close(self) -> None:
        """Wait for what was issued, then close the connections; what comes later is refused.

        It would connect once more, and nobody would close that.
        """
        while True:
            await asyncio.gather(*(pipeline.close() for pipeline in self._pipelines.values()))
            if not any(pipeline.is_busy for pipeline in self._pipelines.values()):
                break
        self._is_closed = True
        await self._route.close()
        await self._client.aclose()

    async def wait_until_up(self) -> None:
        """Return once Redis, and all of a cluster that was asked, answers, which may be now."""
        for pipeline in list(self._pipelines.values()):
            await pipeline.wait_until_up()

    def _open_pipeline(self, master: str) -> CommandPipeline:
        pipeline = self._pipelines[master] = CommandPipeline(
            master,
            route=self._route,
            scripts=self._scripts,
            metrics=self._metrics,
            overdue_s=self._overdue_s,
            stalled_s=self._stalled_s,
            on_turn=self._note_turn,
        )
        return pipeline

    def _note_turn(self) -> None:
        down = any(pipeline.is_down for pipeline in self._pipelines.values())
        self._metrics.gauge("degrade_mode", down)


def unattended(future: "asyncio.Future[Any]", *, what: str) -> None:
    """Let a command run without waiting for it; a timer repairs what its loss leaves undone."""

    def note(done: "asyncio.Future[Any]") -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, errors.DependencyDown):
            logger.warning("%s was not recorded: %s", what, spell_out(error))
        elif error is not None:
            logger.error("%s was not recorded", what, exc_info=error)

    future.add_done_callback(note)
