"""Speakers whose words go out while they are said."""

import asyncio
import base64
import contextlib
from typing import Any, ClassVar

from tests.chaos.peers import TROUBLE, ChaosSpeaker, Frame
from tests.chaos.records import SpeakerDid
from tests.chaos.words import Grown, Said, Sentence, make_word

_WORD_S = 0.1
_AFTER_A_SENTENCE_S = 0.5  # longer than the hang-over, which would take the next word along


class StreamingSpeaker(ChaosSpeaker):
    """A speaker whose words go out as they are said, one sentence after another."""

    declares: ClassVar[Frame] = {
        "audio_format": "pcm16",
        "sample_rate": 16_000,
        "enable_streaming": True,
    }

    def __init__(self, number: int, **speaker: Any) -> None:
        super().__init__(number, **speaker)
        self._next_word = 0
        self._sentence: Sentence | None = None
        self._is_said = self._is_refused = False
        self._last_heard: Said = (number, -1)
        self._is_over = asyncio.Event()

    def lost(self) -> None:
        # What the server had not read is gone with the socket: nobody finishes the sentence.
        if self._sentence is not None:
            self._sentence.is_broken = self.is_wanted
        self._sentence = None
        self.open.clear()
        super().lost()

    async def _repeat(self) -> None:
        """Nothing can be said again; the outcomes come by themselves."""

    async def _speak(self) -> None:
        with contextlib.suppress(*TROUBLE):
            while True:
                pause_s = self.rng.expovariate(1 / self.mean_pause_s)
                await asyncio.sleep(_AFTER_A_SENTENCE_S + pause_s)
                if self.speaks:
                    await self._say_sentence(self.rng.randint(8, 24))
                    await self._is_over.wait()

    async def _say_sentence(self, count: int) -> None:
        self._is_over.clear()
        self._is_said = self._is_refused = False
        self._sentence = sentence = Sentence(self.session_id, socket=self.sockets)
        self.records.words.sentences.append(sentence)
        # Its index is the server's to choose: it is open under a number of its own.
        self.open[-1] = asyncio.get_running_loop().time()
        for _ in range(count):
            number, self._next_word = self._next_word, self._next_word + 1
            sentence.words.append((self.number, number))
            await self._send_chunk(number, make_word(self.number, number))
            await asyncio.sleep(_WORD_S)
        await self._send_chunk(self._next_word, b"", is_final=True)
        self._is_said = True
        self._finish_if_told()

    async def _send_chunk(self, seq: int, audio: bytes, *, is_final: bool = False) -> None:
        await self.send(
            {"type": "audio_chunk", "session_id": self.session_id, "seq": seq}
            | {"is_final": is_final, "payload": base64.b64encode(audio).decode()}
        )

    async def _take(self, frame: Frame) -> None:
        if frame["type"] == "translation_partial":
            self.records.words.grown.append(
                Grown(
                    session_id=frame["session_id"],
                    index=frame["utterance_index"],
                    attempt=frame["attempt_id"],
                    socket=self.sockets,
                    committed=frame["committed"],
                )
            )
        await super()._take(frame)

    def _end(self, index: int, did: SpeakerDid, text: str) -> None:
        self._answered.add(index)
        self._note(did, index=index, text=text)
        self._is_refused |= did is SpeakerDid.REFUSED
        heard = self.records.words.heard.get(text)
        self._last_heard = max(self._last_heard, heard[-1] if heard else self._last_heard)
        self._finish_if_told()

    def _finish_if_told(self) -> None:
        """Be done with a sentence that was said, of which the last word was heard or refused."""
        sentence = self._sentence
        if sentence is None or not self._is_said:
            return
        if self._is_refused or self._last_heard >= sentence.words[-1]:
            self._sentence = None
            self.open.clear()
            self._is_over.set()
