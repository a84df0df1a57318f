"""One trouble, one message: a speaker hears of an outage once, not once an utterance (ED5)."""

from collections.abc import Iterable, Iterator

from sessions_app.result_frames import Frame
from sockets.wire import ErrorFrame

_ONCE_IN_MS = 10_000.0


class ErrorThinning:
    """Lets one `error` of a code pass in ten seconds; clients show each as an alert.

    Nothing is hidden by it: the marker in the utterance's place says why, each time.
    """

    __slots__ = ("_told_at_ms",)

    def __init__(self) -> None:
        self._told_at_ms: dict[str, float] = {}

    def thin(self, frames: Iterable[Frame], *, now_ms: float) -> Iterator[Frame]:
        """Yield the frames without errors of a code that was told a moment ago."""
        for frame in frames:
            if not isinstance(frame, ErrorFrame) or self._is_news(frame, now_ms):
                yield frame

    def _is_news(self, error: ErrorFrame, now_ms: float) -> bool:
        self._told_at_ms = {
            code: told_at_ms
            for code, told_at_ms in self._told_at_ms.items()
            if now_ms - told_at_ms < _ONCE_IN_MS
        }
        if error.code in self._told_at_ms:
            return False
        self._told_at_ms[error.code] = now_ms
        return True
