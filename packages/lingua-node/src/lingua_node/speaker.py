"""Somebody who speaks to a scheduler: a session, utterances, and what they became."""

import asyncio
import base64
import contextlib
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from lingua_node import audio

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_MOST_FRAME_BYTES = 32 * 2**20
_HEARTBEAT_S = 15.0


class SpeakerRefused(Exception):
    """The scheduler answered with an error; `code` is stable, the words are for people."""

    def __init__(self, message: str, *, code: str, details: Any = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.details = details


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationResult:
    """What one utterance became."""

    utterance_index: int
    job_id: str
    text_asr: str
    text_translated: str
    tts_audio: bytes
    tts_format: str


class Speaker:
    """A session, as `async with Speaker(url, src_lang="en", tgt_lang="es") as speaker`.

    Several utterances may be under way at a time; each `say` returns its own.
    """

    def __init__(
        self,
        url: str,
        *,
        src_lang: str,
        tgt_lang: str,
        token: str | None = None,
        **session: Any,
    ) -> None:
        self.session_id = ""
        self._url = url
        self._token = token
        self._languages = {"src_lang": src_lang, "tgt_lang": tgt_lang}
        self._session = session
        self._socket: ClientConnection | None = None
        self._next_index = 0
        self._waiting: dict[int, asyncio.Future[TranslationResult]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Open the session.

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
        about = {"client_version": "lingua-node", "platform": "python"}
        try:
            await self._send({"type": "session_init", **about, **self._languages, **self._session})
            frame = await self._hear_until("session_init_ack")
        except BaseException:
            await self._socket.close()
            raise
        self.session_id = frame["session_id"]
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._beat())]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()

    async def say(self, pcm16: bytes, *, timeout_s: float = 60.0) -> TranslationResult:
        """Say one utterance, PCM16 at 16 kHz, and wait for what it becomes.

        :raises SpeakerRefused: it was not taken, or nobody could do it
        :raises OSError: the connection was lost
        :raises TimeoutError: nothing came in time
        """
        index, self._next_index = self._next_index, self._next_index + 1
        answer = self._waiting[index] = asyncio.get_running_loop().create_future()
        try:
            await self._send(
                {
                    "type": "utterance",
                    "session_id": self.session_id,
                    "utterance_index": index,
                    "manual_cut": True,
                    **self._languages,
                    "audio": base64.b64encode(pcm16).decode(),
                    "audio_format": "pcm16",
                    "sample_rate": audio.SAMPLE_RATE,
                    "trace_id": f"{self.session_id}-{index}",
                }
            )
            async with asyncio.timeout(timeout_s):
                translation: TranslationResult = await answer
                return translation
        finally:
            self._waiting.pop(index, None)

    async def _listen(self) -> None:
        try:
            while True:
                self._take(await self._hear())
        except ConnectionError as lost:
            for answer in self._waiting.values():
                _fail(answer, ConnectionError(str(lost)))

    def _take(self, frame: dict[str, Any]) -> None:
        index = frame.get("utterance_index")
        answer = self._waiting.get(index) if isinstance(index, int) else None
        match frame["type"]:
            case "translation_result" if answer is not None and not answer.done():
                answer.set_result(
                    TranslationResult(
                        utterance_index=frame["utterance_index"],
                        job_id=frame["job_id"],
                        text_asr=frame["text_asr"],
                        text_translated=frame["text_translated"],
                        tts_audio=base64.b64decode(frame["tts_audio"]),
                        tts_format=frame["tts_format"],
                    )
                )
            case "missing_result" if answer is not None:
                reason = str(frame.get("reason", "no result"))
                _fail(answer, SpeakerRefused("nobody could answer", code=reason))
            case "error":
                # What is not about one utterance is about the oldest that waits.
                trace = str(frame.get("trace_id", ""))
                named = trace.removeprefix(f"{self.session_id}-")
                known = self._waiting.get(int(named)) if named.isdecimal() else None
                for answer in [known] if known else list(self._waiting.values())[:1]:
                    _fail(answer, _refusal(frame))
            case _:
                pass

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            with contextlib.suppress(ConnectionError):
                beat = {"type": "client_heartbeat", "session_id": self.session_id, "timestamp": 0}
                await self._send(beat)

    async def _send(self, frame: dict[str, Any]) -> None:
        if self._socket is None:
            raise ConnectionError("write `async with Speaker(…) as speaker` around it")
        try:
            await self._socket.send(msgspec.json.encode(frame).decode())
        except ConnectionClosed as closed:
            raise ConnectionError(f"the connection was lost: {closed}") from None

    async def _hear_until(self, kind: str) -> dict[str, Any]:
        while (frame := await self._hear())["type"] != kind:
            if frame["type"] == "error":
                raise _refusal(frame)
        return frame

    async def _hear(self) -> dict[str, Any]:
        if self._socket is None:
            raise ConnectionError("there is no connection")
        try:
            frame: dict[str, Any] = msgspec.json.decode(await self._socket.recv(), type=dict)
        except ConnectionClosed as closed:
            raise ConnectionError(f"the connection was lost: {closed}") from None
        return frame


def _refusal(frame: dict[str, Any]) -> SpeakerRefused:
    return SpeakerRefused(
        str(frame.get("message", "")), code=str(frame["code"]), details=frame.get("details")
    )


def _fail(answer: "asyncio.Future[TranslationResult]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
