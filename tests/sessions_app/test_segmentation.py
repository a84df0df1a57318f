"""Where utterances end: each rule, flag and order of frames, and recorded timelines."""

from dataclasses import FrozenInstanceError, fields

import pytest

from sessions_app.audio import AudioFormat
from sessions_app.cuts import Cut, CutReason, SegmentationSettings
from tests.sessions_app.speaker_timeline import (
    Timeline,
    opus_of_base64_length,
    opus_packets,
    pcm16_of_ms,
)

pytestmark = pytest.mark.req("J17")

FRAME = pcm16_of_ms(256)
T0 = 1_795_190_115_000


@pytest.fixture
def timeline() -> Timeline:
    return Timeline()


def only_cut(timeline: Timeline) -> tuple[int, Cut]:
    (timed_cut,) = timeline.cuts
    return timed_cut


def flags(cut: Cut) -> set[str]:
    names = (
        "is_manual_cut",
        "is_timeout_triggered",
        "is_pause_triggered",
        "is_max_duration_triggered",
    )
    return {name for name in names if getattr(cut, name)}


def test_the_defaults_are_the_documented_ones():
    assert {each.name: each.default for each in fields(SegmentationSettings)} == {
        "pause_ms": 3000,
        "max_duration_ms": 20_000,
        "max_buffer_bytes": 512_000,
        "hangover_manual_ms": 200,
        "hangover_auto_ms": 150,
        "padding_manual_ms": 280,
        "padding_auto_ms": 220,
        "short_merge_threshold_ms": 400,
        "max_playback_ms": 30_000,
        "vad": "on",
        "quiet_ms": 700,
    }


@pytest.mark.parametrize("name", [each.name for each in fields(SegmentationSettings)][:-1])
def test_negative_settings_are_refused(name):
    with pytest.raises(ValueError, match=name):
        SegmentationSettings(**{name: -1})


def test_settings_and_cuts_cannot_be_changed(timeline):
    timeline.chunk(T0, FRAME, is_final=True)
    timeline.close(T0 + 1)

    with pytest.raises(FrozenInstanceError):
        only_cut(timeline)[1].utterance_index = 4
    with pytest.raises(FrozenInstanceError):
        SegmentationSettings().pause_ms = 1


def test_five_chunks_and_a_final_marker_are_one_utterance(timeline):
    chunks = [pcm16_of_ms(256, fill=number) for number in range(1, 6)]
    for number, chunk in enumerate(chunks):
        timeline.chunk(T0 + 256 * number, chunk)
    timeline.final(T0 + 1280)
    timeline.run_until(T0 + 60_000)

    at, cut = only_cut(timeline)
    assert at == T0 + 1280 + 200
    assert cut == Cut(
        utterance_index=0,
        audio=b"".join(chunks),
        audio_format=AudioFormat.PCM16,
        sample_rate=16_000,
        duration_ms=1280,
        reason=CutReason.IS_FINAL,
        padding_ms=280,
        turn_id="turn-1",
        first_received_at_ms=T0,
        last_received_at_ms=T0 + 1024,
        speech_ended_at_ms=T0 + 1024,
    )
    assert flags(cut) == {"is_manual_cut"}


def test_audio_right_behind_its_final_marker_is_cut_with_it(timeline):
    timeline.final(T0)
    timeline.chunk(T0 + 10, FRAME)
    timeline.run_until(T0 + 60_000)

    at, cut = only_cut(timeline)
    assert (at, cut.audio, cut.reason) == (T0 + 200, FRAME, CutReason.IS_FINAL)


def test_the_tail_behind_a_final_marker_joins_the_utterance(timeline):
    timeline.chunk(T0, FRAME)
    timeline.final(T0 + 100)
    timeline.chunk(T0 + 299, FRAME)
    timeline.chunk(T0 + 300, FRAME)
    timeline.run_until(T0 + 60_000)

    assert [(at - T0, len(cut.audio) // len(FRAME)) for at, cut in timeline.cuts] == [
        (300, 2),
        (3450, 1),
    ]


def test_a_final_marker_on_nothing_uses_no_index(timeline):
    timeline.final(T0)
    timeline.run_until(T0 + 60_000)
    timeline.chunk(T0 + 60_000, FRAME, is_final=True)
    timeline.run_until(T0 + 90_000)

    assert only_cut(timeline)[1].utterance_index == 0


def test_a_final_marker_is_forgotten_after_its_hang_over(timeline):
    timeline.final(T0)
    timeline.chunk(T0 + 201, FRAME)
    timeline.run_until(T0 + 60_000)

    at, cut = only_cut(timeline)
    assert (at, cut.reason) == (T0 + 201 + 3000 + 150, CutReason.TIMEOUT)


def test_a_second_marker_does_not_delay_the_first_and_ends_what_follows(timeline):
    timeline.chunk(T0, FRAME)
    timeline.final(T0 + 10)
    timeline.final(T0 + 150)
    timeline.chunk(T0 + 250, FRAME)
    timeline.run_until(T0 + 60_000)

    assert [(at - T0, cut.reason) for at, cut in timeline.cuts] == [
        (210, CutReason.IS_FINAL),
        (350, CutReason.IS_FINAL),
    ]


def test_of_two_markers_on_nothing_the_newer_counts(timeline):
    timeline.final(T0)
    timeline.final(T0 + 150)
    timeline.chunk(T0 + 160, FRAME)
    timeline.run_until(T0 + 60_000)

    assert only_cut(timeline)[0] == T0 + 350


def test_silence_cuts_after_the_pause(timeline):
    timeline.chunk(T0, FRAME)
    timeline.chunk(T0 + 256, FRAME)
    timeline.run_until(T0 + 60_000)

    at, cut = only_cut(timeline)
    assert at == T0 + 256 + 3000 + 150
    assert (cut.reason, cut.padding_ms, cut.audio) == (CutReason.TIMEOUT, 220, FRAME * 2)
    assert flags(cut) == {"is_timeout_triggered"}


def test_two_sentences_with_a_pause_between_are_two_utterances(timeline):
    for start in (T0, T0 + 10_000):
        for step in range(4):
            timeline.chunk(start + 256 * step, FRAME)
    timeline.run_until(T0 + 60_000)

    assert [(cut.utterance_index, cut.audio) for _, cut in timeline.cuts] == [
        (0, FRAME * 4),
        (1, FRAME * 4),
    ]


def test_a_chunk_that_reveals_a_gap_belongs_to_the_utterance_it_ends(timeline):
    segmenter = timeline.segmenter
    segmenter.on_chunk(audio=FRAME * 2, is_final=False, now_ms=T0)

    assert segmenter.on_chunk(audio=FRAME, is_final=False, now_ms=T0 + 3001) == []
    (cut,) = segmenter.on_tick(now_ms=T0 + 3151)

    assert (cut.reason, cut.padding_ms, cut.audio) == (CutReason.PAUSE, 220, FRAME * 3)
    assert flags(cut) == {"is_pause_triggered", "is_timeout_triggered"}


def test_a_chunk_exactly_at_the_pause_reveals_no_gap(timeline):
    timeline.segmenter.on_chunk(audio=FRAME * 2, is_final=False, now_ms=T0)
    timeline.segmenter.on_chunk(audio=FRAME, is_final=False, now_ms=T0 + 3000)

    assert timeline.segmenter.next_wakeup_at_ms == T0 + 6000


def test_an_empty_chunk_reveals_no_gap(timeline):
    timeline.segmenter.on_chunk(audio=FRAME * 2, is_final=False, now_ms=T0)
    timeline.segmenter.on_chunk(audio=b"", is_final=False, now_ms=T0 + 4000)

    assert timeline.segmenter.next_wakeup_at_ms == T0 + 7000


def test_enough_audio_without_a_pause_is_cut_and_the_turn_goes_on():
    timeline = Timeline(settings=SegmentationSettings(max_duration_ms=10_000))
    for step in range(45):
        timeline.chunk(T0 + 256 * step, FRAME)
    timeline.final(T0 + 256 * 45)
    timeline.chunk(T0 + 256 * 45 + 5000, FRAME, is_final=True)
    timeline.run_until(T0 + 60_000)

    first, second, third = (cut for _, cut in timeline.cuts)
    assert (first.reason, first.padding_ms) == (CutReason.MAX_DURATION, 220)
    assert flags(first) == {"is_max_duration_triggered"}
    assert first.duration_ms == 40 * 256
    assert second.turn_id == first.turn_id
    assert third.turn_id != second.turn_id


@pytest.mark.parametrize("end_turn", ["silence", "final marker"])
def test_a_turn_ends_without_audio_left(end_turn):
    timeline = Timeline(settings=SegmentationSettings(max_duration_ms=1000))
    timeline.chunk(T0, pcm16_of_ms(1000))
    if end_turn == "final marker":
        timeline.final(T0 + 400)
        timeline.chunk(T0 + 700, FRAME, is_final=True)
    else:
        timeline.chunk(T0 + 3001, FRAME, is_final=True)
    timeline.run_until(T0 + 60_000)

    assert [cut.turn_id for _, cut in timeline.cuts] == ["turn-1", "turn-2"]
    assert timeline.segmenter.next_wakeup_at_ms is None


def test_a_turn_ends_in_silence_even_if_the_timer_was_late():
    settings = SegmentationSettings(max_duration_ms=1000)
    segmenter = Timeline(settings=settings).segmenter
    cuts = segmenter.on_chunk(audio=pcm16_of_ms(1000), is_final=False, now_ms=T0)
    cuts += segmenter.on_tick(now_ms=T0 + 150)
    cuts += segmenter.on_chunk(audio=FRAME, is_final=True, now_ms=T0 + 3000)
    cuts += segmenter.on_close(now_ms=T0 + 3001)

    assert [cut.turn_id for cut in cuts] == ["turn-1", "turn-2"]


def test_an_automatic_cut_is_not_delayed_by_a_further_reason():
    timeline = Timeline(settings=SegmentationSettings(max_duration_ms=1000))
    timeline.chunk(T0, pcm16_of_ms(500))
    timeline.chunk(T0 + 3100, pcm16_of_ms(500))
    timeline.run_until(T0 + 60_000)

    at, cut = only_cut(timeline)
    assert (at, cut.reason) == (T0 + 3150, CutReason.MAX_DURATION)


def test_duration_zero_means_no_limit():
    timeline = Timeline(settings=SegmentationSettings(max_duration_ms=0))
    timeline.chunk(T0, pcm16_of_ms(15_999))

    assert timeline.segmenter.next_wakeup_at_ms == T0 + 3000


SIZE_ALONE = SegmentationSettings(max_duration_ms=0)


def test_too_many_bytes_are_cut_and_the_turn_goes_on():
    timeline = Timeline(settings=SIZE_ALONE)
    timeline.chunk(T0, bytes(512_000))
    assert timeline.segmenter.next_wakeup_at_ms == T0 + 3000
    timeline.chunk(T0 + 1, b"\0\0")
    timeline.chunk(T0 + 300, FRAME, is_final=True)
    timeline.run_until(T0 + 60_000)

    (at, first), (_, second) = timeline.cuts
    assert at == T0 + 1 + 150
    assert (first.reason, first.padding_ms, len(first.audio)) == (
        CutReason.MAX_LENGTH,
        220,
        512_002,
    )
    assert flags(first) == {"is_max_duration_triggered"}
    assert second.turn_id == first.turn_id


def test_close_cuts_what_is_buffered_at_once(timeline):
    timeline.chunk(T0, FRAME)
    timeline.close(T0 + 5)

    at, cut = only_cut(timeline)
    assert (at, cut.reason, cut.padding_ms) == (T0 + 5, CutReason.SESSION_CLOSE, 220)
    assert flags(cut) == {"is_timeout_triggered"}
    assert timeline.segmenter.next_wakeup_at_ms is None


def test_close_in_a_manual_hang_over_keeps_the_manual_cut(timeline):
    timeline.chunk(T0, FRAME, is_final=True)
    timeline.close(T0 + 5)

    assert only_cut(timeline)[1].reason is CutReason.IS_FINAL


def test_close_with_nothing_buffered_cuts_nothing(timeline):
    timeline.final(T0)
    timeline.close(T0 + 5)

    assert timeline.cuts == []
    assert timeline.segmenter.next_wakeup_at_ms is None


@pytest.mark.parametrize(
    ("audio", "is_final", "reason"),
    [
        (FRAME, False, CutReason.PAUSE),
        (pcm16_of_ms(1000), False, CutReason.MAX_DURATION),
        (pcm16_of_ms(1000), True, CutReason.IS_FINAL),
    ],
)
def test_the_later_of_several_reasons_wins(audio, is_final, reason):
    settings = SegmentationSettings(max_duration_ms=1500)
    segmenter = Timeline(settings=settings).segmenter
    segmenter.on_chunk(audio=pcm16_of_ms(500), is_final=False, now_ms=T0)

    cuts = segmenter.on_chunk(audio=audio, is_final=is_final, now_ms=T0 + 3500)
    cuts += segmenter.on_tick(now_ms=T0 + 3700)

    assert [cut.reason for cut in cuts] == [reason]


def test_a_final_marker_takes_over_a_silence_cut(timeline):
    timeline.chunk(T0, FRAME * 2)
    timeline.final(T0 + 3100)
    timeline.run_until(T0 + 60_000)

    at, cut = only_cut(timeline)
    assert (at, cut.reason, cut.padding_ms) == (T0 + 3300, CutReason.IS_FINAL, 280)


def test_a_short_silence_cut_is_called_off_by_more_audio(timeline):
    timeline.chunk(T0, FRAME)
    timeline.chunk(T0 + 3100, FRAME)
    timeline.chunk(T0 + 3356, FRAME, is_final=True)
    timeline.run_until(T0 + 60_000)

    assert only_cut(timeline)[1].audio == FRAME * 3


@pytest.mark.parametrize(("threshold_ms", "first_ms"), [(400, 400), (0, 256)])
def test_a_long_enough_silence_cut_stays(threshold_ms, first_ms):
    timeline = Timeline(settings=SegmentationSettings(short_merge_threshold_ms=threshold_ms))
    timeline.chunk(T0, pcm16_of_ms(first_ms))
    timeline.chunk(T0 + 3100, FRAME)
    timeline.chunk(T0 + 3356, FRAME, is_final=True)
    timeline.run_until(T0 + 60_000)

    assert [cut.duration_ms for _, cut in timeline.cuts] == [first_ms + 256, 256]


def test_a_short_manual_utterance_is_never_held_for_merging(timeline):
    timeline.chunk(T0, FRAME, is_final=True)
    timeline.chunk(T0 + 210, FRAME, is_final=True)
    timeline.run_until(T0 + 60_000)

    assert [at - T0 for at, _ in timeline.cuts] == [200, 410]


def test_playback_suspends_the_silence_timer_and_its_end_restarts_it(timeline):
    timeline.chunk(T0, FRAME * 2)
    timeline.tts_started(T0 + 1000)
    timeline.tts_ended(T0 + 9000)
    timeline.run_until(T0 + 60_000)

    at, cut = only_cut(timeline)
    assert (at, cut.reason) == (T0 + 9000 + 3000 + 150, CutReason.TIMEOUT)


def test_a_chunk_during_playback_reveals_no_gap(timeline):
    timeline.chunk(T0, FRAME * 2)
    timeline.tts_started(T0 + 1000)
    timeline.chunk(T0 + 9000, FRAME, is_final=True)
    timeline.run_until(T0 + 60_000)

    assert only_cut(timeline)[1].reason is CutReason.IS_FINAL


def test_a_gap_is_seen_again_after_playback(timeline):
    segmenter = timeline.segmenter
    segmenter.on_chunk(audio=FRAME * 2, is_final=False, now_ms=T0)
    segmenter.on_tts_started(now_ms=T0 + 1000)
    segmenter.on_tts_ended(now_ms=T0 + 5000)
    segmenter.on_chunk(audio=FRAME, is_final=False, now_ms=T0 + 8001)

    (cut,) = segmenter.on_tick(now_ms=T0 + 8151)
    assert cut.reason is CutReason.PAUSE


def test_a_playback_that_never_ends_suspends_for_a_bounded_time():
    timeline = Timeline(settings=SegmentationSettings(max_playback_ms=10_000))
    timeline.tts_started(T0)
    timeline.chunk(T0 + 10, FRAME * 2)
    timeline.run_until(T0 + 60_000)

    assert only_cut(timeline)[0] == T0 + 10_000 + 3000 + 150


def test_audio_after_an_idle_hour_is_not_lost(timeline):
    timeline.chunk(T0, FRAME, is_final=True)
    timeline.run_until(T0 + 3_600_000)
    timeline.chunk(T0 + 3_600_000, FRAME)
    timeline.chunk(T0 + 3_600_256, FRAME, is_final=True)
    timeline.run_until(T0 + 3_700_000)

    assert [cut.audio for _, cut in timeline.cuts] == [FRAME, FRAME * 2]


def test_a_clients_own_index_moves_ours_behind_it(timeline):
    timeline.segmenter.skip_index(7)
    timeline.segmenter.skip_index(3)
    timeline.chunk(T0, FRAME, is_final=True)
    timeline.close(T0 + 1)

    assert only_cut(timeline)[1].utterance_index == 8


def test_the_format_is_read_anew_for_each_utterance(timeline):
    timeline.chunk(T0, opus_packets(60, 60), is_final=True)
    timeline.chunk(T0 + 1000, FRAME, is_final=True)
    timeline.close(T0 + 2000)

    assert [(cut.audio_format, cut.duration_ms) for _, cut in timeline.cuts] == [
        (AudioFormat.OPUS, 40),
        (AudioFormat.PCM16, 256),
    ]


def test_a_fixed_format_is_kept_and_broken_packing_is_estimated():
    timeline = Timeline(audio_format=AudioFormat.OPUS)
    timeline.chunk(T0, b"\xff" * 600, is_final=True)
    timeline.close(T0 + 1)

    cut = only_cut(timeline)[1]
    assert (cut.audio_format, cut.duration_ms) == (AudioFormat.OPUS, 200)


def test_the_recorded_timeline_of_the_web_client(timeline):
    """Two utterances; the second one's final marker overtakes its last chunk by 1 ms."""
    for at, characters in ((3260, 992), (3476, 1236), (3737, 1288), (3999, 1264), (4254, 1260)):
        timeline.chunk(at, opus_of_base64_length(characters))
    timeline.final(4510)
    timeline.tts_started(4816)
    timeline.tts_ended(5019)
    timeline.chunk(5022, opus_of_base64_length(1268))
    timeline.chunk(5127, opus_of_base64_length(1264))
    timeline.final(5230)
    timeline.chunk(5231, opus_of_base64_length(1264))
    timeline.run_until(60_000)

    assert [
        (at, cut.utterance_index, cut.reason, cut.duration_ms, cut.audio_format)
        for at, cut in timeline.cuts
    ] == [
        (4710, 0, CutReason.IS_FINAL, 5 * 260, AudioFormat.OPUS),
        (5430, 1, CutReason.IS_FINAL, 3 * 260, AudioFormat.OPUS),
    ]
    assert [cut.last_received_at_ms for _, cut in timeline.cuts] == [4254, 5231]


def test_the_recorded_timeline_of_the_older_web_client(timeline):
    """The final marker comes first, then all five frames in one chunk; twice."""
    timeline.final(4781)
    timeline.chunk(4787, opus_of_base64_length(5972, packets=64))
    timeline.tts_ended(5217)
    timeline.final(5429)
    timeline.chunk(5430, opus_of_base64_length(3796, packets=39))
    timeline.run_until(60_000)

    assert [(at, cut.utterance_index, cut.duration_ms) for at, cut in timeline.cuts] == [
        (4981, 0, 64 * 20),
        (5629, 1, 39 * 20),
    ]
    assert all(cut.is_manual_cut and cut.padding_ms == 280 for _, cut in timeline.cuts)


@pytest.mark.parametrize("marker_first", [True, False])
@pytest.mark.parametrize("apart_ms", [1, 20])
def test_marker_and_last_audio_make_one_utterance_in_either_order(timeline, marker_first, apart_ms):
    timeline.chunk(T0, FRAME)
    if marker_first:
        timeline.final(T0 + 256)
        timeline.chunk(T0 + 256 + apart_ms, FRAME)
    else:
        timeline.chunk(T0 + 256, FRAME)
        timeline.final(T0 + 256 + apart_ms)
    timeline.run_until(T0 + 60_000)

    assert only_cut(timeline)[1].audio == FRAME * 2
