"""Speech is cut at its pauses, wherever the pieces end that it comes in."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lingua_node.phrases import Phrases
from test_recognition import clip

_SECOND = 32_000


def cut(pcm16: bytes, *, piece_bytes: int) -> list[bytes]:
    phrases = Phrases()
    ended: list[bytes] = []
    for at in range(0, len(pcm16), piece_bytes):
        ended += phrases.hear(pcm16[at : at + piece_bytes])
    return [*ended, phrases.read()]


def noise(seconds: float, *, loudness: int) -> bytes:
    samples = random.Random(1)
    return b"".join(
        samples.randint(-loudness, loudness).to_bytes(2, "little", signed=True)
        for _ in range(int(seconds * 16_000))
    )


@pytest.mark.req("SP12")
@settings(max_examples=20, deadline=None)  # ten seconds of sound each
@given(st.integers(min_value=1, max_value=40_000))
def test_phrases_are_the_same_whatever_the_pieces(half):
    recording = clip("best_of_times")
    assert cut(recording, piece_bytes=2 * half) == cut(recording, piece_bytes=len(recording))


@pytest.mark.req("SP12")
def test_a_phrase_ends_in_a_pause_and_none_is_short():
    phrases = cut(clip("best_of_times"), piece_bytes=3_200)
    assert len(phrases) == 3
    assert all(3 < len(phrase) / _SECOND < 5 for phrase in phrases[:-1])


@pytest.mark.req("SP12")
@pytest.mark.parametrize("loudness", [0, 2, 100, 5_000])
def test_a_place_where_nobody_speaks_has_no_phrase(loudness):
    assert cut(noise(5, loudness=loudness), piece_bytes=3_200) == [b""]


@pytest.mark.req("SP12")
def test_a_low_voice_is_cut_as_a_loud_one():
    recording = memoryview(clip("morning_train")).cast("h")
    low = b"".join((sample // 30).to_bytes(2, "little", signed=True) for sample in recording)
    assert len(cut(low, piece_bytes=3_200)[0]) == len(cut(bytes(recording), piece_bytes=3_200)[0])


@pytest.mark.req("SP12")
def test_who_never_pauses_is_cut_all_the_same_and_nothing_is_kept_for_ever():
    restless = b"".join(
        noise(0.02, loudness=loudness) for loudness in (8_000, 3_000, 9_000, 5_000) * 500
    )
    phrases = cut(restless, piece_bytes=3_200)
    assert all(len(phrase) <= 15 * _SECOND for phrase in phrases)
    assert sum(map(len, phrases)) > len(restless) - _SECOND


@pytest.mark.req("SP12")
def test_a_click_long_before_speech_is_no_part_of_it():
    click = noise(0.04, loudness=9_000)
    recording = bytes(_SECOND) + click + bytes(5 * _SECOND) + clip("nearest_hospital")
    (phrase, rest) = cut(recording, piece_bytes=3_200)
    assert len(phrase) < len(clip("nearest_hospital")) + _SECOND // 2
    assert rest == b""
