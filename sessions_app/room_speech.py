"""Speech as pages play it in rooms: PCM16 at 16 kHz, whatever a node made of it (RM5, 0170)."""

import asyncio
import base64
import binascii
import contextlib
import ctypes
import functools
import logging
from collections.abc import Iterator

from sessions_app.opus_packing import MAX_OPUS_PACKET_BYTES, OPUS_PACKET_MS

logger = logging.getLogger(__name__)

PCM16 = "pcm16"
_LIBRARIES = ("libopus.so.0", "libopus.0.dylib", "opus.dll")
_SAMPLE_RATE = 16_000
_SAMPLE_BYTES = 2
_LENGTH_BYTES = 2
# What an empty packet stands for, and the most that one may hold.
_FRAME_SAMPLES = _SAMPLE_RATE * OPUS_PACKET_MS // 1000
_LONGEST_FRAME_SAMPLES = _SAMPLE_RATE * 120 // 1000
# A packet of a byte may stand for a tenth of a second: longer speech than this is left out.
_LONGEST_BYTES = 120 * _SAMPLE_RATE * _SAMPLE_BYTES


class _Undecodable(Exception):
    """It is no Opus, or too much of it."""


async def make_pcm16(speech: str, audio_format: str) -> str:
    """Return speech, base64 as it came, as base64 of PCM16; ``""`` where that cannot be made.

    Opus is decoded beside the event loop: a second of speech takes some milliseconds.
    """
    if audio_format == PCM16 or not speech:
        return speech
    library = _load_library()
    if library is None:
        return ""
    try:
        return await asyncio.to_thread(_decode, library, speech)
    except (_Undecodable, binascii.Error) as error:
        logger.info("speech for a room left out", extra={"reason": str(error)})
        return ""


def _decode(library: ctypes.CDLL, speech: str) -> str:
    pcm16 = bytearray()
    heard = ctypes.create_string_buffer(_LONGEST_FRAME_SAMPLES * _SAMPLE_BYTES)
    with _open_decoder(library) as decoder:
        for packet in _split(base64.b64decode(speech, validate=True)):
            # Of a packet that was not sent libopus goes on from the one before.
            sent, longest = (packet, _LONGEST_FRAME_SAMPLES) if packet else (None, _FRAME_SAMPLES)
            samples = library.opus_decode(decoder, sent, len(packet), heard, longest, 0)
            if samples < 0:
                raise _Undecodable(f"libopus refuses a packet: {samples}")
            pcm16 += heard.raw[: samples * _SAMPLE_BYTES]
            if len(pcm16) > _LONGEST_BYTES:
                raise _Undecodable("longer than two minutes")
    return base64.b64encode(pcm16).decode()


def _split(opus: bytes) -> Iterator[bytes]:
    """Yield the packets of length-prefixed Opus."""
    at = 0
    while at < len(opus):
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(opus[at:begin], "little")
        if at > len(opus) or at - begin > MAX_OPUS_PACKET_BYTES:
            raise _Undecodable("no chain of packets")
        yield opus[begin:at]


@functools.cache
def _load_library() -> ctypes.CDLL | None:
    """Return the system's libopus; where it is missing that is said once."""
    for name in _LIBRARIES:
        with contextlib.suppress(OSError):
            return _describe(ctypes.CDLL(name))
    logger.warning("libopus is missing: rooms get no speech that nodes give as Opus")
    return None


def _describe(library: ctypes.CDLL) -> ctypes.CDLL:
    library.opus_decoder_create.restype = ctypes.c_void_p
    library.opus_decoder_destroy.argtypes = [ctypes.c_void_p]
    library.opus_decode.argtypes = [
        *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32),
        *(ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
    ]
    return library


@contextlib.contextmanager
def _open_decoder(library: ctypes.CDLL) -> Iterator[ctypes.c_void_p]:
    status = ctypes.c_int()
    decoder = ctypes.c_void_p(library.opus_decoder_create(_SAMPLE_RATE, 1, ctypes.byref(status)))
    if status.value:
        raise _Undecodable(f"libopus makes no decoder: {status.value}")
    try:
        yield decoder
    finally:
        library.opus_decoder_destroy(decoder)
