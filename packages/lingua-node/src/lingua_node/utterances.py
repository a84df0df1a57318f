"""What a speaker said and has no answer to, or is not known to have been heard."""

import asyncio
import collections
from typing import Any

from lingua_node.line import SpeakerRefused
from lingua_node.speaker_messages import MissingResult, TranslationResult

_MOST_OUTCOMES = 1_000

Answer = asyncio.Future[TranslationResult]
Taken = asyncio.Future[None]
Utterance = dict[str, Any]


class Utterances:
    """Numbers utterances; says which to say again; knows outcomes that came before."""

    def __init__(self) -> None:
        self._next_index = 0
        self._waiting: dict[int, tuple[Utterance, Answer]] = {}
        self._trusted: dict[int, tuple[Utterance, Taken]] = {}
        self._told: collections.OrderedDict[tuple[str, int, str], None] = collections.OrderedDict()

    def count(self) -> int:
        """Return the number of the next utterance."""
        index, self._next_index = self._next_index, self._next_index + 1
        return index

    def wait(self, frame: Utterance) -> Answer:
        """Return where the answer to an utterance will be."""
        answer: Answer = asyncio.get_running_loop().create_future()
        self._waiting[frame["utterance_index"]] = frame, answer
        return answer

    def trust(self, frame: Utterance) -> Taken:
        """Return what is done once an utterance is known to have been heard; it has no answer."""
        taken: Taken = asyncio.get_running_loop().create_future()
        self._trusted[frame["utterance_index"]] = frame, taken
        return taken

    def forget(self, frame: Utterance) -> None:
        """No answer is waited for any more."""
        self._waiting.pop(frame["utterance_index"], None)

    def note_taken(self, frame: Utterance) -> None:
        """An utterance was heard."""
        _, taken = self._trusted.pop(frame["utterance_index"], (None, None))
        if taken is not None and not taken.done():
            taken.set_result(None)

    def list_unheard(self, session_id: str) -> list[Utterance]:
        """Return what is to be said again on another socket, maybe as of another session."""
        said = sorted((self._waiting | self._trusted).items())
        frames = [frame for _, (frame, _) in said]
        for frame in frames:
            frame["session_id"] = session_id
        return frames

    def take(self, outcome: TranslationResult | MissingResult, *, own_id: str) -> bool:
        """Answer whoever waits for an outcome; False where it was told before."""
        speaker_id = outcome.session_id or own_id
        key = speaker_id, outcome.utterance_index, outcome.tgt_lang
        if key in self._told:
            return False
        self._told[key] = None
        if len(self._told) > _MOST_OUTCOMES:
            self._told.popitem(last=False)
        _, answer = self._waiting.get(outcome.utterance_index, (None, None))
        if answer is None or answer.done() or speaker_id != own_id:
            return True
        if isinstance(outcome, TranslationResult):
            answer.set_result(outcome)
        else:
            answer.set_exception(SpeakerRefused("nobody could answer", code=outcome.reason))
        return True

    def refuse(self, error: SpeakerRefused, *, trace_id: str) -> None:
        """Refuse what an error names; what names none is about the oldest that waits."""
        every = list(self._waiting.values())
        named = [answer for frame, answer in every if trace_id and frame["trace_id"] == trace_id]
        for answer in named or [answer for _, answer in every[:1]]:
            if not answer.done():
                answer.set_exception(error)

    def end(self, error: Exception) -> None:
        """The session is over."""
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(error)
        for _, taken in self._trusted.values():
            if not taken.done():
                taken.set_exception(error)
