"""One socket after another to a scheduler, for as long as somebody wants to speak or listen."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from lingua_node import speaker_messages
from lingua_node.backoff import Backoff
from lingua_node.speaker_messages import Reconnecting

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_MOST_FRAME_BYTES = 32 * 2**20
_FIRST_WAIT_S, _LONGEST_WAIT_S, _RESTART_S = 0.5, 15.0, 2.0
_GREETED_WITHIN_S = 15.0
# What no further socket mends, by the code with which the last one was closed.
_FINAL = {
    1009: ("FRAME_TOO_LARGE", "the server takes no frame that long"),
    4401: ("UNAUTHORIZED", "the credential is not valid, or not any more"),
    4403: ("FORBIDDEN", "the credential does not allow this"),
    4409: ("REPLACED", "another socket goes on with this"),
}
# A refusal of now.
_PASSING = {"SCHEDULER_DEPENDENCY_DOWN", "RATE_LIMITED"}


class SpeakerRefused(Exception):
    """The scheduler answered with an error; `code` is stable, the words are for people."""

    def __init__(self, message: str, *, code: str, details: Any = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.details = details


class Line:
    """Connects, greets, hands on what comes; after a loss the same again."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None,
        greet: Callable[["Line"], Awaitable[None]],
        take: Callable[[Any], None],
        lost: Callable[[Reconnecting], None],
    ) -> None:
        self._url = url
        self._token = token
        self._greet = greet
        self._take = take
        self._lost = lost
        self._socket: ClientConnection | None = None
        self._is_open = False
        self._backoff = Backoff(
            first_s=_FIRST_WAIT_S, longest_s=_LONGEST_WAIT_S, restart_s=_RESTART_S
        )

    @property
    def is_open(self) -> bool:
        """Whether the scheduler has answered the greeting on this socket."""
        return self._is_open

    async def open(self) -> None:
        """Connect, and greet.

        :raises SpeakerRefused: the scheduler does not want it
        :raises OSError: it cannot be reached
        """
        self._socket = await connect(
            self._url,
            additional_headers={"Authorization": f"Bearer {self._token}"} if self._token else None,
            compression=None,
            max_size=_MOST_FRAME_BYTES,
            proxy=None if urlsplit(self._url).hostname in _LOOPBACK else True,
        )
        try:
            async with asyncio.timeout(_GREETED_WITHIN_S):
                await self._greet(self)
        except BaseException:
            await self.close()
            raise
        self._is_open = True
        self._backoff.reset()

    async def run(self) -> None:
        """Hand on what comes, over one socket after another.

        :raises SpeakerRefused: no further socket would be taken
        """
        while True:
            try:
                while True:
                    self._take(await self.hear())
            except ConnectionError as lost:
                await self._return(str(lost))

    async def hear(self) -> Any:
        """Return the next message that is known here.

        :raises ConnectionError: the connection was lost
        """
        while True:
            try:
                frame = await self._need_socket().recv()
            except ConnectionClosed as closed:
                raise ConnectionError(f"the connection was lost: {closed}") from None
            if (message := speaker_messages.decode(frame)) is not None:
                return message

    async def send(self, frame: dict[str, Any]) -> None:
        """Say something.

        :raises ConnectionError: the connection was lost
        """
        try:
            await self._need_socket().send(msgspec.json.encode(frame).decode())
        except ConnectionClosed as closed:
            raise ConnectionError(f"the connection was lost: {closed}") from None

    async def prove(self) -> None:
        """Return once all that was said is known to have arrived.

        :raises ConnectionError: the connection was lost
        """
        try:
            await (await self._need_socket().ping())
        except ConnectionClosed as closed:
            raise ConnectionError(f"the connection was lost: {closed}") from None

    async def close(self) -> None:
        """Hang up."""
        self._is_open = False
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    def _need_socket(self) -> ClientConnection:
        if self._socket is None:
            raise ConnectionError("there is no connection: write `async with …` around it")
        return self._socket

    async def _return(self, why: str) -> None:
        attempt = 0
        code = self._socket.close_code if self._socket is not None else None
        while True:
            _check_final(code)
            self._is_open = False
            attempt += 1
            in_s = self._backoff.next_s(close_code=code)
            self._lost(Reconnecting(attempt=attempt, in_s=in_s, why=why))
            await asyncio.sleep(in_s)
            code = None
            try:
                await self.open()
            except ConnectionClosed as closed:
                code, why = (closed.rcvd.code if closed.rcvd else None), str(closed)
            except InvalidStatus as refused:
                why = str(refused)
                if refused.response.status_code in {401, 403}:
                    code = 4401
            except (OSError, WebSocketException) as error:
                why = str(error) or type(error).__name__
            except SpeakerRefused as refused:
                if refused.code not in _PASSING:
                    raise
                why = str(refused)
            else:
                return


def _check_final(code: int | None) -> None:
    """Refuse to go on where no further socket would be taken.

    :raises SpeakerRefused: that is so
    """
    if code in _FINAL:
        name, words = _FINAL[code]
        raise SpeakerRefused(words, code=name)


async def stop(*tasks: "asyncio.Task[None]") -> None:
    """End what runs beside."""
    for task in tasks:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
