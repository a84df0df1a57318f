"""For any order of jobs, results and time, each result leaves once, in order, within the gap."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sessions_app.reorder_buffer import Missing, MissingReason, ReadyResult, ReorderBuffer

GAP_MS, MAX_HELD = 1000, 4


class OutboxAgainstModel(RuleBasedStateMachine):
    """Jobs are numbered; the model keeps who is live and who waits since when."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer: ReorderBuffer[int] = ReorderBuffer(gap_ms=GAP_MS, max_held=MAX_HELD)
        self.now_ms = 0
        self.jobs = 0
        self.next_index = 0
        self.live: dict[int, int] = {}  # job: index
        self.waiting: dict[int, tuple[int, int]] = {}  # job: (index, ready at)
        self.done: set[int] = set()
        self.left: list[int] = []

    def note(self, leaving: list[ReadyResult[int] | Missing]) -> None:
        for left in leaving:
            match left:
                case Missing():
                    self.note_missing(left)
                case ReadyResult():
                    index, _ = self.waiting.pop(left.item)
                    assert (str(left.item), index) == (
                        left.job_id,
                        left.utterance_index,
                    )
                    assert not any(live < index for live in self.live.values())
                    self.left.append(index)

    def note_missing(self, left: Missing) -> None:
        index = left.utterance_index
        behind = [ready for its_index, ready in self.waiting.values() if its_index > index]
        if left.reason is MissingReason.GAP_TIMEOUT:
            assert self.now_ms >= min(behind) + GAP_MS
        else:
            assert len(self.waiting) > MAX_HELD
        assert index == min(self.live.values())
        assert set(left.job_ids) == {str(j) for j, i in self.live.items() if i == index}
        for job in map(int, left.job_ids):
            del self.live[job]
            self.done.add(job)

    @rule(jobs=st.integers(1, 3), skip=st.integers(0, 2))
    def begin_utterance(self, jobs: int, skip: int) -> None:
        self.next_index += skip
        for _ in range(jobs):
            self.buffer.expect(utterance_index=self.next_index, job_id=str(self.jobs))
            self.live[self.jobs] = self.next_index
            self.jobs += 1
        self.next_index += 1

    @precondition(lambda self: self.live)
    @rule(data=st.data(), is_silent=st.booleans())
    def finish(self, *, data: st.DataObject, is_silent: bool) -> None:
        job = data.draw(st.sampled_from(sorted(self.live)))
        index = self.live.pop(job)
        if is_silent:
            self.done.add(job)
            leaving = self.buffer.skip(utterance_index=index, job_id=str(job), now_ms=self.now_ms)
        else:
            self.waiting[job] = (index, self.now_ms)
            leaving = self.buffer.put(
                utterance_index=index, job_id=str(job), item=job, now_ms=self.now_ms
            )
        self.note(leaving)

    @precondition(lambda self: self.done)
    @rule(data=st.data(), index=st.integers(0, 20))
    def finish_again(self, data: st.DataObject, index: int) -> None:
        job = data.draw(st.sampled_from(sorted(self.done)))
        self.note(
            self.buffer.put(utterance_index=index, job_id=str(job), item=job, now_ms=self.now_ms)
        )

    @rule(span_ms=st.sampled_from([0, 1, 400, 999, 1000, 1001, 5000]))
    def pass_time(self, span_ms: int) -> None:
        end_ms = self.now_ms + span_ms
        while (wakeup := self.buffer.next_wakeup_at_ms) is not None and wakeup <= end_ms:
            self.now_ms = wakeup
            self.note(self.buffer.on_tick(now_ms=wakeup))
            assert self.buffer.next_wakeup_at_ms != wakeup
        self.now_ms = end_ms

    @invariant()
    def nothing_waits_without_cause_or_too_long(self) -> None:
        for index, ready_at_ms in self.waiting.values():
            assert any(live < index for live in self.live.values())
            assert self.now_ms < ready_at_ms + GAP_MS
        assert len(self.waiting) <= MAX_HELD

    @invariant()
    def results_left_in_ascending_order(self) -> None:
        assert self.left == sorted(self.left)

    def teardown(self) -> None:
        self.pass_time(GAP_MS)
        assert not self.waiting


TestOutboxAgainstModel = pytest.mark.req("J13")(OutboxAgainstModel.TestCase)
TestOutboxAgainstModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
