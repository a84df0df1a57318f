"""Reading the audio clients send: formats, binary frames, base64.

Refusals:

    AudioRefusal
    ├── MalformedFrame      a binary frame that does not follow the layout
    ├── UndecodableAudio    an utterance whose audio is not base64
    └── ForeignAudio        a file, or a format, that we do not take
"""

import struct
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from scheduling.model.errors import Refusal
from sockets.wire import measure_base64

_PCM16_SAMPLE_BYTES = 2
_CHUNK_HEADER = struct.Struct("<BBIIBB")
_FINAL_HEADER = struct.Struct("<BBII")
_AUDIO_CHUNK, _FINAL, _PING, _PONG = 0x01, 0x02, 0x10, 0x11


class AudioRefusal(Refusal):
    """Audio that cannot be taken, for a reason the client can be told."""


class MalformedFrame(AudioRefusal):
    """The binary frame does not follow the layout of the protocol."""

    code = "INVALID_MESSAGE"


class UndecodableAudio(AudioRefusal):
    """Audio decode failed: the utterance's audio is not valid base64."""

    code = "INTERNAL_ERROR"


class ForeignAudio(AudioRefusal):
    """Audio in a form that we do not take."""

    code = "INVALID_AUDIO"

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(
            f"{what} is not taken. Send raw Opus packets, each behind its length (uint16, lowest"
            " byte first), or PCM16 of one channel, with or without a WAV header."
        )


class AudioFormat(StrEnum):
    """The forms of audio that jobs carry."""

    OPUS = "opus"
    PCM16 = "pcm16"


WAV = "wav"
"""PCM16 behind a header: taken in, and passed on without it."""


def read_format(name: str) -> AudioFormat:
    """Return the form that a client's word for it means.

    :raises ForeignAudio: we take nothing of this name
    """
    word = name.strip().lower()
    if word == WAV:
        return AudioFormat.PCM16
    try:
        return AudioFormat(word)
    except ValueError:
        raise ForeignAudio(f"audio_format {name!r}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryChunk:
    """One AUDIO_CHUNK or FINAL frame; a FINAL carries no audio and is final."""

    session_id: str
    seq: int
    sent_at_low32_ms: int
    is_final: bool
    audio: bytes


def pcm16_duration_ms(*, audio_bytes: int, sample_rate: int) -> int:
    """Tell how long that many bytes of one PCM16 channel play, in ms, rounded down."""
    if sample_rate <= 0:
        return 0
    return audio_bytes // _PCM16_SAMPLE_BYTES * 1000 // sample_rate


def decode_binary_frame(frame: bytes) -> BinaryChunk | None:
    """Decode a client's binary frame; None for the reserved PING and PONG.

    :raises MalformedFrame: empty, of unknown type, cut short, or with an unreadable session id
    """
    kind = frame[0] if frame else None
    if kind in (_PING, _PONG):
        return None
    try:
        if kind == _AUDIO_CHUNK:
            return _decode_chunk(frame)
        if kind == _FINAL:
            return _decode_final(frame)
    except struct.error as error:
        raise MalformedFrame("the frame is shorter than its header") from error
    raise MalformedFrame("the frame is empty or of an unknown type")


def _decode_chunk(frame: bytes) -> BinaryChunk:
    _, id_bytes, seq, sent_at, is_final, _ = _CHUNK_HEADER.unpack_from(frame)
    audio_at = _CHUNK_HEADER.size + id_bytes
    return BinaryChunk(
        session_id=_session_id(frame, begin=_CHUNK_HEADER.size, end=audio_at),
        seq=seq,
        sent_at_low32_ms=sent_at,
        is_final=is_final != 0,
        audio=frame[audio_at:],
    )


def _decode_final(frame: bytes) -> BinaryChunk:
    _, id_bytes, seq, sent_at = _FINAL_HEADER.unpack_from(frame)
    end = _FINAL_HEADER.size + id_bytes
    if len(frame) > end:
        # Dropping these bytes could drop speech without a word; refusing says so.
        raise MalformedFrame("a final frame carries no audio")
    return BinaryChunk(
        session_id=_session_id(frame, begin=_FINAL_HEADER.size, end=end),
        seq=seq,
        sent_at_low32_ms=sent_at,
        is_final=True,
        audio=b"",
    )


def _session_id(frame: bytes, *, begin: int, end: int) -> str:
    if not begin < end <= len(frame):
        raise MalformedFrame("the session id is missing or cut short")
    try:
        return frame[begin:end].decode()
    except UnicodeDecodeError as error:
        raise MalformedFrame("the session id is not UTF-8") from error


def decode_chunk_payload(payload: str | None) -> bytes:
    """Decode a chunk's base64; absent and undecodable payloads are no audio, never an error."""
    if not payload:
        return b""
    try:
        return msgspec.convert(payload, bytes)
    except msgspec.ValidationError:
        return b""


def check_utterance_audio(text: str) -> int:
    """Check that an utterance's audio is strict base64; tell how many bytes it stands for.

    :raises UndecodableAudio: a foreign character, wrong padding, or a wrong length
    """
    size = measure_base64(text)
    if size is None:
        raise UndecodableAudio("Audio decode failed: not base64")
    return size
