"""Speech on its way to one node while it is spoken: every piece once, in order, or not at all."""

from nodes.job_frames import CloseJob, SpokenAudio
from scheduling.model import clock
from scheduling.model.events import AudioSpoken, SpeechEnded
from sockets.outbound import FrameQueue
from sockets.wire import encode_text

# A node that leaves so much unread of one utterance, and reads nothing of it for so long, is slow:
# 20 s of PCM16 at 16 kHz, as base64. All that was said may be on its way at once, to the next node.
_MOST_UNREAD_CHARS = 900_000
_STANDS_STILL_MS = 5_000


class SpeechRelay:
    """One attempt's speech on one connection."""

    __slots__ = ("_moved_at_ms", "_next_seq", "_outbound", "_unread", "is_over")

    def __init__(self, outbound: FrameQueue) -> None:
        self._outbound = outbound
        self._next_seq = 0
        self._unread = 0
        self._moved_at_ms = 0.0
        self.is_over = False
        """Whether the node was told that the speech has ended."""

    @property
    def has_begun(self) -> bool:
        """Say whether the node was sent any of it."""
        return self._next_seq > 0

    def take(self, event: AudioSpoken | SpeechEnded) -> bool:
        """Queue what is new to the node; False where something is missing, or it lags too far.

        What came before is passed over: an envelope may come twice.
        """
        if isinstance(event, SpeechEnded):
            return self._end(event)
        if event.first_seq > self._next_seq:
            return False
        for seq, piece in enumerate(event.pieces, event.first_seq):
            if seq == self._next_seq and not self._send(event, seq, piece):
                return False
        return True

    def _send(self, event: AudioSpoken, seq: int, piece: str) -> bool:
        if not self._unread:
            self._moved_at_ms = clock.steady_ms()
        elif self._is_stuck:
            return False
        self._unread += len(piece)
        frame = SpokenAudio(job_id=event.job_id, attempt_id=event.attempt, seq=seq, audio=piece)
        taken = self._outbound.enqueue(
            encode_text(frame), on_written=lambda: self._note_read(len(piece))
        )
        if taken:
            self._next_seq = seq + 1
        return taken

    def _note_read(self, chars: int) -> None:
        self._unread -= chars
        self._moved_at_ms = clock.steady_ms()

    @property
    def _is_stuck(self) -> bool:
        return (
            self._unread > _MOST_UNREAD_CHARS
            and clock.steady_ms() - self._moved_at_ms > _STANDS_STILL_MS
        )

    def _end(self, event: SpeechEnded) -> bool:
        if self.is_over:
            return True
        if event.last_seq != self._next_seq - 1:
            return False
        self.is_over = self._outbound.enqueue(
            encode_text(
                CloseJob(
                    job_id=event.job_id,
                    attempt_id=event.attempt,
                    last_seq=event.last_seq,
                    duration_ms=event.duration_ms,
                    padding_ms=event.padding_ms,
                    is_manual_cut=event.reason == "is_manual_cut",
                    is_timeout_triggered=event.reason == "is_timeout_triggered",
                    is_pause_triggered=event.reason == "is_pause_triggered",
                    is_max_duration_triggered=event.reason == "is_max_duration_triggered",
                )
            )
        )
        return self.is_over
