"""Audio as bytes: PCM16, length-prefixed Opus packets, WAV, and a change of sample rate.

PCM16 is signed, little-endian, one channel. Length-prefixed Opus is a chain of packets, each
`uint16 little-endian length` and that many bytes; one packet is 20 ms, an empty one of silence.
"""

import functools
import math
import operator
import struct
import sys
from array import array

from lingua_node.jobs import AudioInvalid

SAMPLE_RATE = 16_000  # Hz, of everything on the wire
_LONGEST_PACKET = 1275  # bytes, by the Opus specification
_TAPS = 24  # of the low-pass filter, per output sample


def split_packets(data: bytes) -> list[bytes]:
    """Cut length-prefixed Opus into its packets.

    :raises AudioInvalid: a length is above 1275, or the data ends inside a packet
    """
    packets: list[bytes] = []
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise AudioInvalid("opus audio ends inside a length")
        (length,) = struct.unpack_from("<H", data, at)
        packet = data[at + 2 : at + 2 + length]
        if length > _LONGEST_PACKET or len(packet) < length:
            raise AudioInvalid(f"opus packet {len(packets)} has an impossible length: {length}")
        packets.append(packet)
        at += 2 + length
    return packets


def join_packets(packets: list[bytes]) -> bytes:
    """Chain packets, each behind its length."""
    return b"".join(struct.pack("<H", len(packet)) + packet for packet in packets)


def check_pcm16(audio: bytes) -> None:
    """Refuse what cannot be PCM16.

    :raises AudioInvalid: empty, or not a whole number of samples
    """
    if not audio:
        raise AudioInvalid("there is no audio")
    if len(audio) % 2:
        raise AudioInvalid(f"pcm16 audio of an odd number of bytes: {len(audio)}")


def read_wav(wav: bytes) -> tuple[bytes, int]:
    """Return the PCM16 and the sample rate of a one-channel WAV.

    Programs that write to a pipe cannot know the length and put a false one: what follows counts.

    :raises AudioInvalid: not a WAV, not 16 bits, not one channel
    """
    if wav[:4] != b"RIFF" or wav[8:12] != b"WAVE":
        raise AudioInvalid("not a WAV file")
    at, rate = 12, 0
    while at + 8 <= len(wav):
        name, length = wav[at : at + 4], struct.unpack_from("<I", wav, at + 4)[0]
        body = wav[at + 8 : at + 8 + length]
        if name == b"fmt ":
            rate = _read_wav_format(body)
        if name == b"data" and rate:
            return body[: len(body) // 2 * 2], rate
        at += 8 + length + length % 2
    raise AudioInvalid("a WAV file without audio")


def _read_wav_format(body: bytes) -> int:
    """Return the sample rate.

    :raises AudioInvalid: not 16 bits, not one channel
    """
    if len(body) < 16:  # noqa: PLR2004 - the size of the format block
        raise AudioInvalid("a WAV file with a short format block")
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if (kind, channels, bits) != (1, 1, 16) or not rate:
        raise AudioInvalid(f"a WAV file of {channels} channels and {bits} bits")
    return int(rate)


def resample(pcm16: bytes, *, from_rate: int, to_rate: int = SAMPLE_RATE) -> bytes:
    """Change the sample rate through a windowed-sinc filter, so that nothing aliases.

    Plain Python, about 50 ms of CPU per second of audio: keep it off the event loop.
    """
    if from_rate == to_rate:
        return pcm16
    source = _to_samples(pcm16)
    padded = array("h", bytes(_TAPS)) + source + array("h", bytes(2 * _TAPS))
    shrink = math.gcd(from_rate, to_rate)
    up, down = to_rate // shrink, from_rate // shrink
    filters = _filters(up=up, down=down)
    output = array("h", bytes(2 * (len(source) * up // down)))
    for index in range(len(output)):
        start, phase = divmod(index * down, up)
        window = padded[start : start + _TAPS]
        total = sum(map(operator.mul, filters[phase], window))
        output[index] = max(-32768, min(32767, round(total)))
    return _from_samples(output)


@functools.lru_cache(maxsize=4)
def _filters(*, up: int, down: int) -> list[list[float]]:
    """One low-pass filter per position of an output sample between two input samples."""
    cutoff = min(1.0, up / down) * 0.95
    half = _TAPS // 2
    return [_filter(offset=phase / up, cutoff=cutoff, half=half) for phase in range(up)]


def _filter(*, offset: float, cutoff: float, half: int) -> list[float]:
    taps: list[float] = []
    for tap in range(2 * half):
        distance = tap - half - offset
        angle = math.pi * cutoff * distance
        sinc = 1.0 if abs(angle) < 1e-9 else math.sin(angle) / angle  # noqa: PLR2004 - zero
        window = 0.5 + 0.5 * math.cos(math.pi * max(-1.0, min(1.0, distance / (half + 1))))
        taps.append(sinc * window)
    total = sum(taps)
    return [tap / total for tap in taps]


def _to_samples(pcm16: bytes) -> "array[int]":
    samples = array("h", pcm16)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _from_samples(samples: "array[int]") -> bytes:
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
