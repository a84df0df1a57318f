"""What became of what was said in rooms, told to who listens there in each language."""

import collections
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from scheduling.model import clock
from scheduling.model.background import Background
from scheduling.model.events import ClauseSpoken, JobSettled, TranslationHeard
from scheduling.model.jobs import Assignment, Request
from scheduling.model.languages import normalize
from scheduling.model.outcomes import Refused, Result
from scheduling.model.rooms import SPEAKER_LEFT, Caption, SaidPlace
from scheduling.rooms.captions import Captions
from sessions_app.requests import aim_at_words
from sessions_app.room_speech import PCM16, make_pcm16

# Utterances whose place in the room is remembered, and captions that wait to leave.
_MOST_SAID, _MOST_PARTS = 256, 64
# Of those the ones that are noted for who goes on elsewhere.
_MOST_NOTED = 32
# Why an utterance has no answer in one language, and might have been recognized all the same.
_UNSERVED = frozenset({"no_capable_node", "no_available_node"})

Ask = Callable[[Sequence[Request]], Coroutine[Any, Any, None]]


class SaidUtterance:
    """An utterance as its room has it; `langs` are those it was asked for in."""

    __slots__ = ("grows", "is_shown", "own_lang", "place", "recognized_as", "waits_for", "whole")

    def __init__(self, place: SaidPlace) -> None:
        self.place = place
        # Where somebody listens in the language it was said in, which needs no job of its own.
        self.own_lang = place.own_lang
        self.waits_for = set(place.langs)
        # Languages that saw a part of it, and not its end.
        self.grows: set[str] = set()
        self.is_shown = False
        # What its speaker asked for, while it may be asked only to be recognized.
        self.whole: Request | None = None
        self.recognized_as = ""

    @property
    def langs(self) -> tuple[str, ...]:
        return self.place.langs

    @property
    def is_awaited(self) -> bool:
        """Say whether somebody in the room is still to be told what becomes of it."""
        return bool(self.waits_for or self.own_lang)


class RoomOutcomes:
    """Tells rooms what becomes of one session's utterances, wherever its speaker is by then."""

    __slots__ = (
        "_ask",
        "_background",
        "_captions",
        "_is_sending",
        "_leaving",
        "_said",
        "_session_id",
    )

    def __init__(self, *, session_id: str, captions: Captions) -> None:
        self._session_id = session_id
        self._captions = captions
        self._said: dict[int, SaidUtterance] = {}
        self._leaving: collections.deque[Caption] = collections.deque()
        self._is_sending = False
        self._background = Background()
        self._ask: Ask | None = None

    def connect(self, ask: Ask) -> None:
        """Let what nobody recognized be asked for once more."""
        self._ask = ask

    def find(self, utterance_index: int) -> SaidUtterance | None:
        """Return an utterance that was said in a room."""
        return self._said.get(utterance_index)

    def expect(self, place: SaidPlace) -> SaidUtterance:
        """What becomes of an utterance is to be told to its room."""
        said = self._said.setdefault(place.own_index, SaidUtterance(place))
        if len(self._said) > _MOST_SAID:
            del self._said[next(iter(self._said))]
        return said

    @property
    def is_awaited(self) -> bool:
        """Say whether a room is still to be told what becomes of something that was said."""
        return any(said.is_awaited for said in self._said.values())

    def list_places(self) -> tuple[SaidPlace, ...]:
        """Return where the utterances are whose room is still to be told what becomes of them."""
        awaited = [said.place for said in self._said.values() if said.is_awaited]
        return tuple(awaited[-_MOST_NOTED:])

    def give_up(self) -> None:
        """Its speaker is gone for good, and nobody answers any more: the rooms are told so."""
        for said in self._said.values():
            for lang in sorted(said.waits_for):
                self._miss(said, None, lang=lang, reason=SPEAKER_LEFT)
            self._miss_own(said, None, reason=SPEAKER_LEFT)

    def take(self, event: JobSettled) -> bool:
        """Show an outcome to who listens in its language; False where its speaker is to be told.

        That is where nobody listens, and where it failed in every language.
        """
        said = self._said.get(event.utterance_index)
        if said is None:
            return False
        lang = normalize(event.tgt_lang)
        result = event.outcome if isinstance(event.outcome, Result) else None
        self._show_own(said, event, result)
        if lang in said.waits_for:
            said.waits_for.discard(lang)
            said.grows.discard(lang)
            if result is not None and not result.is_empty:
                self._show_result(said, event, result, lang=lang)
                return True
            self._send(self._make_caption(said, event, lang=lang, reason=_name_reason(event)))
        elif lang in said.langs:
            return True  # it was told already
        is_asked_again = self._miss_own(said, event, reason=_name_reason(event))
        if lang not in said.langs and lang != said.recognized_as:
            return False
        return is_asked_again or said.is_shown or bool(said.waits_for)

    def take_missing(self, request: Request, *, reason: str) -> bool:
        """Say that an utterance was given up to who listens in its language."""
        job = request.assignment
        said, lang = self._said.get(job.utterance_index), normalize(job.tgt_lang)
        if said is None or lang not in (*said.langs, said.recognized_as):
            return False
        if lang in said.waits_for:
            self._miss(said, job, lang=lang, reason=reason)
        self._miss_own(said, job, reason=reason)
        return True

    def take_silence(self, event: JobSettled) -> None:
        """Nothing was said after all: who saw a part of it is told that no more will come."""
        said = self._said.get(event.utterance_index)
        if said is not None:
            self._let_go(said, event, reason="silence_detected")

    def call_off(self, request: Request, *, reason: str) -> None:
        """What was begun will not end under this index: who saw a part of it is told so."""
        said = self._said.get(request.assignment.utterance_index)
        if said is not None:
            self._let_go(said, request.assignment, reason=reason)

    def _let_go(self, said: SaidUtterance, event: JobSettled | Assignment, *, reason: str) -> None:
        lang = normalize(event.tgt_lang)
        said.waits_for.discard(lang)
        if lang in said.grows:
            self._miss(said, event, lang=lang, reason=reason)
        if not said.waits_for:
            said.own_lang, said.whole = "", None

    def _miss(
        self, said: SaidUtterance, event: JobSettled | Assignment | None, *, lang: str, reason: str
    ) -> None:
        said.waits_for.discard(lang)
        said.grows.discard(lang)
        self._send(self._make_caption(said, event, lang=lang, reason=reason))

    def _show_result(
        self, said: SaidUtterance, event: JobSettled, result: Result, *, lang: str
    ) -> None:
        said.is_shown = True
        self._send(
            self._make_caption(
                said,
                event,
                lang=lang,
                text=result.text_translated or result.text_asr,
                source_text=result.text_asr,
                audio=result.tts_audio,
                audio_format=result.tts_format,
            )
        )

    def take_part(self, event: TranslationHeard | ClauseSpoken, *, request: Request | None) -> bool:
        """Show what is translated so far; where those before did not leave yet, the next has it."""
        if request is None:
            return False
        job = request.assignment
        said, lang = self._said.get(job.utterance_index), normalize(job.tgt_lang)
        if said is None or lang not in said.langs:
            return False
        if lang not in said.waits_for:
            return True  # its end was told
        said.grows.add(lang)
        part = self._make_caption(said, job, lang=lang, is_final=False, attempt=event.attempt)
        match event:
            case TranslationHeard():
                part = msgspec.structs.replace(part, text=event.committed, tail=event.tail)
            case ClauseSpoken():
                speech = {"audio": event.audio, "audio_format": event.tts_format}
                part = msgspec.structs.replace(part, clause=event.seq, **speech)
        if len(self._leaving) < _MOST_PARTS:
            self._send(part)
        return True

    def _show_own(self, said: SaidUtterance, event: JobSettled, result: Result | None) -> None:
        """Show what was recognized, once, to who listens in the language it was said in."""
        if said.own_lang and result is not None and result.text_asr:
            lang, said.own_lang, said.whole = said.own_lang, "", None
            said.is_shown = True
            text = result.text_asr
            self._send(self._make_caption(said, event, lang=lang, text=text, source_text=text))

    def _miss_own(
        self, said: SaidUtterance, event: JobSettled | Assignment | None, *, reason: str
    ) -> bool:
        """Say that nobody recognized it, once no job is left that might have.

        Where nobody could for the languages that were wanted, somebody is asked to recognize it,
        and no more: a language that nobody serves silences no other. True where that is so.
        """
        if not said.own_lang or said.waits_for:
            return False
        if said.whole is not None and self._ask is not None and reason in _UNSERVED:
            request, said.whole = aim_at_words(said.whole, said.own_lang), None
            said.recognized_as = said.own_lang
            self._background.run(self._ask([request]), name="an utterance to recognize")
            return True
        lang, said.own_lang, said.whole = said.own_lang, "", None
        self._send(self._make_caption(said, event, lang=lang, reason=reason))
        return False

    def _make_caption(
        self, said: SaidUtterance, event: JobSettled | Assignment | None, *, lang: str, **what: Any
    ) -> Caption:
        place = said.place
        own = (place.own_lang,) if place.own_lang else ()
        return Caption(
            room_code=place.room_code,
            lang=lang,
            speaker_id=self._session_id,
            speaker_name=place.speaker_name,
            utterance_index=place.index,
            langs=(*place.langs, *own),
            at_ms=clock.now_ms(),
            job_id=event.job_id if event else "",
            trace_id=event.trace_id if event else "",
            **what,
        )

    def _send(self, caption: Caption) -> None:
        """Let captions leave one after the other."""
        self._leaving.append(caption)
        if not self._is_sending:
            self._is_sending = True
            self._background.run(self._send_all(), name="captions")

    async def _send_all(self) -> None:
        try:
            while self._leaving:
                await self._show(self._leaving.popleft())
        finally:
            self._is_sending = False

    async def _show(self, caption: Caption) -> None:
        """Show a caption with its speech as pages play it in rooms; without, where there is none.

        A clause that cannot be played is nothing at all: the result has its text.
        """
        if caption.audio and caption.audio_format != PCM16:
            speech = await make_pcm16(caption.audio, caption.audio_format)
            if not speech and caption.clause >= 0:
                return
            caption = msgspec.structs.replace(caption, audio=speech, audio_format=PCM16)
        await self._captions.show(caption)


def _name_reason(event: JobSettled) -> str:
    code = event.outcome.code if isinstance(event.outcome, Refused) else "silence_detected"
    return code.lower()
