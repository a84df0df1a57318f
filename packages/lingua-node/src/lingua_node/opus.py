"""Opus through the system's libopus, by ctypes.

Why not a package: those on PyPI are either unmaintained wrappers that need libopus anyway, or bring
all of FFmpeg; six functions of a library whose ABI has been stable for a decade need neither.
"""

import ctypes
import ctypes.util
import functools
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from lingua_node import audio
from lingua_node.jobs import AudioInvalid, JobFailed

_FRAME_SAMPLES = audio.SAMPLE_RATE // 50  # 20 ms
_LONGEST_FRAME_SAMPLES = audio.SAMPLE_RATE * 120 // 1000  # what one packet may decode to
_LONGEST_PACKET = 1275
_APPLICATION_VOIP = 2048
_SET_BITRATE = 4002
_BITRATE = 24_000  # bits per second


class OpusMissing(JobFailed):
    """libopus is not installed; on Debian it is the package libopus0."""

    def __init__(self) -> None:
        super().__init__(
            "Opus needs libopus; on Debian: apt-get install libopus0", code="UNSUPPORTED_FEATURE"
        )


@functools.cache
def _library() -> ctypes.CDLL:
    """Load and describe libopus.

    :raises OpusMissing: it is not installed
    """
    name = ctypes.util.find_library("opus") or "libopus.so.0"
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise OpusMissing from error
    library.opus_decoder_create.restype = ctypes.c_void_p
    library.opus_encoder_create.restype = ctypes.c_void_p
    library.opus_decoder_destroy.argtypes = [ctypes.c_void_p]
    library.opus_encoder_destroy.argtypes = [ctypes.c_void_p]
    library.opus_decode.argtypes = [
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32,
        ctypes.c_char_p, ctypes.c_int, ctypes.c_int,
    ]  # fmt: skip
    library.opus_encode.argtypes = [
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int32,
    ]  # fmt: skip
    return library


def is_available() -> bool:
    """Whether libopus is installed."""
    try:
        _library()
    except OpusMissing:
        return False
    return True


class OpusStream:
    """Turns one stream of length-prefixed Opus into PCM16 at 16 kHz, piece by piece."""

    def __init__(self) -> None:
        """Begin a stream.

        :raises OpusMissing: libopus is not installed
        """
        self._library = _library()
        status = ctypes.c_int()
        self._state = ctypes.c_void_p(
            self._library.opus_decoder_create(audio.SAMPLE_RATE, 1, ctypes.byref(status))
        )
        if status.value:
            raise JobFailed(f"opus_decoder_create failed: {status.value}")
        weakref.finalize(self, self._library.opus_decoder_destroy, self._state)
        self._room = ctypes.create_string_buffer(_LONGEST_FRAME_SAMPLES * 2)
        self._packets = 0

    def decode(self, data: bytes) -> bytes:
        """Decode what comes next. Releases the GIL; not for two threads at once.

        :raises AudioInvalid: broken packing, or a packet libopus refuses
        """
        pcm16 = bytearray()
        for packet in audio.split_packets(data):
            # For a packet that was not sent libopus goes on from the one before.
            sent, longest = (packet, _LONGEST_FRAME_SAMPLES) if packet else (None, _FRAME_SAMPLES)
            samples = self._library.opus_decode(
                self._state, sent, len(packet), self._room, longest, 0
            )
            if samples < 0:
                raise AudioInvalid(f"opus packet {self._packets} cannot be decoded: {samples}")
            pcm16 += self._room.raw[: samples * 2]
            self._packets += 1
        return bytes(pcm16)


def decode(data: bytes) -> bytes:
    """Turn length-prefixed Opus into PCM16 at 16 kHz. Releases the GIL while decoding.

    :raises AudioInvalid: broken packing, or a packet libopus refuses
    :raises OpusMissing: libopus is not installed
    """
    return OpusStream().decode(data)


def encode(pcm16: bytes) -> bytes:
    """Turn PCM16 at 16 kHz into length-prefixed Opus; the last packet is filled up with silence.

    :raises OpusMissing: libopus is not installed
    """
    packets: list[bytes] = []
    room = ctypes.create_string_buffer(_LONGEST_PACKET)
    frame_bytes = _FRAME_SAMPLES * 2
    with _encoder() as (library, encoder):
        for start in range(0, len(pcm16), frame_bytes):
            frame = pcm16[start : start + frame_bytes].ljust(frame_bytes, b"\0")
            length = library.opus_encode(encoder, frame, _FRAME_SAMPLES, room, _LONGEST_PACKET)
            if length < 1:
                raise JobFailed(f"opus_encode refused a frame: {length}")
            packets.append(room.raw[:length])
    return audio.join_packets(packets)


@contextmanager
def _encoder() -> Iterator[tuple[ctypes.CDLL, ctypes.c_void_p]]:
    library = _library()
    status = ctypes.c_int()
    encoder = ctypes.c_void_p(
        library.opus_encoder_create(audio.SAMPLE_RATE, 1, _APPLICATION_VOIP, ctypes.byref(status))
    )
    if status.value:
        raise JobFailed(f"opus_encoder_create failed: {status.value}")
    try:
        library.opus_encoder_ctl(encoder, _SET_BITRATE, ctypes.c_int32(_BITRATE))
        yield library, encoder
    finally:
        library.opus_encoder_destroy(encoder)
