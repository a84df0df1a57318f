"""The walk over length-prefixed Opus, chunk by chunk, and what its packets tell without decoding.

Each packet is a length, two bytes, lowest first, and that many bytes of Opus: 20 ms, an empty one
too, which stands for silence (DTX). What is no such chain breaks the walk sooner or later, speech
in PCM16 within milliseconds.
"""

from collections.abc import Iterator

OPUS_PACKET_MS = 20
MAX_OPUS_PACKET_BYTES = 1275
"""RFC 6716: no Opus packet is longer."""

_LENGTH_BYTES = 2
_ESTIMATED_PACKET_BYTES = 60
# Silence as the web client sends it; of the voice of the thriftiest encoder some is above.
_SILENCE_BYTES = 12
_CELT_FROM = 16
_ONE_FRAME, _TWO_EQUAL_FRAMES = 0, 1
# So many packets that all end where their chunks do are no accident.
_SURE_PACKETS = 5
# RFC 6716, table 2: what a frame of each configuration lasts, in ms; 0 where it is no whole one.
_FRAME_MS = (
    *(10, 20, 40, 60) * 3,
    *(10, 20) * 2,
    *(0, 5, 10, 20) * 4,
)


class OpusWalk:
    """One chain of packets, fed as it comes."""

    __slots__ = (
        "_active",
        "_boundary",
        "_durations",
        "_filled",
        "_inactive",
        "_is_aligned",
        "_left",
        "_low",
        "_unclear",
        "is_broken",
        "packets",
        "size_bytes",
    )

    def __init__(self) -> None:
        self.is_broken = False
        self.packets = 0
        self.size_bytes = 0
        self._left = 0
        self._low: int | None = None
        self._boundary = 0
        self._is_aligned = True
        # Packets with voice by the encoder's own word, without, and those that do not say.
        self._active = 0
        self._inactive = 0
        self._unclear = 0
        self._filled = 0
        self._durations: set[int] = set()

    def feed(self, audio: bytes) -> None:
        """Walk over the bytes of the next chunk."""
        self.size_bytes += len(audio)
        if self.is_broken:
            return
        position, end = min(self._left, len(audio)), len(audio)
        self._left -= position
        if self._low is not None and position < end:
            position, self._low = self._begin(self._low | audio[0] << 8, audio, 1), None
        while position < end - 1:
            length = audio[position] | audio[position + 1] << 8
            self._boundary = self.size_bytes - end + position
            position = self._begin(length, audio, position + _LENGTH_BYTES)
        if position == end - 1:
            self._low = audio[position]
            self._boundary = self.size_bytes - 1
        if self.is_whole:
            self._boundary = self.size_bytes
        self._is_aligned = self._is_aligned and self.is_whole

    def _begin(self, length: int, audio: bytes, position: int) -> int:
        """Take a packet that begins at `position`; return where it ends, or the audio does."""
        if length > MAX_OPUS_PACKET_BYTES:
            self.is_broken = True
            return len(audio)
        self.packets += 1
        if length:
            self._judge(length, audio[position : position + 2])
        end = min(position + length, len(audio))
        self._left = position + length - end
        return end

    def _judge(self, length: int, head: bytes) -> None:
        """Note whether a packet has voice in it (RFC 6716, 3.1 and 4.2.3).

        Speech coders write their own detector's word into the first bit of the first frame. It
        tells noise from voice where sizes do not: 40 bytes of noise are as many as of speech.
        """
        self._filled += 1
        if head:
            self._durations.add(_FRAME_MS[head[0] >> 3])
        if length <= _SILENCE_BYTES:
            return
        says = len(head) == _LENGTH_BYTES and head[0] >> 3 < _CELT_FROM
        if not says or head[0] & 3 not in (_ONE_FRAME, _TWO_EQUAL_FRAMES):
            self._unclear += 1
        elif head[1] >> 7:
            self._active += 1
        else:
            self._inactive += 1

    @property
    def is_whole(self) -> bool:
        """Say whether all packets are complete so far."""
        return not (self.is_broken or self._left or self._low is not None)

    @property
    def whole_bytes(self) -> int:
        """How many bytes the complete packets take."""
        return self._boundary

    @property
    def is_likely(self) -> bool:
        """Say whether it looks like Opus while more may come: each chunk was whole packets."""
        return self._is_aligned and not self.is_broken and self._filled > 0

    @property
    def is_opus(self) -> bool:
        """Say whether all there is is Opus.

        Each chunk was whole packets; where that may be an accident, all last as long as each
        other. Or the walk ends where the audio does, and all last 20 ms.
        """
        if self.is_likely:
            return self._filled >= _SURE_PACKETS or len(self._durations) <= 1
        return self.is_whole and self._durations == {OPUS_PACKET_MS}

    @property
    def duration_ms(self) -> int:
        """How long the packets play; of a broken chain, by the usual size of a packet."""
        packets = self.size_bytes // _ESTIMATED_PACKET_BYTES if self.is_broken else self.packets
        return packets * OPUS_PACKET_MS

    def voiced_ms(self, *, trusts_encoder: bool) -> int:
        """How long there was voice; `trusts_encoder` where it ever said that there was."""
        doubtful = 0 if trusts_encoder else self._inactive
        return (self._active + self._unclear + doubtful) * OPUS_PACKET_MS

    @property
    def has_active(self) -> bool:
        """Say whether the encoder heard voice in any packet."""
        return self._active > 0


def cut_in_slices(chunk: bytes, *, most_bytes: int) -> Iterator[bytes]:
    """Cut a long chunk: between packets where it is Opus, else anywhere between two samples."""
    walk = OpusWalk()
    walk.feed(chunk)
    begin = end = 0
    while walk.is_likely and end < len(chunk):
        following = end + _LENGTH_BYTES + (chunk[end] | chunk[end + 1] << 8)
        if following - begin > most_bytes:
            yield chunk[begin:end]
            begin = end
        end = following
    for at in range(begin, len(chunk), most_bytes):
        yield chunk[at : at + most_bytes]
