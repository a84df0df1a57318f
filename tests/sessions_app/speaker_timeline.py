"""Plays a speaker's timeline against a segmenter and its one timer."""

import itertools
from collections.abc import Callable

from sessions_app.audio import AudioFormat
from sessions_app.cuts import Cut, SegmentationSettings
from sessions_app.segmentation import Segmenter


def opus_packets(*sizes: int) -> bytes:
    """Length-prefixed packets of these sizes, each of 20 ms (SILK)."""
    return b"".join(size.to_bytes(2, "little") + b"\x48" * size for size in sizes)


def opus_of_base64_length(characters: int, *, packets: int = 13) -> bytes:
    """A chunk as long as a recorded payload of that many base64 characters."""
    room = characters // 4 * 3 - 2 * packets
    return opus_packets(*[room // packets] * (packets - 1), room - room // packets * (packets - 1))


def pcm16_of_ms(duration_ms: int, *, fill: int = 1) -> bytes:
    return bytes([fill]) * (duration_ms * 32)


class Timeline:
    """A segmenter with its one timer; `cuts` holds (time, cut) in order."""

    def __init__(
        self,
        *,
        settings: SegmentationSettings | None = None,
        audio_format: AudioFormat | None = None,
        has_timer: bool = True,
        listens: bool = False,
        sample_rate: int = 16_000,
    ) -> None:
        turns = itertools.count(1)
        self.segmenter = Segmenter(
            settings=settings or SegmentationSettings(),
            new_turn_id=lambda: f"turn-{next(turns)}",
            audio_format=audio_format,
            listens=listens,
            sample_rate=sample_rate,
        )
        self.cuts: list[tuple[int, Cut]] = []
        self._has_timer = has_timer

    def run_until(self, now_ms: int) -> None:
        """Tick at every wakeup before this time."""
        while self._has_timer:
            wakeup = self.segmenter.next_wakeup_at_ms
            if wakeup is None or wakeup >= now_ms:
                return
            self._note(wakeup, self.segmenter.on_tick(now_ms=wakeup))
            following = self.segmenter.next_wakeup_at_ms
            assert following is None or following > wakeup, "a tick must not ask for itself again"

    def chunk(self, now_ms: int, audio: bytes = b"", *, is_final: bool = False) -> None:
        self._at(
            now_ms,
            lambda: self.segmenter.on_chunk(audio=audio, is_final=is_final, now_ms=now_ms),
        )

    def final(self, now_ms: int) -> None:
        self.chunk(now_ms, is_final=True)

    def tts_started(self, now_ms: int) -> None:
        self._at(now_ms, lambda: self.segmenter.on_tts_started(now_ms=now_ms))

    def tts_ended(self, now_ms: int) -> None:
        self._at(now_ms, lambda: self.segmenter.on_tts_ended(now_ms=now_ms))

    def tick(self, now_ms: int) -> None:
        self._at(now_ms, lambda: self.segmenter.on_tick(now_ms=now_ms))

    def close(self, now_ms: int) -> None:
        self._at(now_ms, lambda: self.segmenter.on_close(now_ms=now_ms))

    def _at(self, now_ms: int, event: Callable[[], list[Cut]]) -> None:
        self.run_until(now_ms)
        self._note(now_ms, event())

    def _note(self, now_ms: int, cuts: list[Cut]) -> None:
        self.cuts += [(now_ms, cut) for cut in cuts]
