"""The node socket."""

import asyncio
import functools
import logging

from nodes import messages
from nodes.connections import FENCED, NodeConnection
from nodes.flaw_reporter import FlawReporter, make_error
from nodes.job_declines import JobDeclines
from nodes.job_service import NodeJobService
from nodes.mistakes import MistakeSender
from nodes.partial_results import PartialResults
from nodes.services import NodeService
from nodes.unread_attempts import find_attempt
from scheduling.model.errors import ConnectionFenced, NodeUnknown, Refusal, RegistrationRefused
from scheduling.model.shares import Shares
from sockets.consumers import MessageConsumer
from sockets.outbound import OutboundLimits
from sockets.reader import Flaw, ReadMessage, Unreadable, name_kind
from sockets.socket_auth import SocketAuth
from sockets.wire import ErrorFrame

logger = logging.getLogger(__name__)

_REFUSED = 1008
_INVALID = "INVALID_MESSAGE"
_NOT_YOURS = Flaw("node_id", "not the id that this connection registered")
_TOO_EARLY = Flaw("", "said before `node_register`")
_BINARY = Flaw("", "a binary frame; a message is a text frame")


class NodeConsumer(MessageConsumer[messages.FromNode, messages.ToNode | ErrorFrame]):
    """One connected node; a frame that cannot be read costs it the attempt it is about."""

    reader = messages.reader

    def __init__(
        self,
        *,
        service: NodeService,
        jobs: NodeJobService,
        declines: JobDeclines,
        partials: PartialResults,
        flaws: FlawReporter,
        outbound_limits: OutboundLimits,
        auth: SocketAuth,
        most_frame_bytes: int | None,
        shares: Shares,
    ) -> None:
        self._service = service
        self._jobs = jobs
        self._declines = declines
        self._partials = partials
        self._flaws = flaws
        self.outbound_limits = outbound_limits
        self.auth = auth
        self.most_frame_bytes = most_frame_bytes
        self._shares = shares
        self._connection: NodeConnection | None = None
        self._telling: asyncio.Task[None] | None = None
        # The id that was asked for last; whose it is shows when it is given.
        self._asked_for: str | None = None

    @functools.cached_property
    def _mistakes(self) -> MistakeSender:
        return MistakeSender(self.outbound)

    async def answer(self, message: messages.FromNode) -> None:
        await self.keep_pace()
        if self._telling is not None:
            # What is known of the node changes with one message after the other.
            await asyncio.wait([self._telling])
        connection = self._connection
        match message:
            case messages.RegisterNode():
                self._asked_for = message.node_id
                self._connection, ack = await self._service.register(
                    message,
                    outbound=self.outbound,
                    mistakes=self._mistakes,
                    peer=self.peer,
                    before=connection,
                )
                self.reply(ack)
                self._service.cancel_lost_attempts(self._connection, message)
                self._service.check_languages(self._connection, message)
            case messages.NodeErrorReported():
                self._note_error(message)
            case _ if connection is None or message.node_id != connection.node_id:
                self._refuse(message)
            case messages.NodeHeartbeat():
                changed = functools.partial(self._tell_whole, connection, message)
                if not self._service.repeat_heartbeat(connection, message, on_changed=changed):
                    await self._service.record_heartbeat(connection, message)
            case messages.RequestPairingCode():
                self.reply(await self._service.draw_pairing_code(connection, peer=self.peer))
            case _:
                await self._hear_of_job(connection, message)

    def _tell_whole(self, connection: NodeConnection, message: messages.NodeHeartbeat) -> None:
        """A heartbeat that was taken for one that changes nothing is told in full."""
        connection.last_heartbeat = None
        telling = self._guard(self._service.record_heartbeat(connection, message))
        self._telling = asyncio.create_task(telling, name="a heartbeat told in full")
        self._telling.add_done_callback(self._note_told)

    def _note_told(self, _: object) -> None:
        self._telling = None

    async def _hear_of_job(self, connection: NodeConnection, message: messages.AboutJob) -> None:
        match message:
            case messages.JobResult():
                await self._jobs.take_or_keep_result(connection, message)
            case messages.JobAck():
                await self._jobs.acknowledge(connection, message)
            case messages.JobStarted():
                await self._jobs.start(connection, message)
            case messages.AsrPartial():
                await self._partials.pass_text(connection, message)
            case messages.TranslationPartial():
                await self._partials.pass_translation(connection, message)
            case messages.TtsChunk():
                await self._partials.pass_clause(connection, message)
            case messages.JobDeclined():
                await self._declines.decline_or_keep(connection, message)

    def _refuse(self, message: messages.FromNode) -> None:
        """Refuse what is said in another's name, or too early, where only heartbeats are usual."""
        code, flaw = _INVALID, _NOT_YOURS
        if self._connection is None:
            if isinstance(message, messages.NodeHeartbeat):
                return
            code, flaw = NodeUnknown.code, _TOO_EARLY
        kind = name_kind(type(message))
        self._flaws.refuse(self._connection, self._mistakes, code, flaw, kind=kind)

    def _note_error(self, message: messages.NodeErrorReported) -> None:
        if self._connection is not None:
            error = messages.JobError(code=message.code, message=message.message)
            self._flaws.report_failure(self._connection, error, reason=message.code)

    async def keep_pace(self, *, cost: int = 1, work: int = 0) -> None:
        """Read a node no faster than its principal's share; nothing it says is dropped."""
        if wait_ms := self._shares.reserve(self.peer.sender, cost=cost + work):
            await asyncio.sleep(wait_ms / 1000)

    async def take_bytes(self, frame: bytes) -> None:
        """Refuse what is no text, and fail the attempt it is about."""
        await self.pay_for_flawed(len(frame))
        await self.malformed(self.reader.open(frame, flaw=_BINARY), "")

    @property
    def log_fields(self) -> dict[str, str]:
        return {"node_id": self._connection.node_id} if self._connection else {}

    def refused(self, refusal: Refusal) -> None:
        self.reply(ErrorFrame(code=refusal.code, message=str(refusal), details=refusal.details))
        if isinstance(refusal, RegistrationRefused):
            told = {"reason": refusal.code, "told": str(refusal)}
            asked = {"node_id": self._asked_for} if self._asked_for else self.log_fields
            logger.warning("a node may not register", extra=asked | told)
            self.outbound.close(_REFUSED, refusal.code)
        elif isinstance(refusal, ConnectionFenced):
            self.outbound.close(FENCED, refusal.code)

    def mended(self, reading: ReadMessage[messages.FromNode]) -> None:
        self._flaws.note_mended(self._connection, reading)

    async def malformed(self, unreadable: Unreadable, frame: str) -> None:
        connection = self._connection
        self._flaws.note_unreadable(connection, unreadable)
        if not unreadable.kind and messages.is_error(frame):
            return
        failed = find_attempt(connection, unreadable) if connection is not None else None
        if unreadable.kind == messages.REGISTER and failed is None:
            self.reply(make_error(unreadable))
            self.outbound.close(_REFUSED, _INVALID)
            return
        self._mistakes.tell(make_error(unreadable, failed))
        if connection is not None and failed is not None:
            await self._jobs.fail_unreadable(connection, unreadable, *failed)

    async def disconnected(self, code: int) -> None:
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.wait([self._telling])
        if self._connection is not None:
            await self._service.disconnect(self._connection, code=code)
