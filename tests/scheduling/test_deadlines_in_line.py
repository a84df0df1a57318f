"""The waiting line: what is due first is served first, within a tenant's turn (ND5)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model import clock
from scheduling.placement.wait_queue import PlacementRequest, Priority, WaitQueue
from tests.scheduling.test_wait_queue import make_placement_request

PATIENCE_MS = 10_000
DUE = st.none() | st.integers(1, 5 * PATIENCE_MS)


def wait(
    job_id: str, due_in_ms: int | None, *, now_ms: int, tenant_id: str = ""
) -> PlacementRequest:
    return msgspec.structs.replace(
        make_placement_request(job_id),
        tenant_id=tenant_id,
        answer_by_ms=0 if due_in_ms is None else now_ms + due_in_ms,
    )


def fill(dues: dict[str, int | None]) -> WaitQueue:
    line = WaitQueue(most=10, priority=lambda _tenant: Priority(), patience_ms=PATIENCE_MS)
    now_ms = clock.now_ms()
    for job_id, due_in_ms in dues.items():
        line.add(wait(job_id, due_in_ms, now_ms=now_ms))
    return line


def empty(line: WaitQueue) -> list[str]:
    taken = []
    while (request := line.take(lambda _request: True)) is not None:
        taken.append(request.job_id)
    return taken


@pytest.mark.req("ND5")
@given(dues=st.dictionaries(st.sampled_from([f"job-{n}" for n in range(5)]), DUE, min_size=1))
def test_of_one_tenants_jobs_with_a_deadline_the_earliest_is_first(
    dues: dict[str, int | None],
) -> None:
    taken = empty(fill(dues))

    assert sorted(taken) == sorted(dues)
    timed = [due for job_id in taken if (due := dues[job_id]) is not None]
    assert timed == sorted(timed)


@pytest.mark.req("ND5")
def test_who_has_no_deadline_is_not_overtaken_by_one_that_is_far_away() -> None:
    line = fill({"job-0": None, "job-2": 5 * PATIENCE_MS, "job-4": 1_000, "job-1": 2_000})

    assert empty(line) == ["job-4", "job-1", "job-0", "job-2"]


@pytest.mark.req("ND5")
def test_a_job_that_is_put_back_stands_where_it_stood() -> None:
    line = fill({"job-0": 3_000, "job-2": 1_000, "job-4": 2_000})
    first = line.take(lambda _request: True)
    assert first is not None
    line.put_back(first)

    assert empty(line) == ["job-2", "job-4", "job-0"]


@pytest.mark.req("ND5")
def test_a_job_that_a_node_would_not_finish_in_time_keeps_it_from_no_other() -> None:
    line = fill({"job-0": 1_000, "job-2": 2_000, "job-4": None})

    taken = line.take(lambda request: request.job_id != "job-0")

    assert taken is not None
    assert taken.job_id == "job-2"
    assert empty(line) == ["job-0", "job-4"]


@pytest.mark.req("ND5", "T7")
def test_a_deadline_gives_no_tenant_more_turns() -> None:
    line = WaitQueue(most=10, priority=lambda _tenant: Priority(), patience_ms=PATIENCE_MS)
    now_ms = clock.now_ms()
    for job_id, due_in_ms, tenant_id in (
        ("job-0", 1_000, "hasty"),
        ("job-2", 1_100, "hasty"),
        ("job-4", 1_200, "hasty"),
        ("job-1", None, "patient"),
        ("job-3", None, "patient"),
    ):
        line.add(wait(job_id, due_in_ms, now_ms=now_ms, tenant_id=tenant_id))

    assert empty(line) == ["job-0", "job-1", "job-2", "job-3", "job-4"]
