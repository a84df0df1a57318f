"""Files in which audio comes packed: WAV is unpacked, the others are known by name.

A name is told from bytes that begin no audio of ours: each is long or comes again, since bytes of
PCM16 may be anything.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

_CHUNK_HEADER_BYTES = 8
_RIFF_HEADER_BYTES = 12
_FORMAT_BYTES = 16
_PCM, _EXTENSIBLE = 1, 0xFFFE
_SUBFORMAT_AT = 24
_LOWEST_RATE, _HIGHEST_RATE = 4_000, 384_000

_WHOLE_BEGINNINGS: dict[str, bytes | tuple[bytes, ...]] = {
    "Ogg": b"OggS",
    "WebM": b"\x1a\x45\xdf\xa3",
    "FLAC": b"fLaC",
    "MP3": (b"ID3\2", b"ID3\3", b"ID3\4"),
    "AMR": b"#!AMR",
    "CAF": b"caff",
    "AU": b".snd",
    "WMA": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
}
_BY_BEGINNING = {
    (beginning if isinstance(beginning, bytes) else beginning[0])[:3]: name
    for name, beginning in _WHOLE_BEGINNINGS.items()
}
# In MPEG-4 the first box has its name behind its length.
_BOXES = (b"ftyp", b"moof", b"styp", b"moov")
_RIFFS = (b"RIFF", b"RF64", b"RIFX", b"FORM")
_SHORTEST_HEADER_BYTES = 4
_ADTS_HEADER_BYTES = 7
_FRAMES_IN_A_ROW = 3
_MPEG_SYNC, _ADTS_SYNC = 0x7FF, 0xFFF
_MPEG_1 = 3
# Of layer III, by whether it is version 1: bytes for each kbit/s and Hz, and rates in kbit/s.
_FRAMES = {
    True: (144, (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)),
    False: (72, (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_LAYER_III = 1


class UnreadableWav(ValueError):
    """A WAV file whose audio is not what we take; the text says what it is."""


class WavFormat(NamedTuple):
    """What stands before the samples: how fast they play, and where they begin and end.

    `end` is None where the file does not say how long it is, as when it is written to a pipe.
    """

    sample_rate: int
    begin: int
    end: int | None


def is_wav(audio: bytes) -> bool:
    """Say whether these bytes begin a WAV file, as far as can be seen of few."""
    return audio[:4] == b"RIFF" and b"WAVE".startswith(audio[8:12])


def read_wav_header(audio: bytes) -> WavFormat | None:
    """Return the header of a WAV file, None while it is not all there.

    :raises UnreadableWav: not one channel of 16 bits
    """
    at, sample_rate = _RIFF_HEADER_BYTES, 0
    while at + _CHUNK_HEADER_BYTES <= len(audio):
        name, size = audio[at : at + 4], struct.unpack_from("<I", audio, at + 4)[0]
        at += _CHUNK_HEADER_BYTES
        if name == b"data" and sample_rate:
            is_known = 0 < size <= len(audio) - at
            return WavFormat(sample_rate=sample_rate, begin=at, end=at + size if is_known else None)
        if name == b"data":
            raise UnreadableWav("WAV without a format")
        if name == b"fmt ":
            if at + size > len(audio):
                return None
            sample_rate = _read_format(audio[at : at + size])
        at += size + size % 2
    return None


def _read_format(block: bytes) -> int:
    if len(block) < _FORMAT_BYTES:
        raise UnreadableWav("WAV with a format cut short")
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", block)
    if kind == _EXTENSIBLE and len(block) >= _SUBFORMAT_AT + 2:
        kind = struct.unpack_from("<H", block, _SUBFORMAT_AT)[0]
    if (kind, channels, bits) != (_PCM, 1, 16):
        what = "" if kind == _PCM else f" of kind {kind}"
        raise UnreadableWav(f"WAV{what} with {channels} channels and {bits} bits")
    if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        raise UnreadableWav(f"WAV at {rate} Hz")
    return int(rate)


def find_container(audio: bytes) -> str | None:
    """Return the name of the file that begins here and that we do not take, None for none."""
    name = _BY_BEGINNING.get(audio[:3])
    if name is not None and audio.startswith(_WHOLE_BEGINNINGS[name]):
        return name
    kind, inner = audio[:4], audio[8:12]
    if audio[4:8] in _BOXES:
        return "MP4"
    if kind in _RIFFS and not is_wav(audio):
        return "AIFF" if inner.startswith(b"AIF") else "RIFF"
    if not audio.startswith(b"\xff"):
        return None
    for name, measure in (("MP3", _measure_mp3), ("AAC", _measure_adts)):
        if _count_frames(audio, measure) >= _FRAMES_IN_A_ROW:
            return name
    return None


def _count_frames(audio: bytes, measure: Callable[[bytes, int], int]) -> int:
    """Count the frames that follow each other from the beginning on."""
    at = count = 0
    while at + _SHORTEST_HEADER_BYTES <= len(audio) and (size := measure(audio, at)):
        at += size
        count += 1
    return count


def _measure_mp3(audio: bytes, at: int) -> int:
    """Return the bytes of the frame of MPEG audio layer III that begins here, 0 for none."""
    head = int.from_bytes(audio[at : at + 4])
    version, layer = head >> 19 & 3, head >> 17 & 3
    bitrate, rate, padding = head >> 12 & 15, head >> 10 & 3, head >> 9 & 1
    if head >> 21 != _MPEG_SYNC or layer != _LAYER_III or version not in _RATES:
        return 0
    rates, (factor, bitrates) = _RATES[version], _FRAMES[version == _MPEG_1]
    if not 0 < bitrate < len(bitrates) or rate == len(rates):
        return 0
    return factor * bitrates[bitrate] * 1000 // rates[rate] + padding


def _measure_adts(audio: bytes, at: int) -> int:
    """Return the bytes of the AAC frame that begins here, 0 for none."""
    head = int.from_bytes(audio[at : at + _ADTS_HEADER_BYTES])
    size = head >> 13 & 0x1FFF
    is_adts = head >> 44 == _ADTS_SYNC and not head >> 41 & 3
    return size if is_adts and size > _ADTS_HEADER_BYTES else 0
