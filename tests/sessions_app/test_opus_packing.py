"""Opus or not: what all the bytes of an utterance say, and whether there is voice in them."""

import array
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.audio import AudioFormat
from sessions_app.opus_packing import MAX_OPUS_PACKET_BYTES, OpusWalk
from sessions_app.utterance_audio import UtteranceAudio
from tests.sessions_app.recorded import PCM_LIKE_OPUS, pack, speech_as_opus, speech_as_pcm16

pytestmark = pytest.mark.req("ED2", "J17")

packets = st.lists(st.binary(max_size=200), max_size=30)


def collect(*chunks: bytes, audio_format: AudioFormat | None = None) -> UtteranceAudio:
    audio = UtteranceAudio(
        audio_format=audio_format, sample_rate=16_000, voice=None, now_ms=1_795_190_115_000
    )
    for chunk in chunks:
        audio.append(chunk, now_ms=1_795_190_115_000)
    return audio


def walk(*chunks: bytes) -> OpusWalk:
    walked = OpusWalk()
    for chunk in chunks:
        walked.feed(chunk)
    return walked


@given(packets, st.data())
def test_packets_are_counted_however_they_are_cut_into_chunks(sizes, data):
    packed = pack(*sizes)
    ends = sorted(data.draw(st.lists(st.integers(0, len(packed)), max_size=6)))
    chunks = [packed[begin:end] for begin, end in zip([0, *ends], [*ends, None], strict=True)]

    walked = walk(*chunks)

    assert walked.is_whole
    assert walked.packets == len(sizes)
    assert walked.measure() == 20 * len(sizes)


@given(st.binary(max_size=3000), st.integers(1, 700))
def test_the_walk_agrees_with_a_plain_parser(payload, step):
    def parse(rest: bytes) -> int | None:
        count = 0
        while rest:
            length = int.from_bytes(rest[:2], "little")
            if len(rest) < 2 + length or length > MAX_OPUS_PACKET_BYTES:
                return None
            count, rest = count + 1, rest[2 + length :]
        return count

    walked = walk(*(payload[at : at + step] for at in range(0, len(payload), step)))

    expected = parse(payload)
    assert walked.is_whole == (expected is not None)
    if expected is not None:
        assert walked.packets == expected


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=9), st.data())
def test_whole_packets_are_told_from_a_part_of_one(sizes, data):
    packed = pack(*sizes)
    part = pack(bytes(50))[: data.draw(st.integers(1, 51))]

    assert walk(packed + part).whole_bytes == len(packed)


@pytest.mark.parametrize("size", [160, 320, 640, 1280, 3200, 8192])
def test_speech_in_pcm16_is_pcm16_whatever_its_first_chunk_looks_like(size):
    speech = PCM_LIKE_OPUS + speech_as_pcm16()
    chunks = [speech[at : at + size] for at in range(0, len(speech), size)]

    assert collect(*chunks).audio_format is AudioFormat.PCM16


def test_a_first_chunk_that_could_be_opus_and_is_all_there_is_is_pcm16():
    assert collect(PCM_LIKE_OPUS).audio_format is AudioFormat.PCM16


@pytest.mark.parametrize("silent_ms", [20, 200, 3000])
def test_silence_before_speech_does_not_make_pcm16_opus(silent_ms):
    audio = collect(bytes(silent_ms * 32), speech_as_pcm16()[:32_000])

    assert audio.audio_format is AudioFormat.PCM16
    assert audio.duration_ms == silent_ms + 1000


@pytest.mark.parametrize("before", [[b""], [b""] * 13, [b"", b"\x48", b""]])
@pytest.mark.parametrize("behind", [[], [b""], [b""] * 40])
def test_empty_packets_are_packets_of_20_ms(before, behind):
    speech = speech_as_opus()[:50]
    audio = collect(pack(*before), pack(*speech), pack(*behind))

    assert audio.audio_format is AudioFormat.OPUS
    assert audio.join() == (pack(*before, *speech, *behind), b"")
    assert audio.duration_ms == 20 * (len(before) + 50 + len(behind))


@pytest.mark.parametrize("packet", [b"\x48", b"\x48\0", b"\xb8\xff\xfe"])
def test_packets_that_say_only_that_nothing_is_sent_are_no_noise_in_pcm16(packet):
    assert collect(pack(*[packet] * 13), pack(*[packet] * 13)).audio_format is AudioFormat.OPUS


def test_opus_whose_packets_are_cut_through_by_chunks_is_opus():
    speech = pack(*speech_as_opus())
    chunks = [speech[at : at + 500] for at in range(0, len(speech), 500)]

    assert collect(*chunks).audio_format is AudioFormat.OPUS


@pytest.mark.req("SP15")
@pytest.mark.parametrize("chunk_bytes", [333, 500, 1_001])
def test_of_opus_that_chunks_cut_through_a_lost_last_chunk_costs_its_own_packets(chunk_bytes):
    packets = speech_as_opus()
    speech = pack(*packets)
    chunks = [speech[at : at + chunk_bytes] for at in range(0, len(speech), chunk_bytes)]

    for lost in range(1, len(chunks) - 4):
        audio = collect(*chunks[:-lost])
        whole, rest = audio.join()
        assert audio.audio_format is AudioFormat.OPUS
        assert whole == pack(*packets[: whole_packets(packets, len(whole))])
        assert whole + rest == b"".join(chunks[:-lost])
        assert len(rest) < 2 + len(packets[whole_packets(packets, len(whole))])


def whole_packets(packets, size_bytes):
    """How many of the packets are in so many bytes."""
    sizes = itertools.accumulate(2 + len(packet) for packet in packets)
    return sum(size <= size_bytes for size in sizes)


@pytest.mark.parametrize("louder", [1, 1 / 8, 1 / 64, 1 / 512])
@pytest.mark.parametrize("offset", [0, 3, 300])
def test_pcm16_of_any_loudness_that_is_cut_anywhere_is_never_opus(louder, offset):
    samples = array.array("h", speech_as_pcm16())
    quiet = array.array(
        "h", (max(-32_768, min(32_767, round(one * louder) + offset)) for one in samples)
    ).tobytes()

    rng = random.Random(11)
    for _ in range(300):
        begin = 2 * rng.randrange(len(quiet) // 4)
        piece = quiet[begin : begin + rng.randrange(1_000, len(quiet) // 2)]
        chunks = [piece[at : at + 641] for at in range(0, len(piece), 641)]
        assert collect(*chunks).audio_format is AudioFormat.PCM16


def test_random_bytes_are_never_opus():
    rng = random.Random(7)
    for _ in range(300):
        chunks = [rng.randbytes(640) for _ in range(5)]
        assert collect(*chunks).audio_format is AudioFormat.PCM16


@pytest.mark.req("SP15")
def test_half_a_sample_at_the_end_is_dropped():
    assert collect(b"\1\2" * 500 + b"\3").join() == (b"\1\2" * 500, b"\3")


@pytest.mark.req("SP15")
def test_of_declared_opus_the_packet_that_is_cut_off_is_dropped():
    whole = pack(*speech_as_opus()[:9])
    audio = collect(whole, pack(bytes(60))[:-1], audio_format=AudioFormat.OPUS)

    assert audio.join()[0] == whole


def test_a_declared_format_is_believed():
    zeros = bytes(640)

    assert collect(zeros, audio_format=AudioFormat.OPUS).audio_format is AudioFormat.OPUS
    like_opus = pack(*speech_as_opus()[:20])
    assert collect(like_opus, audio_format=AudioFormat.PCM16).audio_format is AudioFormat.PCM16
