"""A node's connection where it is made of requests: registers, beats, polls, reports."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from lingua_node import http_reports, incoming, messages
from lingua_node.attempts import Key, key_of
from lingua_node.beating import beat
from lingua_node.http_caller import HttpCaller, HttpRefused
from lingua_node.identity import Identity, RegistrationRefused
from lingua_node.work import AttemptGone, Disconnected, JobRunner

logger = logging.getLogger(__name__)

_POLL_WAIT_MS = 20_000
_POLL_ANSWERS_WITHIN_S = _POLL_WAIT_MS / 1000 + 15
_MOST_MESSAGES = 16
# No later try ends better, as long as the node does not register anew.
_OVER = {"NODE_UNAVAILABLE", "NODE_ID_CONFLICT", "NODE_ID_FORBIDDEN", "UNAUTHORIZED", "FORBIDDEN"}
_BAD_REQUEST, _FAULT, _TOO_MANY, _TOO_LARGE = 400, 500, 429, 413


class _Registered(msgspec.Struct, frozen=True):
    node_id: str
    resume_token: str
    status: str | None = None
    heartbeat_interval_ms: int = 15_000


class _Polled(msgspec.Struct, frozen=True):
    messages: list[msgspec.Raw]
    number: int | None = None


class HttpLink:
    """Registers and works until it must register anew; stands where a socket's `Link` does.

    What is said of a job is confirmed by its answer. A request that gets none is made again, and
    may so come twice: the scheduler knows it by job and attempt.
    """

    def __init__(
        self, *, caller: HttpCaller, runner: JobRunner, identity: Identity, heartbeat_s: float
    ) -> None:
        self._caller = caller
        self._runner = runner
        self._identity = identity
        self._heartbeat_s = heartbeat_s
        self._token = ""
        self._incoming: asyncio.Queue[messages.FromScheduler] = asyncio.Queue()
        self._reports: set[asyncio.Task[None]] = set()
        self._starting: dict[Key, asyncio.Task[None]] = {}
        self._broken: asyncio.Future[None] | None = None
        self._is_leaving = False
        self._had = 0  # the last answer with messages in it
        self._has_told_of_partials = False

    async def ask_pairing_code(self) -> str:
        """Refuse: there is no path for it.

        :raises OSError: always
        """
        raise ConnectionError(
            "a pairing code is asked for over a WebSocket alone: Node(…, transport='websocket')"
        )

    async def run(self, *, on_registered: Callable[[], None]) -> None:
        """Work until the node has left.

        :raises RegistrationRefused: the scheduler does not take the node
        :raises HttpRefused: it must register anew, or may not work
        :raises OSError: the scheduler cannot be reached
        """
        await self._register()
        self._broken = asyncio.get_running_loop().create_future()
        self._runner.attach(
            node_id=self._identity.node_id or "",
            send=self._send,
            most_frame_bytes=self._identity.most_frame_bytes,
        )
        on_registered()
        leaving = asyncio.create_task(self._leave(), name="leave")
        parts = [
            asyncio.create_task(self._watch(part), name=name)
            for name, part in (
                ("heartbeat", self._beat()),
                ("poll", self._poll()),
                ("work", self._work()),
                ("again", self._runner.send_unconfirmed()),
            )
        ]
        try:
            await asyncio.wait({leaving, self._broken}, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                leaving.result()
            else:
                self._broken.result()
        finally:
            self._runner.detach()
            under_way = [leaving, *parts, *self._reports]
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            self._broken.cancel()
            if self._broken.done() and not self._broken.cancelled():
                self._broken.exception()  # it was told of, or something else ended this

    async def _register(self) -> None:
        declared = msgspec.to_builtins(await self._identity.register())
        del declared["type"]
        try:
            answer = await self._caller.ask("/v1/node/register", declared, tries=1)
        except HttpRefused as refused:
            may_come_later = refused.status >= _FAULT or refused.status == _TOO_MANY
            if not refused.code or may_come_later or refused.code in {"UNAUTHORIZED", "NOT_FOUND"}:
                raise
            raise RegistrationRefused(refused.words, code=refused.code) from None
        registered = msgspec.json.decode(answer, type=_Registered)
        self._token = registered.resume_token
        self._heartbeat_s = min(self._heartbeat_s, registered.heartbeat_interval_ms / 1000)
        self._identity.is_registered_by(
            messages.NodeRegistered(
                node_id=registered.node_id,
                status=registered.status,
                resume_token=registered.resume_token,
            )
        )

    async def _watch(self, part: Coroutine[Any, Any, None]) -> None:
        """Let a part that cannot go on end the whole."""
        try:
            await part
        except Exception as error:  # noqa: BLE001 - whoever runs the link is told
            self._break(error)

    def _break(self, error: Exception) -> None:
        if self._broken is not None and not self._broken.done():
            self._broken.set_exception(error)

    async def _beat(self) -> None:
        await beat(self._identity, every_s=self._heartbeat_s, send=self._send_heartbeat)

    async def _send_heartbeat(self, heartbeat: messages.NodeHeartbeat) -> None:
        said = msgspec.to_builtins(heartbeat)
        del said["type"]
        await self._caller.ask("/v1/node/heartbeat", said | {"resume_token": self._token})

    async def _poll(self) -> None:
        """Keep one poll under way, also while the node works."""
        while not self._is_leaving:
            await self._fetch(wait_ms=_POLL_WAIT_MS)

    async def _fetch(self, *, wait_ms: int) -> None:
        asked = {
            "node_id": self._identity.node_id,
            "resume_token": self._token,
            "wait_ms": wait_ms,
            "most": _MOST_MESSAGES,
            "had": self._had,
        }
        answer = await self._caller.ask("/v1/node/poll", asked, timeout_s=_POLL_ANSWERS_WITHIN_S)
        polled = msgspec.json.decode(answer, type=_Polled)
        self._had = polled.number or self._had
        for frame in polled.messages:
            try:
                self._incoming.put_nowait(messages.decode(bytes(frame)))
            except msgspec.MsgspecError as error:
                logger.warning("ignored a message: %s: %.200s", error, bytes(frame))

    async def _work(self) -> None:
        while True:
            await self._take(await self._incoming.get())

    async def _take(self, message: messages.FromScheduler) -> None:
        try:
            await incoming.take(message, runner=self._runner, identity=self._identity)
        except AttemptGone as gone:
            logger.info("a job came too late: %s", gone)
        except Disconnected:
            return  # what broke is told; the job comes again, or moves on

    async def _send(self, message: messages.FromNode) -> None:
        """Report for the runner; what ends an attempt is reported beside what goes on.

        :raises Disconnected: the scheduler could not be told
        :raises AttemptGone: the job is another attempt's by now
        """
        match message:
            case messages.JobAccepted():
                await self._accept(message)
            case messages.JobStarted():
                self._starting[key_of(message)] = self._report(self._start(message))
            case messages.JobResult():
                self._report(self._deliver(message))
            case messages.JobDeclined():
                self._report(self._tell(message))
            case _:
                self._drop_partial(message)

    def _report(self, telling: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._watch(telling), name="a report")
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)
        return task

    async def _accept(self, accepted: messages.JobAccepted) -> None:
        try:
            await self._caller.ask(*http_reports.write(accepted))
        except HttpRefused as refused:
            if _is_about_attempt(refused):
                raise AttemptGone(f"{accepted.job_id}: {refused}") from None
            self._break(refused)
            raise Disconnected from None
        except OSError as error:
            self._break(error)
            raise Disconnected from error

    async def _start(self, started: messages.JobStarted) -> None:
        try:
            await self._caller.ask(*http_reports.write(started))
        except HttpRefused as refused:
            if not _is_about_attempt(refused):
                raise
            # Somebody else has the job: what is done here is nobody's answer.
            logger.info("job %s is no longer ours: %s", started.job_id, refused)
            await self._runner.cancel(started.job_id)
        finally:
            self._starting.pop(key_of(started), None)

    async def _tell(self, message: messages.JobDeclined) -> None:
        try:
            await self._caller.ask(*http_reports.write(message))
        except HttpRefused as refused:
            if not _is_about_attempt(refused):
                raise
            logger.info("job %s is no longer ours: %s", message.job_id, refused)

    async def _deliver(self, result: messages.JobResult) -> None:
        """Report the end of an attempt; it is kept for another connection until that is known."""
        key = key_of(result)
        if (started := self._starting.get(key)) is not None:
            await asyncio.wait({started})
        try:
            await self._caller.ask(*http_reports.write(result))
        except HttpRefused as refused:
            if refused.status == _TOO_LARGE:
                await self._withdraw()
                return
            if not _is_about_attempt(refused):
                raise
            logger.warning("the result of %s was not taken: %s", result.job_id, refused)
        ended = self._runner.attempts.find_ended(key)
        if ended is not None:
            ended.confirmed = True

    async def _withdraw(self) -> None:
        """Say that the longest result is too long in its place."""
        withdrawn = self._runner.withdraw_longest()
        if withdrawn is not None and withdrawn.result is not None:
            self._report(self._deliver(withdrawn.result))

    def _drop_partial(self, message: messages.FromNode) -> None:
        if not self._has_told_of_partials:
            self._has_told_of_partials = True
            logger.warning(
                "%s is told over a WebSocket alone: over HTTP speakers see the result",
                type(message).__name__,
            )

    async def _leave(self) -> None:
        """Say that the node leaves, refuse what still comes, and wait for the last answers."""
        await self._runner.quiet.wait()
        self._is_leaving = True
        await self._send_heartbeat(await self._identity.heartbeat())
        await self._runner.send_unconfirmed()
        # Ends the poll that waits, and brings what was assigned meanwhile.
        await self._fetch(wait_ms=0)
        while not self._incoming.empty():
            await self._take(self._incoming.get_nowait())
        while self._reports:
            await asyncio.wait(set(self._reports))


def _is_about_attempt(refused: HttpRefused) -> bool:
    """Say whether a refusal is of this job alone, and no later try would end better."""
    is_final = _BAD_REQUEST <= refused.status < _FAULT and refused.status != _TOO_MANY
    return is_final and bool(refused.code) and refused.code not in _OVER
