"""The walk over length-prefixed Opus, chunk by chunk, and what its packets tell without decoding.

Each packet is a length, two bytes, lowest first, and that many bytes of Opus: 20 ms, an empty one
too, which stands for silence (DTX). What is no such chain breaks the walk sooner or later, speech
in PCM16 within milliseconds.
"""

from collections.abc import Iterator

from sessions_app.speech_end import BEGINNING, Place, SpeechEnd

OPUS_PACKET_MS = 20
MAX_OPUS_PACKET_BYTES = 1275
"""RFC 6716: no Opus packet is longer."""

_LENGTH_BYTES = 2
# The length, what the packet is, and a little of its first frame.
_HEAD_BYTES = 8
# So many without the encoder's mark, no two alike, come from one that marks voice and heard none:
# made-up packets are all alike, and random ones would be marked now and then.
_REAL_PACKETS = 8
_ESTIMATED_PACKET_BYTES = 60
# Silence as the web client sends it; of the voice of the thriftiest encoder some is above.
_SILENCE_BYTES = 12
_CELT_FROM = 16
_ONE_FRAME, _TWO_EQUAL_FRAMES = 0, 1
# By the last two bits of a packet's first byte; of any number there are mostly three.
_FRAMES_OF = (1, 2, 2, 3)
_SHORTEST_FRAME_MS = 2.5
# Ten seconds of packets without a byte in one chunk: nobody sends Opus so.
_ALL_ZERO_BYTES = 1_000
_LONGEST_PACKET_MS = 120
# So many packets that all end where their chunks do are no accident.
_SURE_PACKETS = 5
# Where nothing but their lengths and durations speaks for them. Speech in PCM16 breaks the walk;
# what does not, silence beside zero, reads as packets that all begin alike.
_SURE_PACKETS_CUT_THROUGH = 10
_VARIED = 5
# RFC 6716, table 2: what a frame of each configuration lasts, in ms; 0 where it is no whole one.
_FRAME_MS = (
    *(10, 20, 40, 60) * 3,
    *(10, 20) * 2,
    *(0, 5, 10, 20) * 4,
)


class OpusWalk:
    """One chain of packets, fed as it comes; a packet counts when it is complete.

    `trusts_encoder` where it is known that the encoder marks voice, `is_declared` where that it is
    Opus.
    """

    __slots__ = (
        "_active",
        "_beginnings",
        "_durations",
        "_filled",
        "_inactive",
        "_is_aligned",
        "_packet_ms",
        "_rest",
        "_trusts_encoder",
        "_unclear",
        "_unmarked",
        "is_broken",
        "is_declared",
        "packets",
        "size_bytes",
    )

    def __init__(self, *, trusts_encoder: bool = False, is_declared: bool = False) -> None:
        self.is_broken = False
        self.is_declared = is_declared
        self.packets = 0
        self.size_bytes = 0
        self._rest = b""
        self._is_aligned = True
        self._trusts_encoder = trusts_encoder
        # Packets with voice by the encoder's own word, without, and those that do not say.
        self._active = 0
        self._inactive = 0
        self._unclear = 0
        self._filled = 0
        self._packet_ms: float = OPUS_PACKET_MS
        self._durations: set[int] = set()
        # What the first frames begin with.
        self._beginnings: set[int] = set()
        self._unmarked: set[bytes] = set()

    def feed(
        self, audio: bytes, *, ear: SpeechEnd | None = None, stops: bool = False
    ) -> int | None:
        """Walk over the bytes of the next chunk.

        Return behind which of these bytes speech ended: there the walk `stops`, if it may. None if
        it did not end.
        """
        self.size_bytes += len(audio)
        if self.is_broken or self._is_digital_silence(audio):
            self.is_broken = True
            return None
        waiting = len(self._rest)
        audio = self._rest + audio
        begun_at = self.size_bytes - len(audio)
        at, end = 0, len(audio)
        while end - at >= _LENGTH_BYTES:
            length = audio[at] | audio[at + 1] << 8
            following = at + _LENGTH_BYTES + length
            if length > MAX_OPUS_PACKET_BYTES:
                self.is_broken = True
                at = end
                break
            if following > end:
                break
            is_voice = self._take(length, audio[at + _LENGTH_BYTES : at + _HEAD_BYTES])
            begin, at = at, following
            if (
                ear is not None
                and ear.note(is_voice, self._packet_ms, begun_at + begin)
                and stops
                and self._is_sure
            ):
                self._rest = b""
                self.size_bytes -= end - at
                return at - waiting
        self._rest = audio[at:]
        self._is_aligned = self._is_aligned and self.is_whole
        return None

    def _is_digital_silence(self, audio: bytes) -> bool:
        """Say whether this is PCM16 of nothing: as empty packets it would last for long."""
        return (
            len(audio) >= _ALL_ZERO_BYTES
            and not (self._filled or self.is_declared)
            and audio == bytes(len(audio))
        )

    def _take(self, length: int, head: bytes) -> bool:
        """Take a packet; say whether there may be voice in it (RFC 6716, 3.1 and 4.2.3).

        Speech coders write their own detector's word into the first bit of the first frame. It
        tells noise from voice where sizes do not: 40 bytes of noise are as many as of speech.
        """
        self.packets += 1
        if not length:
            return False
        self._filled += 1
        frame_ms = _FRAME_MS[head[0] >> 3]
        self._durations.add(frame_ms)
        count = _FRAMES_OF[head[0] & 3]
        self._packet_ms = min(_LONGEST_PACKET_MS, (frame_ms or _SHORTEST_FRAME_MS) * count)
        if length <= _SILENCE_BYTES:
            return False
        self._beginnings.add(head[1])
        if head[0] >> 3 >= _CELT_FROM or head[0] & 3 not in (_ONE_FRAME, _TWO_EQUAL_FRAMES):
            self._unclear += 1
            return True
        if head[1] >> 7:
            self._active += 1
            self._trusts_encoder = True
            return True
        self._inactive += 1
        if not (self._trusts_encoder or self._unclear):
            self._unmarked.add(head[1:])
            self._trusts_encoder = len(self._unmarked) >= _REAL_PACKETS
        return not self._trusts_encoder

    @property
    def is_whole(self) -> bool:
        """Say whether all packets are complete so far."""
        return not (self.is_broken or self._rest)

    @property
    def whole_bytes(self) -> int:
        """How many bytes the complete packets take."""
        return self.size_bytes - len(self._rest)

    @property
    def is_likely(self) -> bool:
        """Say whether it looks like Opus while more may come: each chunk was whole packets."""
        return self._is_aligned and not self.is_broken and self._filled > 0

    @property
    def is_opus(self) -> bool:
        """Say whether all there is is Opus.

        Each chunk was whole packets; where that may be an accident, all last as long as each
        other. Or all last 20 ms and the walk ends where the audio does, or, where the last chunk
        was lost, within the packet behind so many that it is no accident either.
        """
        if self.is_likely:
            return self._filled >= _SURE_PACKETS or len(self._durations) <= 1
        if self.is_broken or self._durations != {OPUS_PACKET_MS}:
            return False
        return self.is_whole or (
            self._filled >= _SURE_PACKETS_CUT_THROUGH and len(self._beginnings) >= _VARIED
        )

    @property
    def _is_sure(self) -> bool:
        """Say whether it is Opus beyond accident, whatever may come."""
        return self.is_declared or (
            self._is_aligned and self._filled >= _SURE_PACKETS and len(self._durations) == 1
        )

    @property
    def is_settled(self) -> bool:
        """Say whether what it looks like is what it is, whatever may come."""
        return self.is_broken or not self._filled or self._is_sure

    def measure(self, *, since: Place = BEGINNING) -> int:
        """Tell how long the packets since a place play; of a broken chain, by their usual size."""
        packets = self.packets - since.frames
        if self.is_broken:
            packets = (self.size_bytes - since.at_byte) // _ESTIMATED_PACKET_BYTES
        return packets * OPUS_PACKET_MS

    def voiced_ms(self, *, trusts_encoder: bool) -> int:
        """How long there was voice; `trusts_encoder` where it ever said that there was."""
        doubtful = 0 if trusts_encoder else self._inactive
        return (self._active + self._unclear + doubtful) * OPUS_PACKET_MS

    @property
    def trusts_encoder(self) -> bool:
        """Say whether a packet without its mark has no voice."""
        return self._trusts_encoder

    @property
    def has_active(self) -> bool:
        """Say whether the encoder heard voice in any packet."""
        return self._active > 0


def cut_in_slices(chunk: bytes, *, most_bytes: int, may_be_opus: bool = True) -> Iterator[bytes]:
    """Cut a long chunk: between packets where it is Opus, else anywhere between two samples."""
    walk = OpusWalk()
    walk.feed(chunk if may_be_opus else b"")
    begin = end = 0
    while walk.is_likely and end < len(chunk):
        following = end + _LENGTH_BYTES + (chunk[end] | chunk[end + 1] << 8)
        if following - begin > most_bytes:
            yield chunk[begin:end]
            begin = end
        end = following
    for at in range(begin, len(chunk), most_bytes):
        yield chunk[at : at + most_bytes]
