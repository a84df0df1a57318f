"""The real page marks the end of silence again and again: one sentence, one utterance."""

import itertools

import pytest

from sessions_app.audio import AudioFormat
from sessions_app.cuts import CutReason, SegmentationSettings
from sessions_app.voice_detectors import VoiceActivity
from tests.sessions_app.recorded import (
    as_opus,
    noise,
    pack,
    quieter,
    speech_as_opus,
    speech_as_pcm16,
)
from tests.sessions_app.speaker_timeline import Timeline

pytestmark = pytest.mark.req("SP2", "ED5")

T0 = 1_795_190_115_000
# Who listens for the end of speech cuts, and keeps no long silence: a file of its own.
NOBODY_LISTENS = SegmentationSettings(vad=VoiceActivity.OFF)
FRAME_MS = 260
PACKETS = 13
SILENT_PACKETS = [bytes([0x48]) + bytes([7 * number % 256] * 10) for number in range(PACKETS)]
SILENCES = {
    # The web client's own: packets of 10 to 12 bytes; then DTX, and rooms with a fan in them.
    "recorded": pack(*SILENT_PACKETS),
    "dtx": pack(*[b"\x48"] * PACKETS),
    "empty": pack(*[b""] * PACKETS),
    "quiet room": pack(*as_opus(noise(FRAME_MS, loudness=3))),
    "room": pack(*as_opus(noise(FRAME_MS + 400, loudness=100))[20:]),
}


def chunks_of(packets: list[bytes]) -> list[bytes]:
    return [pack(*packets[at : at + PACKETS]) for at in range(0, len(packets), PACKETS)]


def say(timeline: Timeline, chunks: list[bytes], *, at_ms: int) -> int:
    """Say chunks one after the other; return when the next one is due."""
    for chunk in chunks:
        timeline.chunk(at_ms, chunk)
        at_ms += 256
    return at_ms


def fall_silent(timeline: Timeline, silence: bytes, *, at_ms: int, marker_first: bool) -> int:
    """Send what the page sends from the end of a sentence until it sends nothing more."""
    at_ms = say(timeline, [silence] * 12, at_ms=at_ms)
    for _ in range(8):
        if marker_first:
            timeline.final(at_ms)
            timeline.chunk(at_ms + 10, silence)
        else:
            timeline.chunk(at_ms, silence)
            timeline.final(at_ms + 1)
        at_ms += 256
    return at_ms


@pytest.mark.parametrize("silence", SILENCES)
@pytest.mark.parametrize("marker_first", [True, False])
@pytest.mark.parametrize("vad", [VoiceActivity.OFF, VoiceActivity.ON])
def test_one_sentence_is_one_utterance_however_often_its_end_is_marked(silence, marker_first, vad):
    timeline = Timeline(listens=True, settings=SegmentationSettings(vad=vad))
    at_ms = say(timeline, chunks_of(speech_as_opus()), at_ms=T0)
    fall_silent(timeline, SILENCES[silence], at_ms=at_ms, marker_first=marker_first)
    timeline.run_until(T0 + 600_000)

    ((_, cut),) = timeline.cuts
    reason = CutReason.IS_FINAL if vad is VoiceActivity.OFF else CutReason.QUIET
    assert (cut.reason, cut.utterance_index) == (reason, 0)
    assert timeline.segmenter.next_wakeup_at_ms is None


@pytest.mark.parametrize("loudness", [0, 3, 30, 100])
def test_pcm16_of_a_room_after_a_sentence_is_no_utterance(loudness):
    timeline = Timeline(listens=True, settings=NOBODY_LISTENS)
    speech, silence = speech_as_pcm16(), noise(256, loudness=loudness)
    at_ms = say(timeline, [speech[at : at + 8192] for at in range(0, len(speech), 8192)], at_ms=T0)
    fall_silent(timeline, silence, at_ms=at_ms, marker_first=False)
    timeline.run_until(T0 + 600_000)

    assert [cut.reason for _, cut in timeline.cuts] == [CutReason.IS_FINAL]


@pytest.mark.parametrize("by", [1.0, 0.3, 0.1, 0.03, 0.01])
@pytest.mark.parametrize("audio_format", AudioFormat)
def test_a_sentence_said_softly_right_after_another_is_an_utterance(audio_format, by):
    timeline = Timeline(listens=True, settings=NOBODY_LISTENS)
    softly = quieter(speech_as_pcm16(), by=by)
    if audio_format is AudioFormat.OPUS:
        first, second = chunks_of(speech_as_opus()), chunks_of(as_opus(softly))
    else:
        whole = speech_as_pcm16()
        first = [whole[at : at + 8192] for at in range(0, len(whole), 8192)]
        second = [softly[at : at + 8192] for at in range(0, len(softly), 8192)]
    at_ms = say(timeline, first, at_ms=T0)
    timeline.final(at_ms)
    at_ms = say(timeline, second, at_ms=at_ms + 500)
    timeline.final(at_ms)
    timeline.run_until(T0 + 600_000)

    assert [cut.audio for _, cut in timeline.cuts] == [b"".join(first), b"".join(second)]
    assert timeline.cuts[1][1].audio_format is audio_format


def test_what_was_held_back_as_silence_goes_along_with_what_is_said_next():
    timeline = Timeline(listens=True, settings=NOBODY_LISTENS)
    silence = SILENCES["recorded"]
    at_ms = say(timeline, chunks_of(speech_as_opus()), at_ms=T0)
    at_ms = fall_silent(timeline, silence, at_ms=at_ms, marker_first=False)
    at_ms = say(timeline, chunks_of(speech_as_opus()), at_ms=at_ms)
    timeline.final(at_ms)
    timeline.run_until(T0 + 600_000)

    first, second = (cut for _, cut in timeline.cuts)
    assert (first.utterance_index, second.utterance_index) == (0, 1)
    assert second.audio == silence * 7 + pack(*speech_as_opus())


def test_the_first_utterance_of_a_session_is_taken_as_it_is():
    timeline = Timeline(listens=True)
    timeline.chunk(T0, SILENCES["recorded"], is_final=True)
    timeline.run_until(T0 + 600_000)

    assert len(timeline.cuts) == 1


def test_silence_long_after_a_cut_is_taken_as_it_is():
    timeline = Timeline(listens=True)
    timeline.chunk(T0, pack(*speech_as_opus()), is_final=True)
    timeline.chunk(T0 + 10_000, SILENCES["recorded"], is_final=True)
    timeline.run_until(T0 + 600_000)

    assert len(timeline.cuts) == 2


def test_the_end_of_a_turn_is_taken_whatever_is_in_it():
    timeline = Timeline(listens=True, settings=SegmentationSettings(max_duration_ms=1000))
    timeline.chunk(T0, pack(*speech_as_opus()[:60]))
    timeline.chunk(T0 + 400, SILENCES["recorded"], is_final=True)
    timeline.run_until(T0 + 600_000)

    first, second = (cut for _, cut in timeline.cuts)
    assert first.turn_id == second.turn_id
    assert second.audio == SILENCES["recorded"]


def test_speech_of_a_coder_that_does_not_say_is_taken_after_one_that_does():
    timeline = Timeline(listens=True)
    timeline.chunk(T0, pack(*speech_as_opus()), is_final=True)
    celt = pack(*[b"\xb8" + bytes(50)] * PACKETS)
    timeline.chunk(T0 + 1000, celt, is_final=True)
    timeline.run_until(T0 + 600_000)

    assert [cut.audio for _, cut in timeline.cuts] == [pack(*speech_as_opus()), celt]


def test_packets_without_the_encoders_word_are_judged_by_their_size():
    """Of an encoder that never marks voice, what has more bytes than silence may be voice."""
    timeline = Timeline(listens=True)
    speech = pack(*[b"\x48" + bytes(70)] * PACKETS)
    for number in range(3):
        timeline.chunk(T0 + 1000 * number, speech, is_final=True)
    timeline.chunk(T0 + 3000, SILENCES["recorded"], is_final=True)
    timeline.run_until(T0 + 600_000)

    assert len(timeline.cuts) == 3


@pytest.mark.req("SP3")
@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("chunk_ms", [100, 256, 1000, 40_000])
@pytest.mark.parametrize("in_real_time", [True, False])
def test_pcm16_without_a_pause_is_cut_by_duration_in_one_turn(rate, chunk_ms, in_real_time):
    timeline = Timeline(sample_rate=rate)
    loud = bytes(itertools.islice(itertools.cycle(range(251)), rate * 2 * 40))
    step = rate * 2 * chunk_ms // 1000
    at_ms = T0
    for at in range(0, len(loud), step):
        timeline.chunk(at_ms, loud[at : at + step])
        at_ms += chunk_ms if in_real_time else 0
    timeline.final(at_ms)
    timeline.run_until(T0 + 600_000)

    cuts = [cut for _, cut in timeline.cuts]
    assert b"".join(cut.audio for cut in cuts) == loud
    assert {cut.turn_id for cut in cuts} == {"turn-1"}
    assert all(cut.reason is CutReason.MAX_DURATION for cut in cuts[:-1])
    assert all(20_000 <= cut.duration_ms <= 20_600 + min(chunk_ms, 1000) for cut in cuts[:-1])
    assert (cuts[0].padding_ms, cuts[0].is_max_duration_triggered) == (220, True)


@pytest.mark.req("SP3")
def test_opus_of_a_minute_in_one_chunk_is_cut_between_its_packets():
    timeline = Timeline()
    packets = [b"\x48" + bytes([number % 251]) * 57 for number in range(3_000)]
    timeline.chunk(T0, pack(*packets), is_final=True)
    timeline.run_until(T0 + 600_000)

    cuts = [cut for _, cut in timeline.cuts]
    assert b"".join(cut.audio for cut in cuts) == pack(*packets)
    assert {cut.audio_format for cut in cuts} == {AudioFormat.OPUS}
    assert all(20_000 <= cut.duration_ms < 26_000 for cut in cuts[:-1])


@pytest.mark.req("SP3")
def test_what_is_far_too_long_is_cut_at_once():
    timeline = Timeline(settings=SegmentationSettings(max_duration_ms=0))
    timeline.chunk(T0, bytes(600_000))

    assert [at for at, _ in timeline.cuts] == [T0]


@pytest.mark.req("SP3")
@pytest.mark.parametrize("size", [8, 60, 320, 1275])
def test_opus_of_any_rate_is_cut_by_duration_never_by_size(size):
    timeline = Timeline()
    packet = b"\x48" + bytes(size - 1)
    for number in range(160):
        timeline.chunk(T0 + 260 * number, pack(*[packet] * PACKETS))
    timeline.final(T0 + 260 * 160)
    timeline.run_until(T0 + 600_000)

    first, second, third = (cut for _, cut in timeline.cuts)
    assert 20_000 <= first.duration_ms <= 20_600
    assert first.reason is second.reason is CutReason.MAX_DURATION
    assert third.reason is CutReason.IS_FINAL
    assert len({cut.turn_id for _, cut in timeline.cuts}) == 1
