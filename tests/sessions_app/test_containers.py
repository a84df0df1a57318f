"""Files in chunks and in utterances: WAV is unpacked, the others are refused by name."""

import base64
import io
import random
import struct
import wave

import pytest

from sessions_app.audio import AudioFormat, ForeignAudio, UndecodableAudio
from sessions_app.chunk_reader import ChunkReader
from sessions_app.whole_audio import settle_audio
from tests.sessions_app.recorded import pack, speech_as_opus, speech_as_pcm16

pytestmark = pytest.mark.req("ED2")

PCM16 = speech_as_pcm16()[:32_000]
MP3_FRAME = b"\xff\xfb\x90\x64" + bytes(413)
MP3_FRAME_OF_VERSION_2 = b"\xff\xf3\x84\xc4" + bytes(188)
ADTS_FRAME = b"\xff\xf1\x60\x40\x0c\x9f\xfc" + bytes(93)
FILES = {
    "WebM": b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01" + bytes(500),
    "Ogg": b"OggS\0\2" + bytes(500),
    "FLAC": b"fLaC\0\0\0\x22" + bytes(500),
    "MP4": b"\0\0\0\x20ftypM4A " + bytes(500),
    "MP3": b"ID3\4\0\0" + bytes(500),
    "AMR": b"#!AMR-WB\n" + bytes(500),
    "AIFF": b"FORM\0\0\1\0AIFFCOMM" + bytes(500),
    "RIFF": b"RIFF\0\0\1\0AVI LIST" + bytes(500),
}
BARE = {"MP3 1": MP3_FRAME * 4, "MP3 2": MP3_FRAME_OF_VERSION_2 * 4, "AAC": ADTS_FRAME * 5}


def make_wav(
    pcm16: bytes, *, rate: int = 16_000, channels: int = 1, width: int = 2, size: int | None = None
) -> bytes:
    """A WAV file; with `size` as one written to a pipe, which says a length of its own."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(width)
        wav.setframerate(rate)
        wav.writeframes(pcm16)
    made = bytearray(file.getvalue())
    if size is not None:
        made[4:8] = made[40:44] = struct.pack("<I", size)
    return bytes(made)


def text(audio: bytes) -> str:
    return base64.b64encode(audio).decode()


def read(reader: ChunkReader, audio: bytes, *, step: int) -> bytes:
    return b"".join(
        reader.read(audio[at : at + step], begins=not at) for at in range(0, len(audio), step)
    )


@pytest.mark.parametrize("name", FILES)
def test_a_file_in_chunks_is_refused_once_by_name(name):
    reader = ChunkReader(sample_rate=16_000)

    with pytest.raises(ForeignAudio, match=f"^{name} is not taken. Send ") as refused:
        reader.read(FILES[name], begins=True)

    assert refused.value.code == "INVALID_AUDIO"
    assert reader.read(b"\1\2" * 300, begins=False) == b""


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("declared", ["opus", "pcm16"])
def test_a_file_as_an_utterance_is_refused_by_name(name, declared):
    with pytest.raises(ForeignAudio, match=f"^{name} is not taken"):
        settle_audio(text(FILES[name]), audio_format=declared, sample_rate=16_000)


@pytest.mark.parametrize("name", BARE)
def test_frames_of_compressed_audio_are_known_without_a_file_around_them(name):
    with pytest.raises(ForeignAudio, match=f"^{name.split()[0]} is not taken"):
        ChunkReader(sample_rate=16_000).read(BARE[name], begins=True)


@pytest.mark.parametrize("step", [7, 44, 100, 640, 8192])
@pytest.mark.parametrize("size", [None, 0, 0xFFFF_FFFF])
def test_a_wav_file_in_chunks_is_its_samples_at_its_rate(step, size):
    reader = ChunkReader(sample_rate=16_000)
    wav = make_wav(PCM16, rate=48_000, size=size)

    assert read(reader, wav, step=step) == PCM16
    assert reader.sample_rate == 48_000


def test_a_wav_header_in_every_chunk_goes():
    reader = ChunkReader(sample_rate=16_000)
    chunks = [make_wav(PCM16[at : at + 3200]) for at in range(0, len(PCM16), 3200)]

    assert b"".join(reader.read(chunk, begins=False) for chunk in chunks) == PCM16


@pytest.mark.parametrize(
    ("wav", "what"),
    [
        (make_wav(PCM16, channels=2), "WAV with 2 channels and 16 bits"),
        (make_wav(PCM16, width=1), "WAV with 1 channels and 8 bits"),
        (make_wav(PCM16, width=3), "WAV with 1 channels and 24 bits"),
        (make_wav(PCM16).replace(b"\1\0\1\0", b"\7\0\1\0", 1), "WAV of kind 7"),
    ],
)
def test_a_wav_of_another_kind_is_refused_by_what_it_is(wav, what):
    with pytest.raises(ForeignAudio, match=what):
        ChunkReader(sample_rate=16_000).read(wav, begins=True)
    with pytest.raises(ForeignAudio, match=what):
        settle_audio(text(wav), audio_format="wav", sample_rate=16_000)


@pytest.mark.parametrize("declared", ["wav", "WAV", "pcm16"])
def test_a_wav_utterance_is_its_samples_at_its_rate(declared):
    settled = settle_audio(
        text(make_wav(PCM16, rate=8_000)), audio_format=declared, sample_rate=16_000
    )

    assert (settled.text, settled.audio_format, settled.sample_rate) == (
        text(PCM16),
        AudioFormat.PCM16,
        8_000,
    )


@pytest.mark.parametrize("named", ["webm", "mp3", "audio/ogg", "", "opus16"])
def test_a_format_we_do_not_know_is_refused_by_name(named):
    with pytest.raises(ForeignAudio, match="audio_format"):
        settle_audio(text(PCM16), audio_format=named, sample_rate=16_000)


@pytest.mark.req("SP15")
@pytest.mark.parametrize("size", [3, 4001, 4003, 4005])
def test_the_half_sample_of_an_utterance_is_dropped_not_the_utterance(size):
    audio = PCM16[:size]

    settled = settle_audio(text(audio), audio_format="pcm16", sample_rate=16_000)

    assert base64.b64decode(settled.text) == audio[:-1]


def test_an_utterance_of_half_a_sample_is_none():
    with pytest.raises(UndecodableAudio):
        settle_audio(text(b"\1"), audio_format="pcm16", sample_rate=16_000)


def test_an_odd_number_of_bytes_of_opus_stays():
    packed = pack(*speech_as_opus()[:3])[:-1]

    assert settle_audio(text(packed), audio_format="Opus", sample_rate=16_000).text == text(packed)


def test_neither_speech_nor_noise_is_taken_for_a_file():
    rng = random.Random(5)
    reader = ChunkReader(sample_rate=16_000)
    speech = speech_as_pcm16()
    packed = pack(*speech_as_opus())
    for step in (2, 320, 640, 8192):
        assert read(reader, speech, step=step) == speech
    assert reader.read(packed, begins=True) == packed
    for _ in range(2_000):
        chunk = rng.randbytes(320)
        assert reader.read(chunk, begins=True) == chunk


def test_what_looks_like_a_file_in_the_middle_of_speech_is_speech():
    reader = ChunkReader(sample_rate=16_000)
    assert reader.read(PCM16, begins=True) == PCM16

    assert reader.read(FILES["Ogg"], begins=False) == FILES["Ogg"]
