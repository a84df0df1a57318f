"""English words out of PCM16 at 16 kHz: Moonshine where its wheel is, else pocketsphinx.

Both bring their model in their wheel; nothing is downloaded. Used in a process of its own only.
"""

import importlib
import importlib.util
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lingua_node import audio
from lingua_node.phrases import Phrases

_STEP_BYTES = audio.SAMPLE_RATE  # half a second between partial texts
# A guess costs as much as the sentence is long: a busy machine guesses less often, and keeps up.
_LARGEST_SHARE = 0.2
_FULL_SCALE = 32_768


class Recognizer(Protocol):
    """Hears one utterance at a time."""

    def recognize(self, pcm16: bytes) -> Iterator[tuple[str, bool]]:
        """Yield (text so far, False) any number of times, and at last (final text, True)."""
        ...


def can_stream() -> bool:
    """Whether what is installed here recognizes speech while it is spoken."""
    return importlib.util.find_spec("moonshine_voice") is not None


def is_installed() -> bool:
    return can_stream() or importlib.util.find_spec("pocketsphinx") is not None


def load() -> Recognizer:
    """Load the best that is installed, with its model."""
    return MoonshineRecognizer() if can_stream() else PocketsphinxRecognizer()


class MoonshineRecognizer:
    """Moonshine tiny, a network for short pieces of speech; a phrase is heard at a time."""

    def __init__(self) -> None:
        package = importlib.import_module("moonshine_voice")  # untyped, and optional
        transcriber = importlib.import_module("moonshine_voice.transcriber").Transcriber
        model = Path(package.get_assets_path()) / "tiny-en"
        options = {
            "identify_speakers": "false",
            "return_audio_data": "false",
            "vad_threshold": "0",  # we cut ourselves; its own cuts differ from run to run
        }
        self._transcriber = transcriber(str(model), package.ModelArch.TINY, options=options)
        # The first recognition is slower than the others.
        self.hear_phrase(bytes(2 * audio.SAMPLE_RATE))

    def recognize(self, pcm16: bytes) -> Iterator[tuple[str, bool]]:
        """Hear a recording: the same text as while it is spoken, and no guesses before it."""
        phrases = Phrases()
        heard = [self.hear_phrase(phrase) for phrase in [*phrases.hear(pcm16), phrases.read()]]
        yield " ".join(text for text in heard if text), True

    def listen(self, *, largest_share: float = _LARGEST_SHARE) -> "LiveUtterance":
        """Begin an utterance that is still being spoken; guesses take this share of the time."""
        return LiveUtterance(self.hear_phrase, largest_share=largest_share)

    def hear_phrase(self, pcm16: bytes) -> str:
        """Return the words of a phrase; none of an empty one."""
        if not pcm16:
            return ""
        heard = self._transcriber.transcribe_without_streaming(_to_floats(pcm16))
        return _read_lines(heard)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """All that was said so far."""

    sure: str
    """The phrases that have ended: they stay as they are."""
    rest: str
    """That which is still being spoken."""
    may_be_last: bool = False
    """The speaker fell silent: if nothing more comes, this is the final text."""

    @property
    def text(self) -> str:
        return f"{self.sure} {self.rest}".strip()


class LiveUtterance:
    """One utterance while it is spoken.

    A phrase is recognized for good when it ends. At the end of speech only the last one is left,
    and not even that where the speaker fell silent before.
    """

    def __init__(self, hear_phrase: Callable[[bytes], str], *, largest_share: float) -> None:
        self._hear_phrase = hear_phrase
        self._phrases = Phrases()
        self._rest_per_s = 1 / largest_share - 1
        self._unheard_bytes = 0
        self._rests_until_s = 0.0
        self._sure: list[str] = []
        self._heard, self._text = b"", ""  # the phrase when it was last recognized, and its words
        self._told = Guess(sure="", rest="")

    def hear(self, pcm16: bytes) -> None:
        """Take what was said next."""
        for phrase in self._phrases.hear(pcm16):
            if text := self._recognize(phrase):
                self._sure.append(text)
            self._heard, self._text = b"", ""
        self._unheard_bytes += len(pcm16)

    def guess(self) -> Guess | None:
        """Return the text so far if it is time to guess and it has changed."""
        if self._is_time():
            self._unheard_bytes = 0
            began_s = time.monotonic()
            self._recognize(self._phrases.read())
            now_s = time.monotonic()
            self._rests_until_s = now_s + (now_s - began_s) * self._rest_per_s
        guess = self._describe()
        if guess == self._told:
            return None
        self._told = guess
        return guess

    def end(self) -> str:
        """Return the final text."""
        self._recognize(self._phrases.read())
        return self._describe().text

    def _is_time(self) -> bool:
        # Whoever falls silent may have ended: then this guess is the last one, and made in time.
        if self._phrases.is_quiet:
            return True
        if self._phrases.is_ending:
            return False
        return self._unheard_bytes >= _STEP_BYTES and time.monotonic() >= self._rests_until_s

    def _recognize(self, phrase: bytes) -> str:
        if phrase != self._heard:
            self._heard, self._text = phrase, self._hear_phrase(phrase)
        return self._text

    def _describe(self) -> Guess:
        return Guess(sure=" ".join(self._sure), rest=self._text, may_be_last=self._phrases.is_quiet)


class PocketsphinxRecognizer:
    """A recognizer of the time before networks: small, everywhere, and wrong more often."""

    def __init__(self) -> None:
        decoder = importlib.import_module("pocketsphinx").Decoder  # untyped, and optional

        self._decoder = decoder(samprate=audio.SAMPLE_RATE, loglevel="FATAL")
        # A second, nearly idle decoder that only listens how loud and how colored a recording is.
        self._ear = decoder(samprate=audio.SAMPLE_RATE, lm=None, keyphrase="go", loglevel="FATAL")

    def recognize(self, pcm16: bytes) -> Iterator[tuple[str, bool]]:
        """Yield the text so far each time it grew, and at last the final one.

        The mean of the whole recording is measured first and given to the decoder: as good as
        decoding it in one piece, and nothing of the last speaker's microphone is carried over.
        """
        self._decoder.set_cmn(self._measure(pcm16))
        self._decoder.start_utt()
        text = ""
        for start in range(0, len(pcm16), _STEP_BYTES):
            self._decoder.process_raw(pcm16[start : start + _STEP_BYTES])
            if (heard := self._heard()) != text:
                text = heard
                yield text, False
        self._decoder.end_utt()
        yield self._heard(), True

    def _heard(self) -> str:
        hypothesis = self._decoder.hyp()
        return hypothesis.hypstr if hypothesis is not None else ""

    def _measure(self, pcm16: bytes) -> str:
        self._ear.start_utt()
        self._ear.process_raw(pcm16, no_search=True, full_utt=True)
        mean: str = self._ear.get_cmn(update=False)
        self._ear.end_utt()
        return mean


def _to_floats(pcm16: bytes) -> list[float]:
    samples = array("h", pcm16)
    return [sample / _FULL_SCALE for sample in samples]


def _read_lines(transcript: Any) -> str:
    """Return the lines as one text; some are empty."""
    return " ".join(text for line in transcript.lines if (text := line.text.strip()))
