"""Cutting a speaker's stream of audio chunks into utterances (J17, J-13).

A state machine without clock or timers: every call says what time it is and returns the cuts it
caused; `next_wakeup_at_ms` says when `on_tick` wants to be called if nothing happens before.

A reason to cut never cuts at once: it plans a cut for the end of its hang-over, and audio that
arrives until then belongs to the utterance being cut. A client's final marker may overtake its
last audio, so it plans a cut on an empty buffer too; if still nothing is there when the
hang-over ends, nothing happens and no index is used.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum

from sessions_app.audio import AudioFormat
from sessions_app.utterance_audio import UtteranceAudio


class CutReason(StrEnum):
    """Why an utterance ended."""

    PAUSE = "Pause"
    """A chunk came after a gap that the silence timer had not seen."""
    TIMEOUT = "Timeout"
    """The silence timer fired."""
    MAX_DURATION = "MaxDuration"
    IS_FINAL = "IsFinal"
    MAX_LENGTH = "MaxLength"
    SESSION_CLOSE = "SessionClose"


_RANK = {
    CutReason.PAUSE: 0,
    CutReason.TIMEOUT: 0,
    CutReason.MAX_DURATION: 1,
    CutReason.IS_FINAL: 2,
    CutReason.MAX_LENGTH: 3,
}
_SILENCE = frozenset({CutReason.PAUSE, CutReason.TIMEOUT})
# A node answers only jobs that carry a flag, so every reason but the two with
# flags of their own counts as a timeout.
_WITHOUT_TIMEOUT_FLAG = frozenset({CutReason.IS_FINAL, CutReason.MAX_DURATION})


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationSettings:
    """Where utterances end; all values are at least 0.

    :raises ValueError: a value is negative
    """

    pause_ms: int = 3000
    max_duration_ms: int = 20_000
    """Audio that forces a cut; 0 turns the limit off."""
    max_buffer_bytes: int = 500 * 1024
    """More than this forces a cut."""
    hangover_manual_ms: int = 200
    hangover_auto_ms: int = 150
    hangover_max_length_ms: int = 0
    padding_manual_ms: int = 280
    padding_auto_ms: int = 220
    padding_max_length_ms: int = 0
    short_merge_threshold_ms: int = 400
    """A silence cut of less audio is called off when more comes in its hang-over; 0 = never."""
    max_playback_ms: int = 30_000
    """How long a playback whose end is never reported may suspend the silence timer."""

    def __post_init__(self) -> None:
        for each in fields(self):
            if getattr(self, each.name) < 0:
                raise ValueError(f"{each.name} must not be negative")

    def hangover_ms(self, reason: CutReason) -> int:
        """Tell how long a cut for this reason keeps taking audio."""
        return self._by_reason(
            reason, self.hangover_manual_ms, self.hangover_max_length_ms, self.hangover_auto_ms
        )

    def padding_ms(self, reason: CutReason) -> int:
        """Tell the padding the node is asked to add."""
        return self._by_reason(
            reason, self.padding_manual_ms, self.padding_max_length_ms, self.padding_auto_ms
        )

    @staticmethod
    def _by_reason(reason: CutReason, manual: int, max_length: int, auto: int) -> int:
        if reason is CutReason.IS_FINAL:
            return manual
        return max_length if reason is CutReason.MAX_LENGTH else auto


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One utterance, ready to become a job. Its audio is never empty."""

    utterance_index: int
    audio: bytes
    audio_format: AudioFormat
    duration_ms: int
    reason: CutReason
    padding_ms: int
    turn_id: str
    first_received_at_ms: int
    last_received_at_ms: int

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
        return self.reason is CutReason.MAX_DURATION


@dataclass(frozen=True, slots=True)
class _PlannedCut:
    reason: CutReason
    due_at_ms: int


class Segmenter:
    """Cuts one session's chunks into utterances.

    Each utterance's format is read from its first chunk unless `audio_format` fixes it.
    Utterances of one turn of speech share a `turn_id`: a cut for maximum duration keeps the turn
    open, any other cut, a final marker or `pause_ms` of silence closes it.
    """

    __slots__ = (
        "_audio_format",
        "_buffer",
        "_heard_at_ms",
        "_marker_until_ms",
        "_new_turn_id",
        "_planned",
        "_playback_until_ms",
        "_sample_rate",
        "_settings",
        "_turn_id",
        "empty_marks",
        "next_utterance_index",
    )

    def __init__(
        self,
        *,
        settings: SegmentationSettings,
        new_turn_id: Callable[[], str],
        audio_format: AudioFormat | None = None,
        sample_rate: int = 16_000,
    ) -> None:
        self._settings = settings
        self._new_turn_id = new_turn_id
        self._audio_format = audio_format
        self._sample_rate = sample_rate
        self._buffer: UtteranceAudio | None = None
        self._planned: _PlannedCut | None = None
        self._marker_until_ms = 0
        self._heard_at_ms = 0
        self._playback_until_ms = 0
        self._turn_id: str | None = None
        self.next_utterance_index = 0
        self.empty_marks = 0
        """Final markers whose hang-over ended without audio, since the reader took them to 0."""

    @property
    def next_wakeup_at_ms(self) -> int | None:
        """When `on_tick` is wanted if nothing else happens; None when nothing is awaited."""
        return self._planned.due_at_ms if self._planned else self._silence_due_at_ms()

    def on_chunk(self, *, audio: bytes, is_final: bool, now_ms: int) -> list[Cut]:
        """Take a chunk, possibly empty; a final marker is a chunk with `is_final`.

        The chunk that reveals a gap or a limit belongs to the utterance it ends. Where several
        reasons meet, the later wins: gap, duration, final marker, size.
        """
        cuts = self._cut_if_due(now_ms)
        self._close_turn_if_silent(now_ms)
        if audio:
            after_gap = self._is_after_gap(now_ms)
            self._call_off_short_cut()
            self._append(audio, now_ms)
            if after_gap:
                self._plan(CutReason.PAUSE, now_ms)
            if self._is_too_long():
                self._plan(CutReason.MAX_DURATION, now_ms)
        self._heard_at_ms = now_ms
        if is_final:
            self._plan_manual(now_ms)
        if self._buffer and self._buffer.size_bytes > self._settings.max_buffer_bytes:
            self._plan(CutReason.MAX_LENGTH, now_ms)
        return cuts + self._cut_if_due(now_ms)

    def on_tts_started(self, *, now_ms: int) -> list[Cut]:
        """Suspend the silence timer until the playback ends or `max_playback_ms` have passed."""
        self._playback_until_ms = now_ms + self._settings.max_playback_ms
        return self._cut_if_due(now_ms)

    def on_tts_ended(self, *, now_ms: int) -> list[Cut]:
        """Start the silence timer afresh."""
        self._heard_at_ms = now_ms
        self._playback_until_ms = 0
        return self._cut_if_due(now_ms)

    def on_tick(self, *, now_ms: int) -> list[Cut]:
        """Do what is due; harmless when called early, late or twice."""
        cuts = self._cut_if_due(now_ms)
        self._close_turn_if_silent(now_ms)
        due_at_ms = self._silence_due_at_ms()
        if self._buffer and due_at_ms is not None and due_at_ms <= now_ms:
            self._plan(CutReason.TIMEOUT, now_ms)
        return cuts + self._cut_if_due(now_ms)

    def on_close(self, *, now_ms: int) -> list[Cut]:
        """Cut what is buffered without a hang-over: nothing more can come."""
        cuts = self._cut_if_due(now_ms)
        asked_for = self._planned is not None and self._planned.reason is CutReason.IS_FINAL
        self._planned = None
        self._marker_until_ms = 0
        if self._buffer or asked_for:
            cuts += self._take(CutReason.IS_FINAL if asked_for else CutReason.SESSION_CLOSE)
        self._turn_id = None
        return cuts

    def skip_index(self, utterance_index: int) -> None:
        """Note that the client chose this index for a whole utterance; ours go on behind it."""
        self.next_utterance_index = max(self.next_utterance_index, utterance_index + 1)

    def _append(self, audio: bytes, now_ms: int) -> None:
        if self._buffer:
            self._buffer.append(audio, now_ms=now_ms)
        else:
            self._buffer = UtteranceAudio(
                first=audio,
                audio_format=self._audio_format,
                sample_rate=self._sample_rate,
                now_ms=now_ms,
            )

    def _duration_ms(self) -> int:
        return self._buffer.duration_ms if self._buffer else 0

    def _is_too_long(self) -> bool:
        return 0 < self._settings.max_duration_ms <= self._duration_ms()

    def _silent_since_ms(self) -> int:
        # During playback this lies in the future, which is what suspends the timer.
        return max(self._heard_at_ms, self._playback_until_ms)

    def _silence_due_at_ms(self) -> int | None:
        if self._planned or (self._buffer is None and self._turn_id is None):
            return None
        return self._silent_since_ms() + self._settings.pause_ms

    def _is_after_gap(self, now_ms: int) -> bool:
        # Only a gap inside an utterance counts: the first chunk after a long silence
        # begins a new one, and cutting it off alone would split a word.
        if self._planned or self._buffer is None:
            return False
        return now_ms - self._silent_since_ms() > self._settings.pause_ms

    def _close_turn_if_silent(self, now_ms: int) -> None:
        due_at_ms = self._silence_due_at_ms()
        if self._buffer is None and due_at_ms is not None and due_at_ms <= now_ms:
            self._turn_id = None

    def _call_off_short_cut(self) -> None:
        if self._planned is None or self._planned.reason not in _SILENCE:
            return
        if self._duration_ms() < self._settings.short_merge_threshold_ms:
            self._planned = None

    def _plan(self, reason: CutReason, now_ms: int) -> None:
        due_at_ms = now_ms + self._settings.hangover_ms(reason)
        if self._planned:
            if _RANK[reason] <= _RANK[self._planned.reason]:
                return
            due_at_ms = min(due_at_ms, self._planned.due_at_ms)
        self._planned = _PlannedCut(reason, due_at_ms)

    def _plan_manual(self, now_ms: int) -> None:
        """Plan the cut a final marker asks for; never later than its own hang-over.

        The hang-over counts from the marker even when an automatic cut was about to happen,
        because the audio it waits for follows the marker. A second marker does not delay the
        first one's cut: it is remembered and acts on what arrives after that cut.
        """
        until_ms = now_ms + self._settings.hangover_manual_ms
        self._marker_until_ms = until_ms
        rank = _RANK[self._planned.reason] if self._planned else -1
        if rank < _RANK[CutReason.IS_FINAL] or self._buffer is None:
            self._planned = _PlannedCut(CutReason.IS_FINAL, until_ms)

    def _cut_if_due(self, now_ms: int) -> list[Cut]:
        if self._planned is None or self._planned.due_at_ms > now_ms:
            return []
        cuts = self._take(self._planned.reason)
        self._planned = None
        if self._marker_until_ms > now_ms:
            self._planned = _PlannedCut(CutReason.IS_FINAL, self._marker_until_ms)
        return cuts

    def _take(self, reason: CutReason) -> list[Cut]:
        buffer, turn_id = self._buffer, self._turn_id
        self._buffer = self._turn_id = None
        if buffer is None:
            self.empty_marks += 1
            return []
        turn_id = turn_id or self._new_turn_id()
        if reason is CutReason.MAX_DURATION:
            self._turn_id = turn_id
        cut = Cut(
            utterance_index=self.next_utterance_index,
            audio=buffer.join(),
            audio_format=buffer.audio_format,
            duration_ms=buffer.duration_ms,
            reason=reason,
            padding_ms=self._settings.padding_ms(reason),
            turn_id=turn_id,
            first_received_at_ms=buffer.first_received_at_ms,
            last_received_at_ms=buffer.last_received_at_ms,
        )
        self.next_utterance_index += 1
        return [cut]
