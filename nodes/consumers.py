"""The node socket."""

import logging

from nodes import messages
from nodes.connections import FENCED, NodeConnection
from nodes.job_service import NodeJobService
from nodes.services import NodeService
from scheduling.model.errors import ConnectionFenced, Refusal, RegistrationRefused
from sockets.consumers import MessageConsumer
from sockets.outbound import OutboundLimits
from sockets.socket_auth import SocketAuth
from sockets.wire import ErrorFrame

logger = logging.getLogger(__name__)

_REFUSED = 1008


class NodeConsumer(MessageConsumer[messages.FromNode, messages.ToNode | ErrorFrame]):
    """One connected node; what cannot be read is logged and ignored, as nodes expect."""

    decode = staticmethod(messages.decode)

    def __init__(
        self,
        *,
        service: NodeService,
        jobs: NodeJobService,
        outbound_limits: OutboundLimits,
        auth: SocketAuth,
        most_frame_bytes: int | None,
    ) -> None:
        self._service = service
        self._jobs = jobs
        self.outbound_limits = outbound_limits
        self.auth = auth
        self.most_frame_bytes = most_frame_bytes
        self._connection: NodeConnection | None = None

    async def answer(self, message: messages.FromNode) -> None:
        connection = self._connection
        match message:
            case messages.RegisterNode():
                self._connection, ack = await self._service.register(
                    message,
                    outbound=self.outbound,
                    peer=self.peer,
                    before=connection,
                )
                self.reply(ack)
                self._service.cancel_lost_attempts(self._connection, message)
            case messages.NodeErrorReported():
                logger.warning(
                    "node reports %s",
                    message.code,
                    extra=self.log_fields | {"reason": message.code},
                )
            case _ if connection is None:
                logger.info("message before registration ignored")
            case _ if message.node_id != connection.node_id:
                logger.info("message in another node's name ignored", extra=self.log_fields)
            case messages.NodeHeartbeat():
                await self._service.record_heartbeat(connection, message)
            case messages.JobAck():
                await self._jobs.acknowledge(connection, message)
            case messages.JobStarted():
                await self._jobs.start(connection, message)
            case messages.AsrPartial():
                await self._jobs.pass_partial(connection, message)
            case messages.JobResult():
                await self._jobs.take_or_keep_result(connection, message)

    @property
    def log_fields(self) -> dict[str, str]:
        return {"node_id": self._connection.node_id} if self._connection else {}

    def refused(self, refusal: Refusal) -> None:
        self.reply(ErrorFrame(code=refusal.code, message=str(refusal), details=refusal.details))
        if isinstance(refusal, RegistrationRefused):
            self.outbound.close(_REFUSED, refusal.code)
        elif isinstance(refusal, ConnectionFenced):
            self.outbound.close(FENCED, refusal.code)

    def malformed(self, error: str, frame: str) -> None:
        logger.debug(
            "unreadable frame from a node ignored", extra=self.log_fields | {"error": error}
        )

    async def disconnected(self, code: int) -> None:
        if self._connection is not None:
            await self._service.disconnect(self._connection, code=code)
