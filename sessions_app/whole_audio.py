"""The audio of an utterance that comes whole, settled before a node is asked."""

import base64
from typing import NamedTuple

from sessions_app.audio import (
    WAV,
    AudioFormat,
    ForeignAudio,
    UndecodableAudio,
    check_utterance_audio,
    pcm16_duration_ms,
    read_format,
)
from sessions_app.containers import UnreadableWav, find_container, is_wav, read_wav_header

# Base64 of what tells a file; three frames of bare MP3 or AAC are longer, and begin with ones.
_LOOK_AT, _LOOK_AT_FRAMES = 64, 8_192
_ONES = b"\xff"
_WAV_MAGIC_BYTES = 12
_QUANTUM = 4


class WholeAudio(NamedTuple):
    """Audio as a job carries it; `text` is base64."""

    text: str
    audio_format: AudioFormat
    sample_rate: int


def settle_audio(text: str, *, audio_format: str, sample_rate: int) -> WholeAudio:
    """Return audio in a form that nodes know: WAV without its header, PCM16 in whole samples.

    All but a WAV's stays the text it came in: it is looked at, not decoded.

    :raises UndecodableAudio: it is no base64, or nothing
    :raises ForeignAudio: it is a file, or in a format, that we do not take
    """
    size_bytes = check_utterance_audio(text)
    head = base64.b64decode(text[:_LOOK_AT])
    if head.startswith(_ONES):
        head = base64.b64decode(text[:_LOOK_AT_FRAMES])
    if len(head) >= _WAV_MAGIC_BYTES and is_wav(head):
        samples = unpack_wav(base64.b64decode(text))
        return WholeAudio(
            text=base64.b64encode(samples.pcm16).decode(),
            audio_format=AudioFormat.PCM16,
            sample_rate=samples.sample_rate,
        )
    refuse_file(head)
    form = read_format(audio_format)
    if audio_format.strip().lower() == WAV:
        raise ForeignAudio("WAV without its header")
    if form is AudioFormat.PCM16 and size_bytes % 2:
        text = _drop_last_byte(text)
    if not text:
        raise UndecodableAudio("Audio decode failed: there is none")
    return WholeAudio(text=text, audio_format=form, sample_rate=sample_rate)


class PcmAudio(NamedTuple):
    """PCM16 of one channel."""

    pcm16: bytes
    sample_rate: int

    @property
    def duration_ms(self) -> int:
        """Return how long it plays."""
        return pcm16_duration_ms(audio_bytes=len(self.pcm16), sample_rate=self.sample_rate)


def refuse_file(audio: bytes) -> None:
    """Refuse audio that begins like a file of another kind than WAV.

    :raises ForeignAudio: it is one
    """
    name = find_container(audio)
    if name is not None:
        raise ForeignAudio(name)


def unpack_wav(audio: bytes) -> PcmAudio:
    """Return what a WAV file holds.

    :raises ForeignAudio: it is none, or one that we do not take
    """
    if not is_wav(audio):
        raise ForeignAudio(find_container(audio) or "what is no WAV file")
    try:
        header = read_wav_header(audio)
    except UnreadableWav as error:
        raise ForeignAudio(str(error)) from error
    if header is None:
        raise ForeignAudio("WAV without audio")
    samples = audio[header.begin : header.end]
    samples = samples[: len(samples) // 2 * 2]
    if not samples:
        raise ForeignAudio("WAV without audio")
    return PcmAudio(pcm16=samples, sample_rate=header.sample_rate)


def _drop_last_byte(text: str) -> str:
    """Return base64 without its last byte: half a sample."""
    last = base64.b64decode(text[-_QUANTUM:])
    return text[:-_QUANTUM] + base64.b64encode(last[:-1]).decode()
