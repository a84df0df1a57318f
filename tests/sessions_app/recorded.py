"""Real audio: a sentence, silence and noise, as PCM16 and as real Opus packets."""

import functools
import random
import wave
from array import array
from pathlib import Path

from lingua_node import opus
from lingua_node.audio import split_packets

_CLIPS = Path(opus.__file__).parent / "clips"
PCM_LIKE_OPUS = (Path(__file__).parent / "pcm_like_opus.raw").read_bytes()
"""20 ms of speech in PCM16 over whose lengths one can walk to the end, as if they were packets."""


def pack(*packets: bytes) -> bytes:
    """Put each packet behind its length."""
    return b"".join(len(packet).to_bytes(2, "little") + packet for packet in packets)


@functools.cache
def speech_as_pcm16() -> bytes:
    """A sentence of 2.8 s, 16 kHz."""
    with wave.open(str(_CLIPS / "go_forward_ten_meters.wav")) as clip:
        return clip.readframes(clip.getnframes())


def quieter(pcm16: bytes, *, by: float) -> bytes:
    """The same, as if spoken from afar."""
    return array("h", [int(sample * by) for sample in array("h", pcm16)]).tobytes()


def resample(audio: bytes, rate: int) -> bytes:
    """The same at another rate, each sample held; it sounds rough, and is speech."""
    samples = array("h", audio)
    length = len(samples) * rate // 16_000
    return array("h", [samples[at * 16_000 // rate] for at in range(length)]).tobytes()


def noise(duration_ms: int, *, loudness: float) -> bytes:
    """A room in which nobody speaks; `loudness` is the deviation of its samples."""
    rng = random.Random(3)
    samples = (int(rng.gauss(0, loudness)) for _ in range(duration_ms * 16))
    return array("h", samples).tobytes()


@functools.cache
def speech_as_opus() -> list[bytes]:
    """The same sentence as packets."""
    return as_opus(speech_as_pcm16())


def as_opus(pcm16: bytes) -> list[bytes]:
    """Encode as web clients do."""
    return split_packets(opus.encode(pcm16))
