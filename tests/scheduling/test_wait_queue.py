"""The wait queue: bounded, first come first served within a need, needs in turn."""

import collections

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from scheduling.model.jobs import Need
from scheduling.placement.wait_queue import PlacementRequest, Priority, WaitQueue
from tests.scripts.fixtures import make_request

NEEDS = [Need(src="en", tgt=tgt, types=(), pairs=()) for tgt in ("es", "de")]
JOBS = {f"job-{number}": NEEDS[number % 2] for number in range(5)}


def make_placement_request(job_id: str, attempt: int = 1) -> PlacementRequest:
    assignment = msgspec.structs.replace(make_request(job_id).assignment, attempt_id=attempt)
    return PlacementRequest(assignment=assignment, need=JOBS[job_id])


class WaitingAgainstModel(RuleBasedStateMachine):
    """The model is one plain list a need; a job joins again only with a newer attempt."""

    def __init__(self) -> None:
        super().__init__()
        self.line = WaitQueue(most=3, priority=lambda _tenant: Priority())
        self.model: dict[Need, list[tuple[str, int]]] = {need: [] for need in NEEDS}
        self.attempts: collections.Counter[str] = collections.Counter()

    def forget(self, job_id: str) -> None:
        for waiting in self.model.values():
            waiting[:] = [each for each in waiting if each[0] != job_id]

    @rule(job_id=st.sampled_from(sorted(JOBS)))
    def add(self, job_id: str) -> None:
        self.attempts[job_id] += 1
        self.line.add(make_placement_request(job_id, self.attempts[job_id]))
        self.forget(job_id)
        self.model[JOBS[job_id]].append((job_id, self.attempts[job_id]))

    @rule(job_id=st.sampled_from(sorted(JOBS)))
    def discard(self, job_id: str) -> None:
        self.line.discard(job_id)
        self.forget(job_id)

    @rule(fitting=st.sets(st.sampled_from(NEEDS)), returned=st.booleans())
    def take(self, *, fitting: set[Need], returned: bool) -> None:
        taken = self.line.take(lambda request: request.need in fitting)
        heads = [waiting[0] for need, waiting in self.model.items() if need in fitting and waiting]
        if taken is None:
            assert not heads
            return
        assert (taken.job_id, taken.attempt) in heads
        if returned:
            self.line.put_back(taken)
        else:
            self.forget(taken.job_id)

    @invariant()
    def it_knows_how_many_wait(self) -> None:
        waiting = sum(len(each) for each in self.model.values())
        assert len(self.line) == waiting
        assert self.line.is_full == (waiting >= 3)


TestWaitingAgainstModel = WaitingAgainstModel.TestCase


def test_lines_take_turns() -> None:
    line = WaitQueue(most=10, priority=lambda _tenant: Priority())
    for job_id in ("job-0", "job-2", "job-4", "job-1", "job-3"):
        line.add(make_placement_request(job_id))

    taken = [line.take(lambda _request: True) for _ in range(6)]

    assert [request and request.job_id for request in taken] == [
        *("job-0", "job-1", "job-2", "job-3", "job-4"),
        None,
    ]


def test_nothing_of_forgotten_jobs_is_kept() -> None:
    line = WaitQueue(most=10, priority=lambda _tenant: Priority())
    for job_id in JOBS:
        line.add(make_placement_request(job_id))
        line.add(make_placement_request(job_id, attempt=2))

    for job_id in sorted(JOBS, reverse=True):
        line.discard(job_id)

    assert (len(line), line._lines) == (0, {})


def test_a_line_whose_last_job_was_taken_is_gone_when_it_is_looked_at() -> None:
    line = WaitQueue(most=10, priority=lambda _tenant: Priority())
    line.add(make_placement_request("job-0"))
    line.take(lambda _request: True)
    line.discard("job-0")

    assert line.take(lambda _request: True) is None
    assert line._lines == {}


@pytest.mark.req("ND7")
def test_jobs_that_others_count_are_served_and_not_counted_twice() -> None:
    line = WaitQueue(most=10, priority=lambda _tenant: Priority())
    line.add(make_placement_request("job-0"))
    line.add(msgspec.structs.replace(make_placement_request("job-2"), is_adopted=True))

    counted = [request.job_id for request in line.list_all()]
    kinds = sum(line.kinds.values())
    taken = [line.take(lambda _request: True) for _ in range(2)]

    assert (counted, kinds) == (["job-0"], 1)
    assert [request and request.job_id for request in taken] == ["job-0", "job-2"]
    assert not line.kinds
