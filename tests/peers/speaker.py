"""A speaker on a socket, scripted frame by frame."""

import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Self

from tests.peers.frames import Frame, init_frame, utterance_frame
from tests.peers.sockets import Peer


class Speaker(Peer):
    """A session."""

    session_id = ""
    trace_id = ""
    languages = ("", "")
    resume_token: str | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, languages: tuple[str, str], **init: Any) -> AsyncIterator[Self]:
        async with cls.connect(url) as speaker:
            await speaker.init(languages, **init)
            yield speaker

    async def init(self, languages: tuple[str, str], **init: Any) -> Frame:
        self.languages = languages
        await self.send(init_frame(languages) | init)
        ack = await self.next("session_init_ack")
        self.session_id, self.trace_id = ack["session_id"], ack["trace_id"]
        self.resume_token = ack.get("resume_token")
        return ack

    async def chunk(self, audio: bytes, *, final: bool = False, seq: int = 0) -> None:
        await self.send(
            {
                "type": "audio_chunk",
                "session_id": self.session_id,
                "seq": seq,
                "is_final": final,
                "payload": base64.b64encode(audio).decode(),
            }
        )

    async def say(self, index: int, **changes: Any) -> None:
        """Send a whole utterance."""
        await self.send(utterance_frame(self.session_id, index, self.languages) | changes)

    async def result(self, index: int) -> Frame:
        """Wait for the translation of an utterance."""
        return await self.next("translation_result", utterance_index=index)

    async def check_alive(self) -> list[Frame]:
        """See that the session still answers; return what it was told before that."""
        heartbeat = {"type": "client_heartbeat", "session_id": self.session_id, "timestamp": 1}
        await self.send(heartbeat)
        return (await self.take_until("server_heartbeat"))[:-1]
