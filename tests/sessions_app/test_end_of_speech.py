"""An open microphone: an utterance ends where somebody has been quiet, wherever chunks are cut."""

import itertools
import math
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.audio import AudioFormat
from sessions_app.cuts import Cut, CutReason, SegmentationSettings
from sessions_app.voice_detectors import VoiceActivity
from tests.sessions_app.recorded import (
    as_opus,
    noise,
    pack,
    quieter,
    resample,
    speech_as_opus,
    speech_as_pcm16,
)
from tests.sessions_app.speaker_timeline import Timeline

pytestmark = pytest.mark.req("SP1")

T0 = 1_795_190_115_000
SPEECH = speech_as_pcm16()
# By ear, and by the loudness of its samples: the sentence's first word and its last.
FIRST_WORD_MS, LAST_WORD_MS = 500, 2_400
SILENT_PACKETS = [bytes([0x48]) + bytes([7 * number % 256] * 10) for number in range(600)]


def silence(duration_ms: int) -> bytes:
    return bytes(duration_ms * 32)


def mix(audio: bytes, other: bytes) -> bytes:
    pairs = zip(array("h", audio), itertools.cycle(array("h", other)), strict=False)
    return array("h", [max(-32_768, min(32_767, one + two)) for one, two in pairs]).tobytes()


def hear(audio: bytes, *, step: int = 8_192, ms_a_byte: float = 1 / 32, **kept: object) -> Timeline:
    """Hear audio as a microphone sends it that nobody closes."""
    timeline = Timeline(listens=True, **kept)
    for at in range(0, len(audio), step):
        until = min(at + step, len(audio))
        timeline.chunk(T0 + int(until * ms_a_byte), audio[at:until])
    return timeline


def list_cuts(timeline: Timeline) -> list[Cut]:
    return [cut for _, cut in timeline.cuts]


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_pcm16_is_cut_700_ms_after_the_last_word(rate):
    audio = resample(silence(2_000) + SPEECH + silence(4_000), rate)
    timeline = hear(audio, sample_rate=rate, ms_a_byte=1000 / 2 / rate)

    (cut,) = list_cuts(timeline)
    end_ms = (audio.find(cut.audio) + len(cut.audio)) * 1000 / 2 / rate - 2_000
    assert LAST_WORD_MS + 300 <= end_ms <= LAST_WORD_MS + 900
    assert (cut.reason, cut.is_timeout_triggered, cut.is_manual_cut) == (
        CutReason.QUIET,
        True,
        False,
    )


@pytest.mark.parametrize("packets_a_chunk", [1, 5, 13])
@pytest.mark.parametrize("declared", [AudioFormat.OPUS, None])
def test_opus_is_cut_700_ms_after_the_last_word_without_being_decoded(packets_a_chunk, declared):
    packets = SILENT_PACKETS[:100] + speech_as_opus() + SILENT_PACKETS[100:300]
    timeline = Timeline(listens=True, audio_format=declared)
    for at in range(0, len(packets), packets_a_chunk):
        chunk = packets[at : at + packets_a_chunk]
        timeline.chunk(T0 + 20 * (at + len(chunk)), pack(*chunk))

    (cut,) = list_cuts(timeline)
    before = pack(*packets).find(cut.audio)
    packets_before = sum(
        1 for end in itertools.accumulate(len(p) + 2 for p in packets) if end <= before
    )
    end_ms = 20 * (packets_before - 100) + cut.duration_ms
    assert LAST_WORD_MS + 300 <= end_ms <= LAST_WORD_MS + 900
    assert 20 * packets_before >= 2_000 - 300
    assert (cut.audio_format, cut.reason) == (AudioFormat.OPUS, CutReason.QUIET)


def test_two_sentences_with_a_pause_between_are_two_turns():
    cuts = list_cuts(hear(SPEECH + silence(1_500) + SPEECH + silence(1_500)))

    assert [cut.utterance_index for cut in cuts] == [0, 1]
    assert cuts[0].turn_id != cuts[1].turn_id


@pytest.mark.req("SP14")
@pytest.mark.parametrize("step", [640, 8_192, 16_000])
def test_a_cut_says_when_the_last_voice_was_heard(step):
    (cut,) = list_cuts(hear(silence(2_000) + SPEECH + silence(1_500), step=step))

    assert cut.speech_ended_at_ms - T0 - 2_000 in range(LAST_WORD_MS, LAST_WORD_MS + 150)


def test_nothing_is_cut_in_mid_sentence():
    words = SPEECH[FIRST_WORD_MS * 32 : LAST_WORD_MS * 32]
    cuts = list_cuts(hear((words + silence(500)) * 3 + silence(1_500)))

    assert len(cuts) == 1


def test_what_is_kept_of_the_silence_before_is_short():
    audio = silence(9_000) + SPEECH + silence(1_500)
    (cut,) = list_cuts(hear(audio))

    begin_ms = audio.find(cut.audio) / 32
    assert 9_000 - 320 <= begin_ms <= 9_000 + FIRST_WORD_MS


ROOMS = {
    "nothing": silence(30_000),
    "quiet": noise(1_000, loudness=3) * 30,
    "loud": noise(1_000, loudness=300) * 30,
    "packets": pack(*SILENT_PACKETS * 4),
    "a quiet room's packets": pack(*as_opus(noise(1_000, loudness=3)) * 30),
    "a room's packets": pack(*as_opus(noise(3_000, loudness=30))[50:] * 15),
}


@pytest.mark.parametrize("ends", ["close", "final", "tick"])
@pytest.mark.parametrize("name", ROOMS)
def test_silence_alone_makes_no_utterance_and_holds_little(ends, name):
    # Chunks that cut through packets must be declared.
    audio_format = AudioFormat.OPUS if name.endswith("packets") else None
    room, timeline = ROOMS[name], Timeline(listens=True, audio_format=audio_format)
    most = 0
    for at in range(0, len(room), 1_001):
        timeline.chunk(T0 + at // 32, room[at : at + 1_001])
        most = max(most, timeline.segmenter.held_bytes)
    now_ms = T0 + 31_000
    if ends == "tick":
        timeline.run_until(now_ms + 10_000)
    else:
        getattr(timeline, ends)(now_ms)
        timeline.run_until(now_ms + 10_000)

    assert timeline.cuts == []
    assert most <= 3_100 * 32
    assert timeline.segmenter.next_wakeup_at_ms is None


def test_a_click_is_no_speech_and_a_word_is():
    click = array("h", [20_000, -20_000] * 160).tobytes()
    clicks = silence(2_000).join([click] * 5) + silence(2_000)
    word = SPEECH[FIRST_WORD_MS * 32 : (FIRST_WORD_MS + 400) * 32]
    audio = clicks + word + silence(1_500)

    (cut,) = list_cuts(hear(audio))
    assert word in cut.audio
    assert len(cut.audio) <= (300 + 400 + 1_000) * 32


@pytest.mark.parametrize("loudness", [3, 30, 100, 300])
def test_the_end_is_heard_above_the_noise_of_a_room(loudness):
    audio = mix(silence(2_000) + SPEECH + silence(4_000), noise(3_000, loudness=loudness))
    (cut,) = list_cuts(hear(audio))

    end_ms = (audio.find(cut.audio) + len(cut.audio)) / 32 - 2_000
    assert LAST_WORD_MS + 300 <= end_ms <= LAST_WORD_MS + 900


@pytest.mark.parametrize("by", [1.0, 0.3, 0.1, 0.03, 0.01])
def test_who_speaks_softly_is_heard_to_the_last_word(by):
    audio = silence(2_000) + quieter(SPEECH, by=by) + silence(4_000)
    (cut,) = list_cuts(hear(audio))

    begin_ms = audio.find(cut.audio) / 32 - 2_000
    assert begin_ms <= FIRST_WORD_MS
    assert begin_ms + len(cut.audio) / 32 >= LAST_WORD_MS


def test_a_hum_is_a_room_and_music_goes_on():
    def tone(hz: float, loudness: float) -> list[float]:
        return [loudness * math.sin(math.tau * hz * at / 16_000) for at in range(16_000 * 6)]

    hum = array("h", map(int, tone(50, 1_500))).tobytes()
    (cut,) = list_cuts(hear(mix(silence(2_000) + SPEECH + silence(3_000), hum)))
    assert cut.reason is CutReason.QUIET

    chord = zip(tone(220, 5_000), tone(277, 5_000), tone(330, 5_000), strict=True)
    music = array("h", [int(sum(notes)) for notes in chord]).tobytes()
    assert list_cuts(hear(music)) == []


def test_a_marker_that_comes_before_the_quiet_is_over_cuts_as_ever():
    timeline = Timeline(listens=True)
    timeline.chunk(T0, SPEECH + silence(300))
    timeline.final(T0 + 10)
    timeline.chunk(T0 + 20, silence(2_000))
    timeline.run_until(T0 + 60_000)

    assert [(cut.reason, cut.audio) for cut in list_cuts(timeline)] == [
        (CutReason.IS_FINAL, SPEECH + silence(2_300))
    ]


def test_the_rest_of_a_turn_ends_by_quiet_too():
    timeline = hear(SPEECH * 8 + silence(3_000))

    cuts = list_cuts(timeline)
    assert [cut.reason for cut in cuts] == [CutReason.MAX_DURATION, CutReason.QUIET]
    assert cuts[0].turn_id == cuts[1].turn_id


def test_where_nobody_listens_an_open_microphone_is_cut_by_length_alone():
    limits = SegmentationSettings(vad=VoiceActivity.OFF)
    audio = SPEECH + silence(25_000)

    (cut,) = list_cuts(hear(audio, settings=limits))
    assert cut.reason is CutReason.MAX_DURATION
    assert audio.startswith(cut.audio)


def test_another_detector_hears_the_same_end():
    timeline = hear(
        silence(2_000) + SPEECH + silence(4_000),
        settings=SegmentationSettings(vad=VoiceActivity.SILERO),
    )

    (cut,) = list_cuts(timeline)
    assert LAST_WORD_MS <= cut.duration_ms <= FIRST_WORD_MS + LAST_WORD_MS + 900


def test_muted_pcm16_that_nobody_declared_is_no_minute_of_empty_packets():
    timeline = hear(silence(30_000) + SPEECH + silence(2_000))

    (cut,) = list_cuts(timeline)
    assert (cut.audio_format, cut.reason) == (AudioFormat.PCM16, CutReason.QUIET)


SENTENCE = as_opus(SPEECH + silence(300))
spoken = st.sampled_from([1.0, 0.3, 0.1])
pieces = st.lists(st.tuples(spoken, st.integers(0, 4_000)), min_size=1, max_size=3)


def find_words(story: list[tuple[float, int]], lead_ms: int) -> tuple[bytes, list[bytes]]:
    """Return the audio of a story, and what of it is voice beyond doubt."""
    audio, words = silence(lead_ms), []
    for by, pause_ms in story:
        said = quieter(SPEECH, by=by)
        words.append(said[FIRST_WORD_MS * 32 : LAST_WORD_MS * 32])
        audio += said + silence(pause_ms)
    return audio + silence(1_500), words


def hear_in_pieces(audio: bytes, sizes: list[int], audio_format: AudioFormat) -> list[bytes]:
    timeline = Timeline(listens=True, audio_format=audio_format)
    sizes_again, at, number = itertools.cycle(sizes), 0, 0
    while at < len(audio):
        size = next(sizes_again)
        timeline.chunk(T0 + number // 50, audio[at : at + size])
        at, number = at + size, number + 1
    return [cut.audio for cut in list_cuts(timeline)]


@settings(max_examples=25, deadline=None)
@given(pieces, st.integers(0, 5_000), st.lists(st.integers(1, 20_000), min_size=1, max_size=5))
def test_no_voice_is_lost_and_chunks_of_any_size_are_cut_alike(story, lead_ms, sizes):
    audio, words = find_words(story, lead_ms)
    sizes = [max(size, len(audio) // 2_000) for size in sizes]

    whole = hear_in_pieces(audio, [16_384], AudioFormat.PCM16)
    assert all(any(word in cut for cut in whole) for word in words)
    assert hear_in_pieces(audio, sizes, AudioFormat.PCM16) == whole


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 120), min_size=1, max_size=3), st.lists(st.integers(1, 999), min_size=1)
)
def test_packets_of_any_chunks_are_cut_alike_and_none_with_voice_is_lost(pauses, sizes):
    audio = b"".join(pack(*SENTENCE, *SILENT_PACKETS[:pause]) for pause in pauses)
    audio += pack(*SILENT_PACKETS[:60])

    whole = hear_in_pieces(audio, [len(audio)], AudioFormat.OPUS)
    said = b"".join(whole)
    assert said.count(pack(*SENTENCE[25:120])) == len(pauses)
    assert hear_in_pieces(audio, sizes, AudioFormat.OPUS) == whole
