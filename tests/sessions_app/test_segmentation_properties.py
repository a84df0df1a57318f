"""Whatever a speaker does and however late the timer is, no audio is lost, doubled or moved."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.audio import AudioFormat
from sessions_app.cuts import LENGTH_REASONS, Cut, CutReason, SegmentationSettings
from tests.sessions_app.speaker_timeline import Timeline

pytestmark = pytest.mark.req("J17")

PADDING_AND_FLAGS = {
    # reason: padding_ms, manual, timeout, pause, max duration
    CutReason.IS_FINAL: (280, True, False, False, False),
    CutReason.PAUSE: (220, False, True, True, False),
    CutReason.TIMEOUT: (220, False, True, False, False),
    CutReason.MAX_DURATION: (220, False, False, False, True),
    CutReason.MAX_LENGTH: (220, False, False, False, True),
    CutReason.SESSION_CLOSE: (220, False, True, False, False),
}


@dataclass(frozen=True)
class Event:
    kind: Literal["chunk", "final", "tts_started", "tts_ended", "close", "tick"]
    after_ms: int
    audio_bytes: int = 0


delays = st.one_of(
    st.integers(0, 300), st.sampled_from([149, 150, 151, 199, 200, 2999, 3000, 3001, 9000])
)
sizes = st.one_of(st.integers(0, 4000), st.sampled_from([0, 1, 8192, 16_384, 40_000]))
events = st.lists(
    st.one_of(
        st.builds(Event, st.sampled_from(["chunk", "chunk", "final"]), delays, sizes),
        st.builds(Event, st.sampled_from(["tts_started", "tts_ended", "close", "tick"]), delays),
    ),
    max_size=40,
)
segmentation_settings = st.builds(
    SegmentationSettings,
    max_duration_ms=st.sampled_from([0, 300, 1000, 20_000]),
    max_buffer_bytes=st.sampled_from([5000, 20_000, 512_000]),
    hangover_manual_ms=st.sampled_from([0, 200]),
    hangover_auto_ms=st.sampled_from([0, 150]),
    short_merge_threshold_ms=st.sampled_from([0, 400]),
    max_playback_ms=st.sampled_from([0, 5000]),
)


@dataclass
class Played:
    timeline: Timeline
    fed: bytes
    fed_by: list[tuple[int, int, bool]]  # time, bytes fed until then, whether a marker came
    end_ms: int

    @property
    def cuts(self) -> list[Cut]:
        return [cut for _, cut in self.timeline.cuts]


def make_audio(serial: Iterator[int], audio_bytes: int, audio_format: AudioFormat) -> bytes:
    """Whole samples, or whole packets, of about as many bytes, no two alike."""
    content = bytes(itertools.islice(serial, audio_bytes // 2 * 2))
    if audio_format is AudioFormat.PCM16:
        return content
    packets = (content[begin : begin + 60] for begin in range(0, len(content), 60))
    return b"".join(len(packet).to_bytes(2, "little") + packet for packet in packets)


def play(
    story: list[Event], limits: SegmentationSettings, *, prompt: bool, audio_format: AudioFormat
) -> Played:
    """Play the story; prompt = the timer is always in time, else only the story's ticks come."""
    timeline = Timeline(settings=limits, audio_format=audio_format, has_timer=prompt)
    played = Played(timeline, b"", [], 0)
    serial = itertools.cycle(range(251))
    now_ms = 0
    for event in story:
        now_ms += event.after_ms
        match event.kind:
            case "chunk" | "final":
                audio = make_audio(serial, event.audio_bytes, audio_format)
                is_final = event.kind == "final"
                timeline.chunk(now_ms, audio, is_final=is_final)
                played.fed += audio
                played.fed_by.append((now_ms, len(played.fed), is_final))
            case kind:
                getattr(timeline, kind)(now_ms)
    played.end_ms = now_ms
    return played


formats = st.sampled_from(AudioFormat)


@settings(max_examples=300, deadline=None)
@given(events, segmentation_settings, st.booleans(), formats)
def test_the_cuts_are_the_audio_in_order_and_contiguous(story, limits, prompt, audio_format):
    played = play(story, limits, prompt=prompt, audio_format=audio_format)
    played.timeline.close(played.end_ms)

    assert b"".join(cut.audio for cut in played.cuts) == played.fed
    assert [cut.utterance_index for cut in played.cuts] == list(range(len(played.cuts)))
    assert all(cut.audio for cut in played.cuts)
    assert played.timeline.segmenter.next_wakeup_at_ms is None


@settings(max_examples=300, deadline=None)
@given(events, segmentation_settings, st.booleans(), formats)
def test_every_cut_explains_itself(story, limits, prompt, audio_format):
    played = play(story, limits, prompt=prompt, audio_format=audio_format)
    played.timeline.close(played.end_ms)
    most_bytes = limits.most_bytes(sample_rate=16_000)

    for at_ms, cut in played.timeline.cuts:
        assert PADDING_AND_FLAGS[cut.reason] == (
            cut.padding_ms,
            cut.is_manual_cut,
            cut.is_timeout_triggered,
            cut.is_pause_triggered,
            cut.is_max_duration_triggered,
        )
        assert cut.first_received_at_ms <= cut.last_received_at_ms <= at_ms
        assert len(cut.audio) <= most_bytes + most_bytes // 8 + 16_384
        assert cut.reason is not CutReason.MAX_LENGTH or len(cut.audio) > most_bytes
        if cut.reason is CutReason.MAX_DURATION:
            assert cut.duration_ms >= limits.max_duration_ms > 0
    for earlier, later in itertools.pairwise(played.cuts):
        if earlier.turn_id == later.turn_id:
            assert earlier.reason in LENGTH_REASONS


@settings(max_examples=200, deadline=None)
@given(events, segmentation_settings, formats)
def test_a_marker_is_obeyed_within_its_hang_over(story, limits, audio_format):
    played = play(story, limits, prompt=True, audio_format=audio_format)
    played.timeline.run_until(played.end_ms + 100_000)

    for marker_at_ms, fed_bytes, is_final in played.fed_by:
        due_at_ms = marker_at_ms + limits.hangover_manual_ms
        cut_bytes = sum(len(cut.audio) for at, cut in played.timeline.cuts if at <= due_at_ms)
        assert not is_final or cut_bytes >= fed_bytes


@settings(max_examples=200, deadline=None)
@given(events, segmentation_settings, formats)
def test_silence_ends_everything_in_bounded_time_without_a_close(story, limits, audio_format):
    played = play(story, limits, prompt=True, audio_format=audio_format)
    longest_ms = (
        limits.max_playback_ms
        + limits.pause_ms
        + max(limits.hangover_auto_ms, limits.hangover_manual_ms)
    )
    played.timeline.run_until(played.end_ms + longest_ms + 1)

    assert sum(len(cut.audio) for cut in played.cuts) == len(played.fed)
    assert played.timeline.segmenter.next_wakeup_at_ms is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 50)), max_size=30))
def test_indices_ascend_behind_the_clients_own(choices):
    """None is a chunk cut by its marker, a number an utterance with an index of its own."""
    timeline = Timeline()
    seen = -1
    for step, chosen in enumerate(choices):
        if chosen is None:
            timeline.chunk(step * 1000, b"\0\0", is_final=True)
            timeline.run_until(step * 1000 + 999)
            assert timeline.cuts[-1][1].utterance_index == seen + 1
            seen += 1
        else:
            timeline.segmenter.skip_index(chosen)
            seen = max(seen, chosen)
