"""English words out of PCM16 at 16 kHz: Moonshine where its wheel is, else pocketsphinx.

Both bring their model in their wheel; nothing is downloaded. Used in a process of its own only.
"""

import importlib
import importlib.util
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from lingua_node import audio

_STEP_BYTES = audio.SAMPLE_RATE  # half a second between partial texts
# A guess costs as much as the sentence is long: a busy machine guesses less often, and keeps up.
_LARGEST_SHARE = 0.5
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
    """Moonshine tiny, a network for short pieces of speech that also hears where sentences end."""

    def __init__(self) -> None:
        package = importlib.import_module("moonshine_voice")  # untyped, and optional
        transcriber = importlib.import_module("moonshine_voice.transcriber").Transcriber
        model = Path(package.get_assets_path()) / "tiny-en"
        options = {"identify_speakers": "false", "return_audio_data": "false"}
        self._transcriber = transcriber(str(model), package.ModelArch.TINY, options=options)
        # The first recognition is slower than the others.
        self._transcriber.transcribe_without_streaming([0.0] * audio.SAMPLE_RATE)

    def recognize(self, pcm16: bytes) -> Iterator[tuple[str, bool]]:
        """Hear a recording in one piece: the least work, and no text before the last."""
        heard = self._transcriber.transcribe_without_streaming(_to_floats(pcm16))
        yield _read_lines(heard), True

    def listen(self, *, largest_share: float = _LARGEST_SHARE) -> "LiveUtterance":
        """Begin an utterance that is still being spoken; guesses take this share of the time."""
        return LiveUtterance(self._transcriber, largest_share=largest_share)


class LiveUtterance:
    """One utterance while it is spoken."""

    def __init__(self, transcriber: Any, *, largest_share: float) -> None:
        # We decide ourselves when to guess: its own interval knows nothing of a backlog.
        self._transcriber = transcriber
        self._stream = transcriber.create_stream(update_interval=float("inf"))
        self._stream.start()
        self._rest_per_s = 1 / largest_share - 1
        self._unheard_bytes = 0
        self._rests_until_s = 0.0
        self._text = ""

    def hear(self, pcm16: bytes) -> None:
        """Take what was said next."""
        self._stream.add_audio(_to_floats(pcm16))
        self._unheard_bytes += len(pcm16)

    def guess(self) -> str | None:
        """Return the text so far if it is time to guess and it has changed."""
        began_s = time.monotonic()
        if self._unheard_bytes < _STEP_BYTES or began_s < self._rests_until_s:
            return None
        self._unheard_bytes = 0
        text = _read_lines(self._stream.update_transcription())
        now_s = time.monotonic()
        self._rests_until_s = now_s + (now_s - began_s) * self._rest_per_s
        if text == self._text:
            return None
        self._text = text
        return text

    def end(self) -> str:
        """Return the final text.

        The library's own `stop` ends with its last guess and passes over what came after it; one
        that is forced hears everything.
        """
        if self._unheard_bytes:
            everything = self._transcriber.MOONSHINE_FLAG_FORCE_UPDATE
            self._text = _read_lines(self._stream.update_transcription(everything))
        return self._text

    def close(self) -> None:
        """Free what the utterance held."""
        self._stream.close()


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
