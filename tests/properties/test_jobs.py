"""In any order of calls, by whichever attempt, a session's jobs do what the model allows."""

import collections

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from scheduling.model.jobs import JobState
from scheduling.model.outcomes import Refused, Result
from scheduling.placement.decisions import Decision
from scheduling.store.job_replies import Ended, read_record
from tests.properties.job_model import FINAL, SessionModel
from tests.properties.machine import StoreMachine, search
from tests.redis_under_test import OwnRedis
from tests.scripts.fixtures import JOB_LIMITS, SESSION, begin, encode_frame, make_request
from tests.scripts.whole_state import read_state

_read_failure = msgspec.json.Decoder(Refused).decode

# What each job's utterance and request are: some share one, some the other.
CALLED_FOR = {
    "job-AAAA0001-000000000000": (0, None),
    "job-AAAA0001-000000000001": (0, "r1"),
    "job-AAAA0001-000000000002": (1, "r1"),
    "job-AAAA0001-000000000003": (1, None),
    "job-AAAA0001-000000000004": (2, "r2"),
}
TAG = f"{{session:{SESSION}}}"
job_ids = st.sampled_from(sorted(CALLED_FOR))
node_ids = st.sampled_from(["n1", "n2"])
spans = st.sampled_from([None, 4_000, 30_000])
times = st.sampled_from([1, 1, 2])


class JobsAgainstModel(StoreMachine):
    """One session; `mistaken` calls name another attempt or node than the job's own."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.model = SessionModel(JOB_LIMITS)
        self.ends: collections.Counter[str] = collections.Counter()
        self.winners: collections.Counter[tuple[str, int]] = collections.Counter()
        self.failures: collections.Counter[tuple[str, int]] = collections.Counter()
        self.kept: dict[str, dict[str, str]] = {}
        self.results = 0

    def _aim(self, job_id: str, mistaken: int) -> tuple[int, str]:
        """Return attempt and node of the job's own, or of another when `mistaken`.

        4 is an older attempt, and the node that had it; 5 the second one of a hedged job.
        """
        job = self.model.jobs.get(job_id)
        if job is None:
            return 1, "n1"
        if mistaken == 5 and job.hedge:
            return job.hedge, job.held[job.hedge]
        if mistaken == 4:
            older = job.live[0] if job.live else max(job.attempt - 1, 1)
            return older, job.held[older]
        attempt = job.attempt - (mistaken == 1) + (mistaken == 2)
        return attempt, "n9" if mistaken == 3 else job.node_id

    @rule(job_id=job_ids, node_id=st.sampled_from(["", "n1"]), is_open=st.booleans(), times=times)
    def create(self, *, job_id, node_id, is_open, times) -> None:
        utterance, request_id = CALLED_FOR[job_id]
        request = make_request(job_id, utterance_index=utterance, request_id=request_id)
        request = begin(request) if is_open else request
        for _ in range(times):
            existing = self.call(
                self.stores.jobs.create,
                request=request,
                frame=encode_frame(request),
                node_id=node_id,
                deadline_ms=4_000,
            )
            assert existing == self.model.create(
                job_id,
                utterance=f"{utterance}:es",
                request=request_id and f"request:{request_id}",
                node_id=node_id,
                now=self.now_ms,
                span=4_000,
                is_open=is_open,
            )

    @rule(job_id=job_ids, times=times)
    def complete(self, job_id: str, times: int) -> None:
        """The speech is over; a job that never was open is none that anybody completes."""
        job = self.model.jobs.get(job_id)
        if job is not None and not (job.open_until or job.whole_from or job.is_over):
            return
        utterance, request_id = CALLED_FOR[job_id]
        request = make_request(job_id, utterance_index=utterance, request_id=request_id)
        for _ in range(times):
            reply = self.call(
                self.stores.jobs.complete, request=request, frame=encode_frame(request)
            )
            found = reply.word, reply.attempt, reply.node_id
            assert found == self.model.complete(job_id, now=self.now_ms)

    @rule(
        job_id=job_ids,
        mistaken=st.integers(0, 2),
        node_id=st.sampled_from(["", "n1", "n2"]),
        span=spans,
        times=times,
    )
    def place(self, *, job_id, mistaken, node_id, span, times) -> None:
        attempt, _ = self._aim(job_id, mistaken)
        for _ in range(times):
            reply = self.call(
                self.stores.jobs.place,
                session_id=SESSION,
                job_id=job_id,
                attempt=attempt,
                node_id=node_id,
                deadline_ms=span,
            )
            assert reply.reason == self.model.place(
                job_id, attempt=attempt, node_id=node_id, now=self.now_ms, span=span
            )

    @rule(
        job_id=job_ids,
        mistaken=st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5, 5]),
        state=st.sampled_from([JobState.DISPATCHED, JobState.ACKED, JobState.RUNNING]),
        span=spans,
        times=times,
    )
    def advance(self, *, job_id, mistaken, state, span, times) -> None:
        attempt, node_id = self._aim(job_id, mistaken)
        for _ in range(times):
            reply = self.call(
                self.stores.jobs.advance,
                session_id=SESSION,
                job_id=job_id,
                attempt=attempt,
                node_id=node_id,
                state=state,
                deadline_ms=span,
            )
            assert reply.reason == self.model.advance(
                job_id, attempt=attempt, node_id=node_id, state=state, now=self.now_ms, span=span
            )

    @rule(job_id=job_ids, mistaken=st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5, 5]), times=times)
    def dispatch(self, *, job_id, mistaken, times) -> None:
        attempt, node_id = self._aim(job_id, mistaken)
        decision = Decision(at_ms=1, attempt=attempt, outcome="placed", node_id=node_id)
        for _ in range(times):
            reply = self.call(
                self.stores.jobs.dispatch,
                session_id=SESSION,
                job_id=job_id,
                attempt=attempt,
                node_id=node_id,
                decision=decision,
            )
            assert reply.reason == self.model.dispatch(
                job_id, attempt=attempt, node_id=node_id, now=self.now_ms
            )

    @rule(
        job_id=job_ids,
        mistaken=st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5, 5]),
        reported=st.booleans(),
        may_deliver=st.booleans(),
        reason=st.sampled_from(["it failed", "stream_gap"]),
        callers=times,
    )
    def requeue(self, *, job_id, mistaken, reported, may_deliver, reason, callers) -> None:
        attempt, node_id = self._aim(job_id, mistaken)
        for _ in range(callers):
            reply = self.call(
                self.stores.jobs.requeue,
                session_id=SESSION,
                job_id=job_id,
                attempt=attempt,
                node_id=node_id,
                reason=reason,
                reported=reported,
                may_deliver=may_deliver,
            )
            assert reply.refusal == self.model.requeue(
                job_id,
                attempt=attempt,
                node_id=node_id,
                reported=reported,
                may_deliver=may_deliver,
                lacks_a_piece=reason == "stream_gap",
                now=self.now_ms,
            )
            self.winners[job_id, attempt] += reply.is_new
            self.failures[job_id, attempt] += reply.done and not may_deliver

    @rule(
        job_id=job_ids,
        mistaken=st.sampled_from([0, 0, 0, 1, 2, 3, 4]),
        placed=st.booleans(),
        times=times,
    )
    def decline(self, *, job_id, mistaken, placed, times) -> None:
        """A node would not have the job; where it has none, one is given it first."""
        job = self.model.jobs.get(job_id)
        if placed and job is not None and not (job.is_over or job.node_id):
            self.place(job_id=job_id, mistaken=0, node_id="n2", span=None, times=1)
        attempt, node_id = self._aim(job_id, mistaken)
        for _ in range(times):
            reply = self.call(
                self.stores.declines.decline,
                session_id=SESSION,
                job_id=job_id,
                attempt=attempt,
                node_id=node_id,
                reason="not today",
            )
            assert reply.refusal == self.model.decline(
                job_id, attempt=attempt, node_id=node_id, now=self.now_ms
            )

    @rule(job_id=job_ids, span_ms=st.sampled_from([1, 1_000, 60_000]))
    def decline_in_turn(self, *, job_id: str, span_ms: int) -> None:
        """One node after the other would not have it, which takes one span of waiting in all."""
        for _ in range(3):
            self.decline(job_id=job_id, mistaken=0, placed=True, times=1)
            self.pass_time(span_ms)

    @rule(job_id=job_ids, fails=st.booleans())
    def leave_behind(self, *, job_id: str, fails: bool) -> None:
        """A node that has a job may deliver yet, and then it may not; chance seldom gets here."""
        job = self.model.jobs.get(job_id)
        if job is None or job.is_over:
            return
        if not job.node_id:
            self.place(job_id=job_id, mistaken=0, node_id="n1", span=None, times=1)
        how = {"job_id": job_id, "reported": False, "reason": "it failed", "callers": 1}
        self.requeue(mistaken=0, may_deliver=True, **how)
        if fails:
            self.requeue(mistaken=4, may_deliver=False, **how)

    @rule(job_id=job_ids, mistaken=st.integers(0, 3), second=node_ids, times=times)
    def hedge(self, *, job_id, mistaken, second, times) -> None:
        attempt, node_id = self._aim(job_id, mistaken)
        for _ in range(times):
            reply = self.call(
                self.stores.hedges.begin,
                session_id=SESSION,
                job_id=job_id,
                attempt=attempt,
                node_id=node_id,
                second_node_id=second,
            )
            assert reply.reason == self.model.hedge(
                job_id, attempt=attempt, node_id=node_id, second=second, now=self.now_ms
            )
            assert reply.values == ((attempt + 1,) if reply.done else reply.values)

    @rule(
        job_id=job_ids,
        how=st.sampled_from(["goes on", "fails", "first fails", "declines", "first declines"]),
        accepted=st.booleans(),
    )
    def hedge_one_that_works(self, *, job_id: str, how: str, accepted: bool) -> None:
        """Two nodes have a job, and one of them fails; chance seldom gets here."""
        job = self.model.jobs.get(job_id)
        if job is None or job.is_over or job.open_until or job.whole_from:
            return
        if not job.node_id:
            self.place(job_id=job_id, mistaken=0, node_id="n1", span=None, times=1)
        state = JobState.ACKED if accepted else JobState.DISPATCHED
        self.advance(job_id=job_id, mistaken=0, state=state, span=30_000, times=1)
        self.hedge(job_id=job_id, mistaken=0, second="n2", times=1)
        if how == "declines":
            self.decline_second(job_id=job_id)
        elif how == "first declines":
            self.decline(job_id=job_id, mistaken=0, placed=False, times=2)
        elif how != "goes on":
            fails = {"job_id": job_id, "reason": "it failed", "callers": 1}
            mistaken = 5 if how == "fails" else 0
            self.requeue(mistaken=mistaken, reported=False, may_deliver=False, **fails)

    @rule(job_id=job_ids)
    def decline_second(self, job_id: str) -> None:
        job = self.model.jobs.get(job_id)
        if job is None or not job.hedge:
            return
        node_id = job.held[job.hedge]
        declined = self.call(
            self.stores.declines.decline,
            session_id=SESSION,
            job_id=job_id,
            attempt=job.hedge,
            node_id=node_id,
            reason="",
        )
        assert declined.refusal == self.model.decline_second(job_id, node_id=node_id)
        assert declined.attempt == 0

    @rule(
        job_id=job_ids,
        mistaken=st.sampled_from([None, 0, 0, 1, 2, 3, 4, 4, 5, 5]),
        state=st.sampled_from([JobState.DONE, JobState.FAILED, JobState.CANCELLED]),
        callers=times,
    )
    def finish(self, *, job_id, mistaken, state, callers) -> None:
        attempt, node_id = (None, "") if mistaken is None else self._aim(job_id, mistaken)
        for _ in range(callers):
            self.results += 1
            outcome = Result(text_asr=str(self.results))
            ended: Ended | None = self.call(
                self.stores.jobs.finish,
                session_id=SESSION,
                job_id=job_id,
                state=state,
                outcome=outcome,
                attempt=attempt,
                node_id=node_id,
            )
            expected = self.model.finish(
                job_id,
                attempt=attempt,
                node_id=node_id,
                state=state,
                now=self.now_ms,
                outcome=msgspec.json.encode(outcome).decode(),
            )
            assert (msgspec.structs.astuple(ended) if ended else None) == expected
            self.ends[job_id] += ended is not None

    @rule(job_id=job_ids, times=times)
    def note_delivered(self, job_id: str, times: int) -> None:
        for _ in range(times):
            done = self.call(self.stores.outcomes.note_delivered, session_id=SESSION, job_id=job_id)
            assert done == self.model.note_delivered(job_id)

    @rule(span_ms=st.sampled_from([1, 1_000, 60_000]))
    def wait_a_while(self, span_ms: int) -> None:
        self.pass_time(span_ms)

    @invariant()
    def redis_holds_what_the_model_holds(self) -> None:
        state = self.wait(read_state(self.client, self.prefix))
        values = {key: entry.value for key, entry in state.items()}
        bindings = {f"{TAG}:bind:{name}": job_id for name, job_id in self.model.bound.items()}
        outbox = {
            job_id: CALLED_FOR[job_id][0] for job_id, job in self.model.jobs.items() if job.waits
        }
        assert values.pop(f"{TAG}:outbox", {}) == outbox
        assert {key: values.pop(key, None) for key in bindings} == bindings
        for job_id, job in self.model.jobs.items():
            record = values.pop(f"{TAG}:job:{job_id}")
            expected = {
                "state": job.state,
                "ended_from": job.ended_from,
                "node_id": job.node_id,
                "failed_on": ",".join(job.failed_on),
            }
            assert {name: record.get(name, "") for name in expected} == expected
            assert int(record["attempt"]) == job.attempt
            as_read = read_record(record, read_failure=_read_failure)
            assert as_read is not None
            assert (as_read.live, as_read.ended_by) == (job.list_live(), job.ended_by)
            assert as_read.declined_by == job.declined_by
            assert int(record["deadline_at_ms"]) == job.deadline_at
            assert as_read.open_until_ms == job.open_until or job.is_over
            assert int(record.get("whole_from", 0)) == job.whole_from
            if not job.is_over:
                assert as_read.hedge == job.hedge
                assert as_read.due_at_ms == min(
                    job.deadline_at, job.hedge_until if job.hedge else job.deadline_at
                )
            assert as_read.was_hedged == bool(job.hedged)
            assert (as_read.state == "DONE") <= (not job.open_until)
            assert values.pop(f"{TAG}:outcome:{job_id}", None) == job.outcome
            assert len(values.pop(f"{TAG}:why:{job_id}", ())) == job.decisions
            assert (values.pop(f"{TAG}:payload:{job_id}", None) is None) == job.is_over
            self._compare_with_its_end(job_id, record)
        assert values == {}
        assert all(entry.expires for entry in state.values())

    def _compare_with_its_end(self, job_id: str, record: dict[str, str]) -> None:
        """What ended stays as it was, but for its release."""
        if record["state"] in FINAL:
            assert self.kept.setdefault(job_id, record) == record
        if record["state"] == "RELEASED":
            end = self.kept[job_id]
            moment = f"at:{end['attempt']}:RELEASED"
            assert record == {**end, "state": "RELEASED", moment: record[moment]}

    @invariant()
    def each_job_ends_once_and_each_attempt_fails_once_within_the_budget(self) -> None:
        assert all(count <= 1 for count in self.ends.values())
        assert all(count <= 1 for count in self.winners.values())
        assert all(count <= 1 for count in self.failures.values())
        for job in self.model.jobs.values():
            assert len(job.failed_on) <= JOB_LIMITS.failover_max_attempts + bool(job.hedged)
            assert job.reported <= JOB_LIMITS.max_retry
            assert len(job.live) < max(job.attempt, job.hedged)


@pytest.mark.req(
    "J1", "J2", "J4", "J8", "J9", "J11", "J13", "ED4", "ND6", "ND9", "SP4", "SP7", "SP8"
)
def test_jobs_equal_their_model(redis_server: OwnRedis) -> None:
    search(JobsAgainstModel, redis_server.url)
