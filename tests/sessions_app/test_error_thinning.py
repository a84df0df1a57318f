"""A speaker hears of one trouble once in ten seconds, however many utterances it costs."""

import pytest

from sessions_app.error_thinning import ErrorThinning
from sessions_app.messages import MissingResult
from sockets.wire import ErrorFrame

pytestmark = pytest.mark.req("ED5")


def tell(thinning: ErrorThinning, code: str, *, now_ms: float) -> int:
    """Return how many frames are left of an error and the marker in the utterance's place."""
    marker = MissingResult(
        session_id="s", utterance_index=0, reason=code.lower(), created_at_ms=1, trace_id="t"
    )
    frames = [ErrorFrame(code=code, message="No."), marker]
    left = list(thinning.thin(frames, now_ms=now_ms))
    assert marker in left
    return len(left)


def test_an_error_is_told_once_and_each_marker_stays() -> None:
    thinning = ErrorThinning()

    told = [tell(thinning, "NO_AVAILABLE_NODE", now_ms=100.0 * turn) for turn in range(6)]

    assert told == [2, 1, 1, 1, 1, 1]


def test_a_trouble_of_another_kind_is_told() -> None:
    thinning = ErrorThinning()

    assert [tell(thinning, code, now_ms=1.0) for code in ("A", "B", "A")] == [2, 2, 1]


@pytest.mark.parametrize(("later_ms", "told"), [(9_999.0, 1), (10_000.0, 2)])
def test_a_trouble_that_lasts_is_told_again_after_ten_seconds(later_ms: float, told: int) -> None:
    thinning = ErrorThinning()
    tell(thinning, "NO_AVAILABLE_NODE", now_ms=0.0)
    tell(thinning, "NO_AVAILABLE_NODE", now_ms=5_000.0)

    assert tell(thinning, "NO_AVAILABLE_NODE", now_ms=later_ms) == told
