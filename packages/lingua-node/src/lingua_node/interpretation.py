"""One utterance translated while it is spoken: clause by clause, and nothing taken back."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lingua_node.agreement import Agreement, split_clauses
from lingua_node.jobs import StreamJob
from lingua_node.recognizers import Guess

Translate = Callable[[str], Awaitable[str]]
Speak = Callable[[str], Awaitable[tuple[bytes, str]]]  # audio, and its form


@dataclass(frozen=True, slots=True)
class _Clauses:
    texts: list[str]
    are_certain: bool


class LiveTranslator:
    """Tells each guess, the translation of what is certain, and, on demand, speaks it.

    A clause is translated once, when all its words are committed. What follows the last such
    clause is translated anew with each guess, and told as the tail.
    """

    def __init__(self, job: StreamJob, *, translate: Translate, speak: Speak) -> None:
        self._job = job
        self._translate = translate
        self._speak = speak
        self._agreement = Agreement()
        self._translated_words = 0
        self._clauses: list[str] = []
        self._to_say: asyncio.Queue[_Clauses | None] = asyncio.Queue()  # of one utterance
        self._told = ""
        self.speech: list[bytes] = []

    @property
    def text(self) -> str:
        """All that is translated for good."""
        return " ".join(self._clauses)

    async def revise(self, guess: Guess) -> None:
        """Take the next guess at all said so far, and tell what follows from it."""
        if guess.text != self._told:
            self._told = guess.text
            await self._job.emit_partial(guess.text)
        if not self._job.pipeline.use_nmt:
            return
        self._agreement.revise(guess.text, sure=guess.sure)
        rest = [*await self._translate_clauses(), *self._agreement.tail]
        if guess.may_be_last:
            await self._prepare(rest)
        await self._job.emit_translation(self.text, await self._translate(" ".join(rest)))

    async def end(self, final: str) -> None:
        """Take the final text: what is not translated yet is so now."""
        await self._job.emit_partial(final, is_final=True)
        if self._job.pipeline.use_nmt:
            self._agreement.end(final)
            rest = await self._translate_clauses()
            await self._add(" ".join(rest))
            await self._job.emit_translation(self.text)
        self._to_say.put_nowait(None)

    async def speak_clauses(self) -> None:
        """Speak each clause as it comes, until the last."""
        prepared: dict[str, tuple[bytes, str]] = {}
        while (clauses := await self._to_say.get()) is not None:
            if not clauses.are_certain:
                # Behind others it would only hold up what is certain.
                if self._to_say.empty():
                    prepared = {text: await self._speak(text) for text in clauses.texts}
                continue
            for text in clauses.texts:
                audio, audio_format = prepared.get(text) or await self._speak(text)
                self.speech.append(audio)
                await self._job.emit_speech(audio, tts_format=audio_format)

    async def _translate_clauses(self) -> list[str]:
        """Translate what is complete; return the committed words that are not."""
        clauses, rest = split_clauses(self._agreement.committed[self._translated_words :])
        for clause in clauses:
            self._translated_words += len(clause.split())
            await self._add(clause)
        return rest

    async def _prepare(self, words: list[str]) -> None:
        """Have spoken what will be the last clauses if nothing more is said."""
        clauses, rest = split_clauses(words)
        texts = [await self._translate(text) for text in [*clauses, " ".join(rest)]]
        self._to_say.put_nowait(_Clauses([text for text in texts if text], are_certain=False))

    async def _add(self, clause: str) -> None:
        if translated := await self._translate(clause):
            self._clauses.append(translated)
            self._to_say.put_nowait(_Clauses([translated], are_certain=True))
