"""Takes jobs in, runs the handler, gives results out; knows nothing of sockets.

Life of an attempt: assign → accepted (job_ack) → a free slot → started (job_started) → handler →
result, kept until the scheduler's end of the socket is known to have it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lingua_node import answers, messages
from lingua_node.accepting import AcceptCall, AcceptHook
from lingua_node.attempts import Attempts, Ended, LiveAttempt, key_of
from lingua_node.calls import MOST_FRAME_BYTES, HandlerCalls
from lingua_node.jobs import JobFailed
from lingua_node.pieces import PieceQueue

logger = logging.getLogger(__name__)

Send = Callable[[messages.FromNode], Awaitable[None]]


class Disconnected(Exception):
    """There is no registered connection to send on."""


class AttemptGone(Exception):
    """The job is another attempt's by now, or over: nobody waits for this one."""


@dataclass(slots=True)
class Counters:
    """What has happened here since the start."""

    assigned: int = 0  # job_assign frames
    accepted: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    refused: int = 0  # beyond the slots, or while draining
    duplicates: int = 0  # an attempt seen before
    declined: int = 0  # by the hook of `@node.accept`
    ignored: int = 0  # left unanswered on purpose, by a simulator
    most_at_once: int = 0  # the load the scheduler made us carry, refused jobs included


class JobRunner:
    """Runs at most `slots` handlers at once."""

    def __init__(
        self,
        *,
        calls: HandlerCalls,
        slots: int,
        acknowledge: bool,
        takes: Callable[[messages.AssignJob], bool] | None,
    ) -> None:
        self.counters = Counters()
        self.attempts = Attempts(remembered=max(64, 4 * slots))
        self.draining = False
        self.quiet = asyncio.Event()  # draining, and nothing runs
        self._calls = calls
        self._max = slots
        self._slots = asyncio.Semaphore(slots)
        self._acknowledge = acknowledge
        self._takes = takes
        self._question = AcceptCall()
        self._node_id = ""
        self._connection: int | None = None
        self._connections = 0
        self._send_raw: Send | None = None

    @property
    def connection(self) -> int | None:
        """The number of the registered connection; None while there is none."""
        return self._connection

    def take_accept_hook(self, hook: AcceptHook) -> None:
        """Ask `hook` before a job is accepted.

        :raises NodeMistake: it cannot be asked, there is one already, or no job is ever accepted
        """
        self._question.take(hook, acknowledge=self._acknowledge)

    def attach(self, *, node_id: str, send: Send, most_frame_bytes: int = MOST_FRAME_BYTES) -> None:
        """A connection has been registered: answer through it from now on."""
        self._calls.most_frame_bytes = most_frame_bytes
        for ended in self.attempts.unconfirmed():
            if _measure(ended) > most_frame_bytes:
                self._withdraw(ended)
        self._connections += 1
        self._connection = self._connections
        self._node_id = node_id
        self._send_raw = send

    def detach(self) -> None:
        """The connection is gone: results wait for the next one.

        What was still being spoken goes on at another node, from its beginning.
        """
        self._connection = None
        self._send_raw = None
        for entry in self.attempts.being_spoken():
            _cancel(entry)

    def withdraw_longest(self) -> Ended | None:
        """Give up the longest result that may have cost this connection, if there is one.

        The scheduler closes a socket for a frame that is too long, and does not say for which.
        """
        sent = [
            ended
            for ended in self.attempts.unconfirmed()
            if ended.sent_on == self._connection and ended.result is not None
        ]
        if not sent:
            return None
        longest = max(sent, key=_measure)
        self._withdraw(longest)
        return longest

    def drain(self) -> None:
        """Take nothing new; `quiet` is set when the last handler has ended."""
        self.draining = True
        self._note_quiet()

    def abandon(self) -> None:
        """Cancel everything that runs, without a word to the scheduler."""
        for task in self.attempts.tasks():
            task.cancel()

    async def assign(self, assign: messages.AssignJob) -> None:
        """Accept one attempt, or say why not.

        :raises Disconnected: the connection ended; the attempt was not accepted
        :raises AttemptGone: it came too late; the attempt was not accepted
        """
        self.counters.assigned += 1
        try:
            is_ignored = self._takes is not None and not self._takes(assign)
            declined = None if is_ignored or self._is_here(assign) else self._question.ask(assign)
        except Exception as error:  # noqa: BLE001 - a fault in it fails its job, not the node
            await self._send(self._calls.fail(assign, error, node_id=self._node_id))
            return
        if is_ignored:
            self.counters.ignored += 1
        elif await self._is_known(assign):
            self.counters.duplicates += 1
        elif (refusal := self._refuse(assign)) is not None:
            self.counters.refused += 1
            await self._send(answers.failure(assign, self._node_id, refusal))
        elif declined is not None:
            self.counters.declined += 1
            await self._send(
                answers.declined(assign, self._node_id, reason=declined.reason or None)
            )
        else:
            await self._accept(assign)

    def hear(self, message: messages.Spoken) -> None:
        """Hand on what is said in an open job; of one that is over it is dropped."""
        entry = self.attempts.find_running(key_of(message))
        if entry is None or entry.pieces is None or entry.broken is not None:
            logger.debug("dropped what was said in %s", message.job_id)
            return
        try:
            entry.pieces.take(message)
        except JobFailed as failed:
            _break_off(entry, failed)

    async def cancel(self, job_id: str) -> None:
        """Stop every attempt of a job; there is no reply."""
        for entry in self.attempts.running_of(job_id):
            _cancel(entry)

    async def send_unconfirmed(self) -> None:
        """Send every result again that may not have arrived on an earlier connection."""
        for ended in self.attempts.unconfirmed():
            if ended.sent_on != self._connection:
                await self._deliver(ended)

    def _refuse(self, assign: messages.AssignJob) -> JobFailed | None:
        """Say why an attempt cannot run here; older attempts of the same job make room for it."""
        for known in self.attempts.running_of(assign.job_id):
            if known.assign.attempt_id > assign.attempt_id:
                return JobFailed("a newer attempt runs here", code="STALE_ATTEMPT")
            # The scheduler has moved on; it would refuse the old attempt's result.
            _cancel(known)
        load = self.attempts.count_wanted() + 1
        self.counters.most_at_once = max(self.counters.most_at_once, load)
        if self.draining:
            return JobFailed("the node drains", code="NODE_OVERLOADED")
        if load > self._max:
            return JobFailed(f"all {self._max} slots are taken", code="NODE_OVERLOADED")
        return None

    def _is_here(self, assign: messages.AssignJob) -> bool:
        key = key_of(assign)
        return bool(self.attempts.find_running(key) or self.attempts.find_ended(key))

    async def _is_known(self, assign: messages.AssignJob) -> bool:
        """Answer an attempt that was here before as it was answered then."""
        key = key_of(assign)
        running, ended = self.attempts.find_running(key), self.attempts.find_ended(key)
        if running is not None and not running.cancelled:
            if self._acknowledge:
                await self._send(answers.accepted(assign, self._node_id))
                if running.started:
                    await self._send(answers.started(assign, self._node_id))
            return True
        if running is None and ended is None:
            return False
        if ended is None or ended.result is None:
            gone = JobFailed("this attempt was cancelled", code="JOB_CANCELLED")
            await self._send(answers.failure(assign, self._node_id, gone))
        else:
            await self._deliver(ended)
        return True

    async def _accept(self, assign: messages.AssignJob) -> None:
        pieces: PieceQueue | None = None
        if isinstance(assign, messages.OpenJob):
            try:
                pieces = self._calls.listen(assign)
            except JobFailed as failed:
                await self._send(self._calls.fail(assign, failed, node_id=self._node_id))
                return
        entry = self.attempts.begin(assign, connection=self._connection, pieces=pieces)
        if self._acknowledge:
            try:
                await self._send(answers.accepted(assign, self._node_id))
            except BaseException:
                # Also where the connection's end cancels this: it was not accepted.
                self.attempts.forget(key_of(assign))
                raise
        self.counters.accepted += 1
        if self.counters.accepted == 1:
            logger.info("first job: %s, %s to %s", assign.job_id, assign.src_lang, assign.tgt_lang)
        entry.task = asyncio.create_task(self._run(entry), name=f"job {assign.job_id}")
        entry.task.add_done_callback(lambda task: self._note_gone(entry, task))

    async def _run(self, entry: LiveAttempt) -> None:
        key = key_of(entry.assign)
        result: messages.JobResult | None = None
        try:
            async with self._slots:
                if entry.broken is None:
                    await self._start(entry)
                    result = await self._calls.answer(
                        entry.assign,
                        node_id=self._node_id,
                        tell=lambda partial: self._tell(entry, partial),
                        pieces=entry.pieces,
                    )
        except KeyboardInterrupt as error:
            # Whoever interrupts ends the program; whoever speaks need not wait for that.
            result = self._calls.fail(entry.assign, error, node_id=self._node_id)
            raise
        finally:
            if entry.broken is not None:
                result = self._calls.fail(entry.assign, entry.broken, node_id=self._node_id)
            # A cancelled attempt has no result, even if its handler swallowed the cancellation.
            ended = self.attempts.end(key, result=None if entry.cancelled else result)
            self._count(ended)
            await self._try_deliver(ended)
            self._note_quiet()

    async def _start(self, entry: LiveAttempt) -> None:
        entry.started = True
        if self._acknowledge:
            await self._try_send(answers.started(entry.assign, self._node_id))

    def _note_gone(self, entry: LiveAttempt, task: "asyncio.Task[None]") -> None:
        """End an attempt whose task was cancelled before its first step: it never ran at all."""
        error = None if task.cancelled() else task.exception()
        # The loop itself raises an interrupt: asyncio would tell of it again, whenever it likes.
        if error is not None and not isinstance(error, KeyboardInterrupt):
            logger.error("job %s ended by a fault", entry.assign.job_id, exc_info=error)
        key = key_of(entry.assign)
        if self.attempts.find_running(key) is entry:
            self._count(self.attempts.end(key, result=None))
            self._note_quiet()

    def _count(self, ended: Ended) -> None:
        if ended.result is None:
            self.counters.cancelled += 1
        elif ended.result.success:
            self.counters.succeeded += 1
            if self.counters.succeeded == 1:
                logger.info("first job done in %d ms", ended.result.processing_time_ms or 0)
        else:
            self.counters.failed += 1

    def _note_quiet(self) -> None:
        if self.draining and self.attempts.is_idle():
            self.quiet.set()

    async def _deliver(self, ended: Ended) -> None:
        if ended.result is None:
            return
        # Marked first: a resend that starts while this send waits must not send it too.
        ended.sent_on, ended.confirmed = self._connection, False
        await self._send(ended.result)

    def _withdraw(self, ended: Ended) -> None:
        """Say that a result is too long in place of sending it for ever."""
        if ended.result is not None:
            ended.result = self._calls.withdraw(ended.result)

    async def _try_deliver(self, ended: Ended) -> None:
        try:
            await self._deliver(ended)
        except Disconnected:
            logger.debug("not connected, a result waits")

    async def _tell(self, entry: LiveAttempt, partial: messages.Partial) -> bool:
        """Send what an attempt has so far, unless nobody counts on it; say whether it was sent."""
        if isinstance(partial, messages.TtsChunk) and entry.connection != self._connection:
            return False  # a scheduler counts the clauses of a connection
        return await self._try_send(partial)

    async def _try_send(self, message: messages.FromNode) -> bool:
        try:
            await self._send(message)
        except Disconnected:
            logger.debug("not connected, dropped %s", type(message).__name__)
            return False
        return True

    async def _send(self, message: messages.FromNode) -> None:
        if self._send_raw is None:
            raise Disconnected
        await self._send_raw(message)


def _measure(ended: Ended) -> int:
    return messages.measure(ended.result) if ended.result is not None else 0


def _break_off(entry: LiveAttempt, failed: JobFailed) -> None:
    """Fail an attempt whatever its handler does; one that has not begun never will."""
    entry.broken = failed
    if entry.started and entry.task is not None:
        entry.task.cancel()


def _cancel(entry: LiveAttempt) -> None:
    if not entry.cancelled and entry.task is not None:
        entry.cancelled = True
        entry.task.cancel()
