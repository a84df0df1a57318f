"""Where an utterance may end and why, and what it is when it has ended."""

from dataclasses import dataclass, fields
from enum import StrEnum

from sessions_app.audio import AudioFormat
from sessions_app.opus_packing import MAX_OPUS_PACKET_BYTES
from sessions_app.voice_detectors import VoiceActivity

# RFC 6716: the most that 20 ms of Opus take, with their length; for PCM16 see below.
_MOST_OPUS_BYTES_PER_S = 50 * (2 + MAX_OPUS_PACKET_BYTES)
_PCM16_SAMPLE_BYTES = 2
# Opus of a voice, as pages send it, takes at least as much.
_LEAST_BYTES_PER_S = 2_000


class CutReason(StrEnum):
    """Why an utterance ended."""

    PAUSE = "Pause"
    """A chunk came after a gap that the silence timer had not seen."""
    TIMEOUT = "Timeout"
    """The silence timer fired."""
    QUIET = "Quiet"
    """Somebody spoke, and was quiet for long enough."""
    MAX_DURATION = "MaxDuration"
    IS_FINAL = "IsFinal"
    MAX_LENGTH = "MaxLength"
    SESSION_CLOSE = "SessionClose"


# Cut in the middle of speech: the turn goes on.
LENGTH_REASONS = frozenset({CutReason.MAX_DURATION, CutReason.MAX_LENGTH})
# A node answers only jobs that carry a flag, so every reason but those with
# flags of their own counts as a timeout.
_WITHOUT_TIMEOUT_FLAG = frozenset({CutReason.IS_FINAL}) | LENGTH_REASONS


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationSettings:
    """Where utterances end; all numbers are at least 0.

    :raises ValueError: a value is negative
    """

    pause_ms: int = 3000
    max_duration_ms: int = 20_000
    """Audio that forces a cut; 0 turns the limit off."""
    max_buffer_bytes: int = 500 * 1024
    """More than this forces a cut, but never before `max_duration_ms`."""
    hangover_manual_ms: int = 200
    hangover_auto_ms: int = 150
    padding_manual_ms: int = 280
    padding_auto_ms: int = 220
    short_merge_threshold_ms: int = 400
    """A silence cut of less audio is called off when more comes in its hang-over; 0 = never."""
    max_playback_ms: int = 30_000
    """How long a playback whose end is never reported may suspend the silence timer."""
    quiet_ms: int = 700
    """Audio without voice that, after speech, ends an utterance."""
    vad: VoiceActivity = VoiceActivity.ON

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.name != "vad" and getattr(self, each.name) < 0:
                raise ValueError(f"{each.name} must not be negative")

    def hangover_ms(self, reason: CutReason) -> int:
        """Tell how long a cut for this reason keeps taking audio."""
        is_manual = reason is CutReason.IS_FINAL
        return self.hangover_manual_ms if is_manual else self.hangover_auto_ms

    def padding_ms(self, reason: CutReason) -> int:
        """Tell the padding the node is asked to add."""
        is_manual = reason is CutReason.IS_FINAL
        return self.padding_manual_ms if is_manual else self.padding_auto_ms

    def most_bytes(self, *, sample_rate: int) -> int:
        """Tell how much one utterance may hold: room for its longest, in any form there is."""
        bytes_per_s = max(_MOST_OPUS_BYTES_PER_S, sample_rate * _PCM16_SAMPLE_BYTES)
        return max(self.max_buffer_bytes, bytes_per_s * self.overlong_ms // 1000)

    @property
    def overlong_ms(self) -> int:
        """Tell at which duration a cut waits for no hang-over any more; 0 for none."""
        return self.max_duration_ms and self.max_duration_ms + self.hangover_auto_ms

    @property
    def longest_ms(self) -> int:
        """Tell after how long whoever speaks without a break is surely cut."""
        alone_ms = self.max_buffer_bytes * 1000 // _LEAST_BYTES_PER_S
        speech_ms = self.overlong_ms or alone_ms
        return speech_ms + self.pause_ms + self.max_playback_ms + self.hangover_manual_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One utterance, ready to become a job. Its audio is never empty."""

    utterance_index: int
    audio: bytes
    audio_format: AudioFormat
    sample_rate: int
    duration_ms: int
    reason: CutReason
    padding_ms: int
    turn_id: str
    first_received_at_ms: int
    last_received_at_ms: int
    speech_ended_at_ms: int
    """When the last voice was heard; the last audio, where nobody listened for it."""

    @property
    def is_manual_cut(self) -> bool:
        return self.reason is CutReason.IS_FINAL

    @property
    def is_timeout_triggered(self) -> bool:
        return self.reason not in _WITHOUT_TIMEOUT_FLAG

    @property
    def is_pause_triggered(self) -> bool:
        return self.reason is CutReason.PAUSE

    @property
    def is_max_duration_triggered(self) -> bool:
        return self.reason in LENGTH_REASONS
