"""One connection to the scheduler, from node_register to its end."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from lingua_node import incoming, messages
from lingua_node.beating import beat
from lingua_node.identity import Identity, RegistrationRefused
from lingua_node.work import Disconnected, JobRunner

logger = logging.getLogger(__name__)

_REGISTERED_WITHIN_S = 15.0
_CONFIRM_EVERY_S = 1.0
_LAST_CONFIRM_WITHIN_S = 5.0
_CODE_WITHIN_S = 5.0
_TOO_LONG = 1009  # the scheduler's word for a frame beyond its limit


class Link:
    """Registers, beats, reads, confirms; ends with the socket."""

    def __init__(
        self,
        *,
        socket: ClientConnection,
        runner: JobRunner,
        identity: Identity,
        heartbeat_s: float,
    ) -> None:
        self._socket = socket
        self._runner = runner
        self._identity = identity
        self._heartbeat_s = heartbeat_s
        self._codes: list[asyncio.Future[str]] = []

    async def ask_pairing_code(self) -> str:
        """Return a code that binds one session to this node.

        :raises OSError: the connection ended, or none came in time
        """
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._codes.append(answer)
        try:
            node_id = self._identity.node_id or ""
            await self._send(messages.RequestPairingCode(node_id=node_id))
            async with asyncio.timeout(_CODE_WITHIN_S):
                return await answer
        except Disconnected as error:
            raise ConnectionError("the connection ended") from error
        finally:
            answer.cancel()

    async def run(self, *, on_registered: Callable[[], None]) -> None:
        """Serve until the connection ends.

        :raises RegistrationRefused: the scheduler answered with an error, or not at all
        :raises ConnectionClosed: the connection ended before the registration
        """
        await self._register()
        self._runner.attach(
            node_id=self._identity.node_id or "",
            send=self._send,
            most_frame_bytes=self._identity.most_frame_bytes,
        )
        on_registered()
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(part, name=name)
                    for name, part in (
                        ("heartbeat", self._beat()),
                        ("confirm", self._confirm()),
                        ("leave", self._leave_when_quiet()),
                    )
                ]
                await self._read()
                for helper in helpers:
                    helper.cancel()
        finally:
            if self._socket.close_code == _TOO_LONG:
                self._runner.withdraw_longest()
            self._runner.detach()

    async def _register(self) -> None:
        await self._socket.send(messages.encode(await self._identity.register()))
        try:
            async with asyncio.timeout(_REGISTERED_WITHIN_S):
                while not self._identity.is_registered_by(await self._receive()):
                    pass
        except TimeoutError as error:
            raise RegistrationRefused("no node_register_ack came") from error

    async def _receive(self) -> messages.FromScheduler | None:
        """Return the next message; None for a frame that cannot be read."""
        frame = await self._socket.recv()
        if isinstance(frame, bytes):
            logger.warning("ignored a binary frame of %d bytes", len(frame))
            return None
        try:
            return messages.decode(frame)
        except msgspec.MsgspecError as error:
            logger.warning("ignored a frame: %s: %.200s", error, frame)
            return None

    async def _read(self) -> None:
        try:
            while True:
                await self._handle(await self._receive())
        except (ConnectionClosed, Disconnected):
            return

    async def _handle(self, message: messages.FromScheduler | None) -> None:
        if isinstance(message, messages.PairingCode):
            self._take_code(message.code)
        else:
            await incoming.take(message, runner=self._runner, identity=self._identity)

    def _take_code(self, code: str) -> None:
        while self._codes:
            asked = self._codes.pop(0)
            if not asked.done():
                asked.set_result(code)
                return

    async def _send(self, message: messages.FromNode) -> None:
        try:
            await self._socket.send(messages.encode(message))
        except ConnectionClosed as error:
            raise Disconnected from error

    async def _beat(self) -> None:
        with contextlib.suppress(Disconnected):
            await beat(self._identity, every_s=self._heartbeat_s, send=self._send)

    async def _confirm(self) -> None:
        """Send again what earlier connections may have lost, then watch results arrive.

        A pong proves that everything sent before its ping has reached the other end; results
        without that proof are sent again after a reconnect.
        """
        try:
            await self._runner.send_unconfirmed()
            while True:
                await asyncio.sleep(_CONFIRM_EVERY_S)
                await self._confirm_sent()
        except (ConnectionClosed, Disconnected):
            return

    async def _confirm_sent(self) -> None:
        connection = self._runner.connection
        sent = [
            ended
            for ended in self._runner.attempts.unconfirmed()
            if ended.sent_on == connection and ended.sent_on is not None
        ]
        if not sent:
            return
        await (await self._socket.ping())
        for ended in sent:
            ended.confirmed = True

    async def _leave_when_quiet(self) -> None:
        """Close once draining is done and the last results have arrived."""
        await self._runner.quiet.wait()
        try:
            async with asyncio.timeout(_LAST_CONFIRM_WITHIN_S):
                # Not before it is known that this node leaves: else it would count as lost.
                await self._send(await self._identity.heartbeat())
                await self._runner.send_unconfirmed()
                await self._confirm_sent()
        except (ConnectionClosed, Disconnected, TimeoutError):
            logger.warning("the last results may not have arrived")
        await self._socket.close()
