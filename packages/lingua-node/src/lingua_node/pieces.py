"""The audio of one attempt on its way to a stream handler: every byte once, in order, or none."""

import asyncio
import base64
import binascii
from collections import deque

from lingua_node import audio, messages, opus
from lingua_node.intake import AudioForm, check_form
from lingua_node.jobs import AudioInvalid, JobFailed

GAP = "STREAM_GAP"
TOO_SLOW = "HANDLER_TOO_SLOW"

_PIECE_BYTES = 64  # what a piece costs beside its audio, so that empty ones are bounded too


class PieceQueue:
    """What was said and not yet listened to; the handler iterates over it."""

    def __init__(self, opened: messages.AssignJob, *, wanted: AudioForm, most_bytes: int) -> None:
        """Begin to listen.

        :raises AudioInvalid: no audio can come in this form
        """
        check_form(opened)
        self.over = asyncio.Event()
        """All has been said."""
        self.audio_format = opened.audio_format if wanted in {"as_sent", "none"} else wanted
        self.sample_rate = (
            audio.SAMPLE_RATE if opened.audio_format == "opus" else opened.sample_rate
        )
        self._sent_as = opened.audio_format
        self._is_unwanted = wanted == "none"
        self._decoder = (
            opus.OpusStream() if wanted == "pcm16" and opened.audio_format == "opus" else None
        )
        self._most_bytes = most_bytes
        self._next_seq = 0
        self._pieces: deque[bytes] = deque()
        self._unread_bytes = 0
        self._is_heeded = True
        self._news = asyncio.Event()

    @property
    def has_begun(self) -> bool:
        """Whether anything has been said."""
        return self._next_seq > 0

    def take(self, message: messages.Spoken) -> None:
        """Take what was said next, or that it was all; what came before is passed over.

        :raises JobFailed: something is missing, is no audio, or the handler lags too far
        """
        if isinstance(message, messages.CloseJob):
            self._end(message.last_seq)
        elif message.seq >= self._next_seq:
            if message.seq > self._next_seq or self.over.is_set():
                raise self._find_gap(message.seq)
            self._next_seq += 1
            self._keep(self._read(message.audio))

    def ignore(self) -> None:
        """Keep nothing more: the handler has ended before the speech."""
        self._is_heeded = False
        self._pieces.clear()

    def __aiter__(self) -> "PieceQueue":
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece, in the form that was asked for.

        :raises AudioInvalid: it is not what it claims to be
        """
        while not self._pieces:
            if self.over.is_set():
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        piece = self._pieces.popleft()
        self._unread_bytes -= len(piece) + _PIECE_BYTES
        if self._decoder is None:
            return piece
        # A thread that nobody waits for any more keeps the decoder alive to its end.
        return await asyncio.to_thread(self._decoder.decode, piece)

    def _end(self, last_seq: int) -> None:
        if last_seq != self._next_seq - 1:
            raise self._find_gap(last_seq)
        self.over.set()
        self._news.set()

    def _keep(self, piece: bytes) -> None:
        if not self._is_heeded:
            return
        self._unread_bytes += len(piece) + _PIECE_BYTES
        if self._unread_bytes > self._most_bytes:
            raise JobFailed(
                f"the handler left more than {self._most_bytes:,} bytes of audio unread",
                code=TOO_SLOW,
            )
        self._pieces.append(piece)
        self._news.set()

    def _read(self, text: str) -> bytes:
        try:
            piece = base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise AudioInvalid(f"the audio is not base64: {error}") from error
        if self._sent_as == "opus":
            audio.split_packets(piece)
        elif len(piece) % 2:
            raise AudioInvalid(f"pcm16 audio of an odd number of bytes: {len(piece)}")
        return b"" if self._is_unwanted else piece

    def _find_gap(self, seq: int) -> JobFailed:
        return JobFailed(f"heard {self._next_seq} pieces, and then of number {seq}", code=GAP)
