"""Results leave in order, each once, and wait only for live earlier utterances."""

import pytest

from sessions_app.reorder_buffer import Missing, MissingReason, ReadyResult, ReorderBuffer

pytestmark = pytest.mark.req("J13")


@pytest.fixture
def buffer() -> ReorderBuffer[str]:
    return ReorderBuffer(gap_ms=10_000, max_held=3)


def expect(buffer: ReorderBuffer[str], *indices: int) -> None:
    for index in indices:
        buffer.expect(utterance_index=index, job_id=f"job-{index}")


def put(
    buffer: ReorderBuffer[str], index: int, now_ms: int = 0
) -> list[ReadyResult[str] | Missing]:
    return buffer.put(utterance_index=index, job_id=f"job-{index}", item=f"r{index}", now_ms=now_ms)


def leaving(*indices: int) -> list[ReadyResult[str] | Missing]:
    return [ReadyResult(utterance_index=i, job_id=f"job-{i}", item=f"r{i}") for i in indices]


def missing(index: int, reason: MissingReason) -> Missing:
    return Missing(utterance_index=index, job_ids=(f"job-{index}",), reason=reason)


def test_results_in_order_leave_at_once(buffer):
    expect(buffer, 0, 1)

    assert put(buffer, 0) == leaving(0)
    assert put(buffer, 1) == leaving(1)
    assert buffer.next_wakeup_at_ms is None


def test_a_result_waits_for_a_live_earlier_utterance(buffer):
    expect(buffer, 0, 1, 2)

    assert put(buffer, 2, 5) == []
    assert put(buffer, 1, 9) == []
    assert buffer.next_wakeup_at_ms == 10_005
    assert put(buffer, 0, 20) == leaving(0, 1, 2)


def test_an_index_without_a_job_holds_nobody_up(buffer):
    expect(buffer, 0, 7)
    put(buffer, 0)

    assert put(buffer, 7) == leaving(7)


def test_a_silent_end_frees_those_behind_it(buffer):
    expect(buffer, 0, 1)
    put(buffer, 1)

    freed = buffer.skip(utterance_index=0, job_id="job-0", now_ms=1)

    assert freed == leaving(1)


def test_a_gap_ends_after_its_time_counted_from_the_waiting_result(buffer):
    expect(buffer, 0, 1)
    put(buffer, 1, 4000)

    assert buffer.on_tick(now_ms=13_999) == []
    assert buffer.on_tick(now_ms=14_000) == [
        missing(0, MissingReason.GAP_TIMEOUT),
        *leaving(1),
    ]


def test_the_late_result_of_a_missing_utterance_is_dropped(buffer):
    expect(buffer, 0, 1)
    put(buffer, 1)
    buffer.on_tick(now_ms=10_000)

    assert put(buffer, 0, 10_001) == []


def test_only_utterances_before_the_overdue_result_are_given_up(buffer):
    expect(buffer, 0, 1, 2, 3)
    put(buffer, 1, 0)
    put(buffer, 3, 5000)

    assert buffer.on_tick(now_ms=10_000) == [
        missing(0, MissingReason.GAP_TIMEOUT),
        *leaving(1),
    ]
    assert buffer.next_wakeup_at_ms == 15_000
    assert put(buffer, 2, 10_001) == leaving(2, 3)


def test_a_later_overdue_result_takes_the_earlier_ones_along(buffer):
    expect(buffer, 0, 1, 2, 3)
    put(buffer, 3, 0)
    put(buffer, 1, 9000)

    assert buffer.on_tick(now_ms=10_000) == [
        missing(0, MissingReason.GAP_TIMEOUT),
        *leaving(1),
        missing(2, MissingReason.GAP_TIMEOUT),
        *leaving(3),
    ]


def test_overflow_gives_up_the_earliest_and_drops_no_result(buffer):
    expect(buffer, 0, 1, 2, 3, 4, 5)
    for index in (1, 2, 4):
        assert put(buffer, index) == []

    assert put(buffer, 5) == [
        missing(0, MissingReason.PENDING_OVERFLOW_EVICT),
        *leaving(1, 2),
    ]
    assert put(buffer, 3) == leaving(3, 4, 5)


def test_the_defaults_are_the_documented_ones():
    buffer: ReorderBuffer[str] = ReorderBuffer()
    expect(buffer, *range(203))
    for index in range(2, 202):
        assert put(buffer, index) == []

    assert buffer.next_wakeup_at_ms == 10_000
    assert put(buffer, 202) == [
        missing(0, MissingReason.PENDING_OVERFLOW_EVICT),
        missing(1, MissingReason.PENDING_OVERFLOW_EVICT),
        *leaving(*range(2, 203)),
    ]


def test_a_result_counts_once(buffer):
    expect(buffer, 0)

    assert put(buffer, 0) == leaving(0)
    assert put(buffer, 0) == []


def test_an_unknown_job_changes_nothing(buffer):
    expect(buffer, 0)

    answer = buffer.put(utterance_index=0, job_id="job-foreign", item="x", now_ms=0)

    assert answer == []
    assert put(buffer, 0) == leaving(0)


def test_jobs_of_one_utterance_leave_apart_and_hold_later_ones_together(buffer):
    for language in ("en", "es"):
        buffer.expect(utterance_index=0, job_id=language)
    expect(buffer, 1)
    put(buffer, 1)

    first = buffer.put(utterance_index=0, job_id="es", item="hola", now_ms=1)
    second = buffer.put(utterance_index=0, job_id="en", item="hello", now_ms=2)

    assert first == [ReadyResult(utterance_index=0, job_id="es", item="hola")]
    assert second == [ReadyResult(utterance_index=0, job_id="en", item="hello"), *leaving(1)]


def test_an_overdue_result_does_not_give_up_its_own_utterances_other_jobs(buffer):
    expect(buffer, 0, 1, 2)
    buffer.expect(utterance_index=1, job_id="other")
    put(buffer, 1, 0)
    put(buffer, 2, 5000)

    assert buffer.on_tick(now_ms=10_000) == [
        missing(0, MissingReason.GAP_TIMEOUT),
        *leaving(1),
    ]
    assert buffer.put(utterance_index=1, job_id="other", item="x", now_ms=10_001) == [
        ReadyResult(utterance_index=1, job_id="other", item="x"),
        *leaving(2),
    ]


def test_a_missing_utterance_names_every_live_job(buffer):
    for language in ("en", "es", "fr"):
        buffer.expect(utterance_index=0, job_id=language)
    expect(buffer, 1)
    buffer.put(utterance_index=0, job_id="es", item="hola", now_ms=0)
    put(buffer, 1)

    gone, _ = buffer.on_tick(now_ms=10_000)

    assert gone == Missing(
        utterance_index=0, job_ids=("en", "fr"), reason=MissingReason.GAP_TIMEOUT
    )
