"""Speakers whose words go out while they are said, and again where their socket was lost."""

import asyncio
import base64
import contextlib
from typing import Any, ClassVar

from tests.chaos.peers import TROUBLE, ChaosSpeaker, Frame
from tests.chaos.records import SpeakerDid
from tests.chaos.words import Grown, Said, Sentence, make_word

_WORD_S = 0.1
_FEWEST_WORDS, _MOST_WORDS = 8, 24
_AFTER_A_SENTENCE_S = 0.5  # longer than the hang-over, which would take the next word along


class StreamingSpeaker(ChaosSpeaker):
    """A speaker whose words go out as they are said, one sentence after another.

    Who can resume keeps every chunk until it is acknowledged, sends again what was not, and ends
    its sentence on the next socket.
    """

    declares: ClassVar[Frame] = {
        "audio_format": "pcm16",
        "sample_rate": 16_000,
        "enable_streaming": True,
    }

    def __init__(self, number: int, **speaker: Any) -> None:
        super().__init__(number, **speaker)
        self._next_word = 0
        self._next_seq = 0
        self._kept: dict[int, tuple[Said | None, Frame]] = {}
        self._sentence: Sentence | None = None
        self._words_left = 0
        self._breaks_after: tuple[int, float] | None = None
        self._is_said = self._is_refused = False
        self._last_heard: Said = (number, -1)
        self._is_over = asyncio.Event()

    def drop(self, *, away_s: float) -> None:
        """Break the connection in mid-sentence: of this one, or of the next."""
        if self._words_left:
            super().drop(away_s=away_s)
        else:
            self._breaks_after = self.rng.randrange(_FEWEST_WORDS), away_s

    def lost(self) -> None:
        if self._words_left:
            self._happened(f"lost socket {self.sockets}, {self._words_left} words left")
        if not self.can_resume:
            self._break_off()
        super().lost()

    async def _repeat(self, ack: Frame) -> None:
        self._happened(f"resumed on socket {self.sockets}, safe up to chunk {ack['acked_seq']}")
        self._let_go(ack["acked_seq"], told_by="resuming")
        if self._sentence is not None:
            self._sentence.is_resumed = True
        for word, chunk in list(self._kept.values()):
            self.records.words.sent_again += 1
            await self._send_chunk(word, chunk)

    def _forget(self) -> None:
        # Another session begins: what the older one had not acknowledged is gone with it.
        self._break_off()
        self._kept.clear()
        self._next_seq = 0
        super()._forget()

    def _break_off(self) -> None:
        """Nobody finishes what is being said."""
        if self._sentence is not None:
            self._sentence.is_broken = self.is_wanted
            self._happened(f"broken off: {self.is_wanted}")
        self._end_sentence()

    def _happened(self, what: str) -> None:
        self.records.words.note(self.session_id, what)

    def _end_sentence(self) -> None:
        self._sentence = None
        self._words_left = 0
        self.open.clear()
        self._is_over.set()

    async def _speak(self) -> None:
        with contextlib.suppress(*TROUBLE):
            while True:
                if self._sentence is not None:
                    await self._say_rest(self._sentence)
                    await self._is_over.wait()
                pause_s = self.rng.expovariate(1 / self.mean_pause_s)
                await asyncio.sleep(_AFTER_A_SENTENCE_S + pause_s)
                if self.speaks:
                    self._begin_sentence()

    def _begin_sentence(self) -> None:
        self._is_over.clear()
        self._is_said = self._is_refused = False
        self._words_left = self.rng.randint(_FEWEST_WORDS, _MOST_WORDS)
        self._sentence = Sentence(self.session_id)
        self.records.words.sentences.append(self._sentence)
        # Its index is the server's to choose: it is open under a number of its own.
        self.open[-1] = asyncio.get_running_loop().time()

    async def _say_rest(self, sentence: Sentence) -> None:
        """Say what is left of a sentence; who can resume has kept what was said before."""
        while self._words_left:
            word = self.number, self._next_word
            self._next_word += 1
            self._words_left -= 1
            sentence.words.append(word)
            await self._send_chunk(word, self._keep_chunk(word, make_word(*word)))
            self._break_in_time()
            await asyncio.sleep(_WORD_S)
        if not self._is_said:
            self._is_said = True
            self._happened(f"said up to {sentence.words[-1][1]}, and the end {self._next_seq}")
            await self._send_chunk(None, self._keep_chunk(None, b"", is_final=True))
        self._finish_if_told()

    def _break_in_time(self) -> None:
        if self._breaks_after is None:
            return
        words, away_s = self._breaks_after
        self._breaks_after = words - 1, away_s
        if not words:
            self._breaks_after = None
            super().drop(away_s=away_s)

    def _keep_chunk(self, word: Said | None, audio: bytes, *, is_final: bool = False) -> Frame:
        """Return the next chunk: numbers rise from one to the next, over all of a session."""
        chunk = {
            "type": "audio_chunk",
            "session_id": self.session_id,
            "seq": self._next_seq,
            "is_final": is_final,
            "payload": base64.b64encode(audio).decode(),
        }
        if self.can_resume:
            self._kept[self._next_seq] = word, chunk
        self._next_seq += 1
        return chunk

    async def _send_chunk(self, word: Said | None, chunk: Frame) -> None:
        if word is not None:
            self.records.words.sockets[word] = self.sockets
        await self.send(chunk)

    def _let_go(self, acked_seq: int, *, told_by: str) -> None:
        """All chunks up to here are safe."""
        for seq in [seq for seq in self._kept if seq <= acked_seq]:
            word, _ = self._kept.pop(seq)
            if word is not None:
                told = f"{told_by} {acked_seq} on socket {self.sockets}"
                self.records.words.acked[word] = told

    async def _take(self, frame: Frame) -> None:
        if frame["type"] == "audio_ack":
            self._let_go(frame["seq"], told_by="audio_ack")
        elif frame["type"] == "translation_partial":
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
        if heard:
            self._happened(f"heard {heard[0][1]} to {heard[-1][1]}")
        self._last_heard = max(self._last_heard, heard[-1] if heard else self._last_heard)
        self._finish_if_told()

    def _find_settled(self) -> int:
        # Outcomes come in order; indices of what began anew have none.
        return max(self._answered, default=-1) + 1

    def _finish_if_told(self) -> None:
        """Be done with a sentence that was said, of which the last word was heard or refused."""
        sentence = self._sentence
        if sentence is None or not self._is_said:
            return
        if self._is_refused or self._last_heard >= sentence.words[-1]:
            self._happened(f"over: refused {self._is_refused}, heard {self._last_heard[1]}")
            self._end_sentence()
