"""Cutting a speaker's stream of audio chunks into utterances (J17, J-13).

A state machine without clock or timers: every call says what time it is and returns the cuts it
caused; `next_wakeup_at_ms` says when `on_tick` wants to be called if nothing happens before.

A reason to cut never cuts at once: it plans a cut for the end of its hang-over, and audio that
arrives until then belongs to the utterance being cut. A client's final marker may overtake its
last audio, so it plans a cut on an empty buffer too; if still nothing is there when the
hang-over ends, nothing happens and no index is used. One reason needs no hang-over: somebody spoke
and has been quiet for long enough. That is a place in the audio, no moment: the chunk is cut there.

A client may mark the end of silence again and again. So what is without voice right after a cut is
no utterance: its markers are ignored, and it goes along with what is said next, or is dropped with
the silence that ends it. Nothing that might be speech is lost by it.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

from sessions_app.audio import AudioFormat
from sessions_app.cuts import LENGTH_REASONS, Cut, CutReason, SegmentationSettings
from sessions_app.opus_packing import cut_in_slices
from sessions_app.speech_end import SETTLE_MS, SpeechEnd
from sessions_app.utterance_audio import MakeEar, UtteranceAudio
from sessions_app.voice import Pcm16Voice
from sessions_app.voice_detectors import VoiceActivity, find_detector

# A chunk is taken in by slices, so that one of a minute is cut like a minute of chunks.
_SLICE_BYTES = 16_384
# Two frames of a detector that now and then is wrong about one.
_VOICE_MS = 60
_RANK = {
    CutReason.PAUSE: 0,
    CutReason.TIMEOUT: 0,
    CutReason.MAX_LENGTH: 1,
    CutReason.MAX_DURATION: 1,
    CutReason.IS_FINAL: 2,
}
_SILENCE = frozenset({CutReason.PAUSE, CutReason.TIMEOUT})


@dataclass(frozen=True, slots=True)
class _PlannedCut:
    reason: CutReason
    due_at_ms: int


class Segmenter:
    """Cuts one session's chunks into utterances.

    Each utterance's format is what all of it is unless `audio_format` fixes it. Utterances of one
    turn of speech share a `turn_id`: a cut for duration or size keeps the turn open, any other cut,
    a final marker or `pause_ms` of silence closes it. Without `listens` everything counts as voice.
    """

    __slots__ = (
        "_audio_format",
        "_buffer",
        "_carried",
        "_heard_at_ms",
        "_listens",
        "_marker_until_ms",
        "_new_turn_id",
        "_planned",
        "_playback_until_ms",
        "_quiet_until_ms",
        "_settings",
        "_trusts_encoder",
        "_turn_id",
        "_voice",
        "empty_marks",
        "next_utterance_index",
        "sample_rate",
    )

    def __init__(
        self,
        *,
        settings: SegmentationSettings,
        new_turn_id: Callable[[], str],
        audio_format: AudioFormat | None = None,
        sample_rate: int = 16_000,
        listens: bool = False,
    ) -> None:
        self._settings = settings
        self._new_turn_id = new_turn_id
        self._audio_format = audio_format
        self.sample_rate = sample_rate
        """Of PCM16; a change counts from the next utterance on."""
        self._listens = listens
        self._voice: Pcm16Voice | None = None
        self._trusts_encoder = False
        self._quiet_until_ms = 0
        self._buffer: UtteranceAudio | None = None
        self._carried = b""
        self._planned: _PlannedCut | None = None
        self._marker_until_ms = 0
        self._heard_at_ms = 0
        self._playback_until_ms = 0
        self._turn_id: str | None = None
        self.next_utterance_index = 0
        self.empty_marks = 0
        """Markers that ended nothing, since the reader took them to 0: no audio came, or no voice
        right after a cut."""

    @property
    def next_wakeup_at_ms(self) -> int | None:
        """When `on_tick` is wanted if nothing else happens; None when nothing is awaited."""
        return self._planned.due_at_ms if self._planned else self._silence_due_at_ms()

    @property
    def is_empty(self) -> bool:
        """Say whether the next chunk begins an utterance."""
        return self._buffer is None

    @property
    def utterance(self) -> UtteranceAudio | None:
        """What is being said, or the silence before."""
        return self._buffer

    @property
    def carries(self) -> bool:
        """Say whether a chunk's last bytes go along with the next."""
        return bool(self._carried)

    @property
    def held_bytes(self) -> int:
        """How much audio waits for the end of its utterance."""
        return self._buffer.size_bytes if self._buffer else 0

    def on_chunk(self, *, audio: bytes, is_final: bool, now_ms: int) -> list[Cut]:
        """Take a chunk, possibly empty; a final marker is a chunk with `is_final`.

        The chunk that reveals a gap or a limit belongs to the utterance it ends. Where several
        reasons meet, the later wins: gap, duration or size, final marker.
        """
        slices = [audio]
        may_be_opus = self._audio_format is not AudioFormat.PCM16
        if len(audio) > _SLICE_BYTES:
            slices = list(cut_in_slices(audio, most_bytes=_SLICE_BYTES, may_be_opus=may_be_opus))
        cuts = [cut for part in slices for cut in self._take_slice(part, now_ms)]
        if is_final:
            self._plan_manual(now_ms)
        return cuts + self._cut_if_due(now_ms)

    def _take_slice(self, audio: bytes, now_ms: int) -> list[Cut]:
        cuts = self._cut_if_due(now_ms)
        self._close_turn_if_silent(now_ms)
        while audio:
            after_gap = self._is_after_gap(now_ms)
            self._call_off_short_cut()
            buffer, audio = self._append(audio, now_ms)
            if buffer.has_ended:
                self._planned = None
                cuts += self._take(CutReason.QUIET, now_ms)
                continue
            if after_gap:
                self._plan(CutReason.PAUSE, now_ms)
            if not buffer.awaits_speech:
                self._plan_for_length(now_ms)
        self._heard_at_ms = now_ms
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
            cuts += self._take(CutReason.IS_FINAL if asked_for else CutReason.SESSION_CLOSE, now_ms)
        self._buffer = self._turn_id = None
        self._carried = b""
        return cuts

    def find_spoken(self) -> UtteranceAudio | None:
        """Return what is being said, numbered from now on; None before somebody surely speaks."""
        buffer = self._buffer
        if buffer is None or buffer.spoken_format is None:
            return None
        if buffer.index is None:
            if not buffer.has_voice(trusts_encoder=self._trusts_encoder, least_ms=_VOICE_MS):
                return None
            buffer.index = self.next_utterance_index
            self.next_utterance_index += 1
        return buffer

    def skip_index(self, utterance_index: int) -> None:
        """Note that the client chose this index for a whole utterance; ours go on behind it."""
        self.next_utterance_index = max(self.next_utterance_index, utterance_index + 1)

    def _append(self, audio: bytes, now_ms: int) -> tuple[UtteranceAudio, bytes]:
        """Add to the utterance, or begin one; return it, and what lies behind its end."""
        buffer = self._buffer
        if buffer is None:
            buffer = self._buffer = self._begin_utterance(now_ms)
            audio, self._carried = self._carried + audio, b""
        is_marked = self._planned is not None and self._planned.reason is CutReason.IS_FINAL
        rest = buffer.append(audio, now_ms=now_ms, stops=not is_marked)
        self._trusts_encoder = self._trusts_encoder or buffer.encoder_heard_voice
        return buffer, rest

    def _begin_utterance(self, now_ms: int) -> UtteranceAudio:
        settle_ms = 0
        if self._listens and (self._voice is None or self._voice.sample_rate != self.sample_rate):
            self._voice = Pcm16Voice(
                sample_rate=self.sample_rate, make_detector=find_detector(self._settings.vad)
            )
            settle_ms = SETTLE_MS
        make_ear: MakeEar | None = None
        if self._listens and self._settings.vad is not VoiceActivity.OFF:
            make_ear = functools.partial(
                SpeechEnd,
                quiet_ms=self._settings.quiet_ms,
                is_speaking=self._turn_id is not None,
                settle_ms=settle_ms,
            )
        return UtteranceAudio(
            audio_format=self._audio_format,
            sample_rate=self.sample_rate,
            voice=self._voice,
            now_ms=now_ms,
            trusts_encoder=self._trusts_encoder,
            make_ear=make_ear,
        )

    def _duration_ms(self) -> int:
        return self._buffer.duration_ms if self._buffer else 0

    def _plan_for_length(self, now_ms: int) -> None:
        """Plan a cut of what is long; what is overlong although its hang-over runs is cut now."""
        settings, duration_ms = self._settings, self._duration_ms()
        size_bytes = self._buffer.size_bytes if self._buffer else 0
        most_bytes = settings.most_bytes(sample_rate=self.sample_rate)
        if 0 < settings.max_duration_ms <= duration_ms:
            self._plan(CutReason.MAX_DURATION, now_ms)
        if size_bytes > most_bytes:
            self._plan(CutReason.MAX_LENGTH, now_ms)
        is_overlong = 0 < settings.overlong_ms <= duration_ms
        if self._planned and (is_overlong or size_bytes > most_bytes + most_bytes // 8):
            reason = CutReason.MAX_DURATION if is_overlong else CutReason.MAX_LENGTH
            if self._planned.reason is not CutReason.IS_FINAL:
                reason = self._planned.reason
            self._planned = _PlannedCut(reason, now_ms)

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
            self._turn_id, self._carried = None, b""

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
        reason, self._planned = self._planned.reason, None
        cuts = self._take(reason, now_ms)
        if self._marker_until_ms > now_ms:
            self._planned = _PlannedCut(CutReason.IS_FINAL, self._marker_until_ms)
        return cuts

    def _is_silence(self, reason: CutReason) -> bool:
        """Say whether nobody spoke: long before anybody did, or since a cut; never in a turn."""
        buffer = self._buffer
        if buffer is None or self._turn_id is not None:
            return False
        if buffer.is_silence:
            return True
        may_be = reason is CutReason.QUIET or buffer.first_received_at_ms <= self._quiet_until_ms
        return may_be and not buffer.has_voice(
            trusts_encoder=self._trusts_encoder, least_ms=_VOICE_MS
        )

    def _take(self, reason: CutReason, now_ms: int) -> list[Cut]:
        if self._is_silence(reason):
            self.empty_marks += 1
            if reason is not CutReason.IS_FINAL:
                self._buffer = None
            self._quiet_until_ms = now_ms + self._settings.pause_ms
            return []
        buffer, turn_id = self._buffer, self._turn_id
        self._buffer = self._turn_id = None
        audio, rest = buffer.join() if buffer else (b"", b"")
        if buffer is None or not audio:
            self.empty_marks += 1
            return []
        turn_id = turn_id or self._new_turn_id()
        if reason in LENGTH_REASONS:
            self._turn_id, self._carried = turn_id, rest
        else:
            self._quiet_until_ms = now_ms + self._settings.pause_ms
        index = self.next_utterance_index if buffer.index is None else buffer.index
        cut = Cut(
            utterance_index=index,
            audio=audio,
            audio_format=buffer.audio_format,
            sample_rate=buffer.sample_rate,
            duration_ms=buffer.measure(buffer.audio_format),
            reason=reason,
            padding_ms=self._settings.padding_ms(reason),
            turn_id=turn_id,
            first_received_at_ms=buffer.first_received_at_ms,
            last_received_at_ms=buffer.last_received_at_ms,
            speech_ended_at_ms=buffer.speech_ended_at_ms,
        )
        self.next_utterance_index = max(self.next_utterance_index, index + 1)
        return [cut]
