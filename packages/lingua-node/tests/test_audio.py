"""Audio formats: Opus both ways, WAV, resampling, and what is refused."""

import base64
import io
import itertools
import math
import struct
import wave
from array import array

import pytest
from lingua_node import audio, opus
from lingua_node.jobs import AudioInvalid, Result
from node_testing.nodes import make_node
from node_testing.scheduler import running


def tone(*, hertz: float, seconds: float, rate: int = 16000) -> bytes:
    samples = (
        round(8000 * math.sin(2 * math.pi * hertz * at / rate)) for at in range(int(seconds * rate))
    )
    return array("h", samples).tobytes()


def write_wav(pcm16: bytes, *, sample_rate: int = 16000) -> bytes:
    with io.BytesIO() as file:
        with wave.open(file, "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(sample_rate)
            wav.writeframes(pcm16)
        return file.getvalue()


def loudness(pcm16: bytes) -> float:
    samples = array("h", pcm16)
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))


def duration_ms(pcm16: bytes) -> int:
    return len(pcm16) // 2 * 1000 // audio.SAMPLE_RATE


def crossings(pcm16: bytes) -> int:
    samples = array("h", pcm16)
    return sum(a < 0 <= b for a, b in itertools.pairwise(samples))


def test_opus_there_and_back_is_the_same_sound():
    pcm16 = tone(hertz=440, seconds=1.01)
    packed = opus.encode(pcm16)
    back = opus.decode(packed)
    assert len(audio.split_packets(packed)) == 51
    assert len(back) == 51 * 640
    assert duration_ms(back) == 1020
    assert loudness(back) == pytest.approx(loudness(pcm16), rel=0.1)
    assert crossings(back) == pytest.approx(crossings(pcm16), abs=8)
    assert len(packed) < len(pcm16) / 5


def test_packets_of_successive_chunks_can_be_chained():
    first, second = opus.encode(tone(hertz=300, seconds=0.1)), opus.encode(bytes(640))
    packets = audio.split_packets(first + second)
    assert len(packets) == 6
    assert audio.join_packets(packets) == first + second


@pytest.mark.parametrize(
    "broken",
    [b"\1", b"\5\0abc", b"\xff\xff" + bytes(65535), b"\1\0a\2"],
    ids=["half a length", "short packet", "too long", "trailing byte"],
)
def test_broken_packing_is_refused(broken):
    with pytest.raises(AudioInvalid):
        audio.split_packets(broken)


def test_an_empty_packet_is_20_ms_of_what_was_before():
    spoken = opus.encode(tone(hertz=300, seconds=0.1))

    assert len(opus.decode(b"\0\0" + spoken + b"\0\0" * 3)) == len(opus.decode(spoken)) + 4 * 640


def test_a_packet_that_is_no_opus_is_refused():
    with pytest.raises(AudioInvalid, match="packet 0"):
        opus.decode(struct.pack("<H", 3) + b"\xff\xff\xff")


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_resampling_keeps_pitch_length_and_loudness(rate):
    pcm16 = tone(hertz=1000, seconds=0.5, rate=rate)
    changed = audio.resample(pcm16, from_rate=rate)
    assert len(changed) == pytest.approx(16000, abs=4)
    assert crossings(changed) == pytest.approx(500, abs=2)
    assert loudness(changed) == pytest.approx(loudness(pcm16), rel=0.05)


def test_what_lies_above_the_new_rate_does_not_alias():
    pcm16 = tone(hertz=10_000, seconds=0.2, rate=22050)
    assert loudness(audio.resample(pcm16, from_rate=22050)) < loudness(pcm16) / 20


def test_a_wav_is_read_back_as_it_was_written():
    pcm16 = tone(hertz=440, seconds=0.1)
    assert audio.read_wav(write_wav(pcm16, sample_rate=8000)) == (pcm16, 8000)


def test_a_wav_written_to_a_pipe_has_a_false_length_and_is_read_to_its_end():
    wav = bytearray(write_wav(b"\1\2" * 50))
    struct.pack_into("<I", wav, 40, 0x7FFFF000)
    assert audio.read_wav(bytes(wav))[0] == b"\1\2" * 50


@pytest.mark.parametrize(
    "wav",
    [b"", b"RIFF\0\0\0\0WAVE", b"OggS" * 20, write_wav(b"")[:30]],
    ids=["nothing", "no audio", "not a wav", "cut off"],
)
def test_what_is_no_wav_is_refused(wav):
    with pytest.raises(AudioInvalid):
        audio.read_wav(wav)


@pytest.mark.parametrize(
    ("wanted", "sent", "received"),
    [
        ("pcm16", "opus", "pcm16"),
        ("pcm16", "pcm16", "pcm16"),
        ("opus", "pcm16", "opus"),
        ("opus", "opus", "opus"),
        ("as_sent", "opus", "opus"),
        ("none", "opus", "opus"),
    ],
)
async def test_a_handler_gets_the_audio_in_the_form_it_asked_for(scheduler, wanted, sent, received):
    pcm16 = tone(hertz=440, seconds=0.2)
    jobs = []

    async def work(job):
        jobs.append(job)
        return Result()

    node = make_node(work, audio=wanted)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        data = opus.encode(pcm16) if sent == "opus" else pcm16
        await socket.begin(audio=base64.b64encode(data).decode(), audio_format=sent)
        assert (await socket.expect("job_result"))["success"] is True
    assert jobs[0].audio_format == received
    if wanted == "none":
        assert jobs[0].audio == b""
    else:
        heard = jobs[0].audio if received == "pcm16" else opus.decode(jobs[0].audio)
        assert len(heard) == len(pcm16)
        assert duration_ms(heard) == 200
    if received == "opus" and wanted != "none":
        packets = audio.split_packets(jobs[0].audio)
        assert [duration_ms(opus.decode(audio.join_packets([each]))) for each in packets] == [
            20
        ] * 10
