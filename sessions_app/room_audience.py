"""Who hears one speaker in its room: a request for each language, captions of what came of it."""

import collections
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from scheduling.model import clock
from scheduling.model.background import Background
from scheduling.model.errors import DependencyDown
from scheduling.model.events import ClauseSpoken, JobSettled, TranslationHeard
from scheduling.model.jobs import Assignment, Request
from scheduling.model.languages import AUTO, normalize
from scheduling.model.outcomes import Refused, Result
from scheduling.model.rooms import Caption
from scheduling.rooms.captions import Captions
from sessions_app import messages
from sessions_app.requests import aim_at
from sessions_app.room_speech import PCM16, make_pcm16

logger = logging.getLogger(__name__)

# Utterances whose place in the room is remembered, and captions that wait to leave.
_MOST_SAID, _MOST_PARTS = 256, 64


class _Said:
    """An utterance as its room has it; `langs` are those it was asked for in."""

    __slots__ = ("index", "is_shown", "langs", "own_lang", "waits_for")

    def __init__(self, *, index: int, langs: tuple[str, ...], own_lang: str) -> None:
        self.index = index
        self.langs = langs
        # Where somebody listens in the language it was said in, which needs no job of its own.
        self.own_lang = own_lang
        self.waits_for = set(langs)
        self.is_shown = False


class RoomAudience:
    """One session's listeners; outside a room nothing passes through it."""

    __slots__ = (
        "_background",
        "_captions",
        "_code",
        "_go_on_from",
        "_is_sending",
        "_leaving",
        "_name",
        "_said",
        "_session_id",
    )

    def __init__(
        self, *, session_id: str, captions: Captions, go_on_from: Callable[[int], None]
    ) -> None:
        self._session_id = session_id
        self._captions = captions
        self._go_on_from = go_on_from
        self._code = self._name = ""
        self._said: dict[int, _Said] = {}
        self._leaving: collections.deque[Caption] = collections.deque()
        self._is_sending = False
        self._background = Background()

    def enter(self, code: str, *, name: str) -> None:
        """What is said from now on is for a room."""
        self._code, self._name = code, name
        self._said.clear()

    def leave(self) -> None:
        """What is said from now on, and what is not answered yet, is for its speaker."""
        self._code = self._name = ""
        self._said.clear()

    def note_heard(self, utterance_index: int) -> None:
        """Another has this index: a page shows each once, whoever spoke."""
        self._go_on_from(utterance_index + 1)

    async def aim(self, requests: Sequence[Request]) -> Sequence[Request]:
        """Ask for an utterance in the languages that others in the room listen in (RM3).

        Where nobody does, its speaker is answered as ever; so it is where Redis does not answer.
        """
        if not self._code:
            return requests
        asked = requests[0].assignment
        said = self._said.get(asked.utterance_index)
        if said is None:
            with contextlib.suppress(DependencyDown):
                said = await self._find_place(asked.utterance_index, src_lang=asked.src_lang)
        if said is None or not said.langs:
            return requests
        return [aim_at(requests[0], lang) for lang in said.langs]

    async def _find_place(self, utterance_index: int, *, src_lang: str) -> _Said | None:
        audience = await self._captions.find_audience(
            self._code, member_id=self._session_id, own_index=utterance_index
        )
        if audience is None:
            return None
        src = normalize(src_lang)
        own_lang = src if src != AUTO and src in audience.langs else ""
        langs = tuple(lang for lang in audience.langs if lang != own_lang)
        if len(langs) > messages.MOST_TARGETS:
            logger.warning("more languages in a room than are served", extra={"room": self._code})
            langs = langs[: messages.MOST_TARGETS]
        said = _Said(index=audience.utterance_index, langs=langs, own_lang=own_lang)
        self._said[utterance_index] = said
        if len(self._said) > _MOST_SAID:
            del self._said[next(iter(self._said))]
        self._go_on_from(audience.utterance_index + 1)
        return said

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
        if lang not in said.langs:
            return False
        said.waits_for.discard(lang)
        if result is not None and not result.is_empty:
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
            return True
        code = event.outcome.code if isinstance(event.outcome, Refused) else "silence_detected"
        self._send(self._make_caption(said, event, lang=lang, reason=code.lower()))
        self._miss_own(said, event, reason=code.lower())
        return said.is_shown or bool(said.waits_for)

    def take_missing(self, request: Request, *, reason: str) -> bool:
        """Say that an utterance was given up to who listens in its language."""
        job = request.assignment
        said, lang = self._said.get(job.utterance_index), normalize(job.tgt_lang)
        if said is None or lang not in said.langs:
            return False
        said.waits_for.discard(lang)
        self._send(self._make_caption(said, job, lang=lang, reason=reason))
        self._miss_own(said, job, reason=reason)
        return True

    def take_part(self, event: TranslationHeard | ClauseSpoken, *, request: Request | None) -> bool:
        """Show what is translated so far; where those before did not leave yet, the next has it."""
        if request is None:
            return False
        job = request.assignment
        said, lang = self._said.get(job.utterance_index), normalize(job.tgt_lang)
        if said is None or lang not in said.langs:
            return False
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

    def _show_own(self, said: _Said, event: JobSettled, result: Result | None) -> None:
        """Show what was recognized, once, to who listens in the language it was said in."""
        if said.own_lang and result is not None and result.text_asr:
            lang, said.own_lang = said.own_lang, ""
            text = result.text_asr
            self._send(self._make_caption(said, event, lang=lang, text=text, source_text=text))

    def _miss_own(self, said: _Said, event: JobSettled | Assignment, *, reason: str) -> None:
        """Say that nobody recognized it, once no job is left that might have."""
        if said.own_lang and not said.waits_for:
            lang, said.own_lang = said.own_lang, ""
            self._send(self._make_caption(said, event, lang=lang, reason=reason))

    def _make_caption(
        self, said: _Said, event: JobSettled | Assignment, *, lang: str, **what: Any
    ) -> Caption:
        return Caption(
            room_code=self._code,
            lang=lang,
            speaker_id=self._session_id,
            speaker_name=self._name,
            utterance_index=said.index,
            at_ms=clock.now_ms(),
            job_id=event.job_id,
            trace_id=event.trace_id,
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
