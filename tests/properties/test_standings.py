"""Whatever is said of a node, in any order: its score is never below zero, and every state ends."""

import json

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from bench.simulation.standings import StandingsModel
from scheduling.model.standing import Ending, Fault, NodeState, StandingRules
from scheduling.store.replies import SlotReply
from tests.properties.machine import StoreMachine, search
from tests.redis_under_test import OwnRedis
from tests.scripts.fixtures import make_ready, reserve

RULES = StandingRules()
KEY = "n1"
JOBS = [f"job-{number}" for number in range(4)]
SPANS_MS = [
    *(0, 1, RULES.rest_ms, RULES.half_life_ms, RULES.probation_ms),
    *(RULES.quarantine_ms - 1, RULES.quarantine_ms, 2 * RULES.quarantine_ms),
    RULES.most_quarantine_ms + 1,
]
jobs = st.sampled_from(JOBS)


class StandingAgainstModel(StoreMachine):
    """One node; the scripts and their twin hear the same, and say the same."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.model = StandingsModel()
        self.node = self.wait(make_ready(self.stores, max_jobs=len(JOBS)))

    def _judge(self, word: str, subject: str | int) -> list[str | int] | None:
        return self.model.judge(KEY, word, subject, self.now_ms, RULES.encode())

    def _compare(self, told: list[str | int] | None, judgement: object) -> None:
        if told is None:
            assert judgement is None
            return
        standing = judgement.standing
        assert told == [
            *(standing.state, standing.reason, standing.since, standing.ends, standing.rest),
            *(judgement.before, standing.left, round(standing.bad * 100), standing.at),
        ]

    @rule(job_id=jobs, ending=st.sampled_from(Ending), times=st.sampled_from([1, 1, 2]))
    def end(self, job_id: str, ending: Ending, times: int) -> None:
        """An attempt runs to its end; the script of that may be sent twice."""
        self.node = self.wait(make_ready(self.stores, max_jobs=len(JOBS)))
        self.call(
            self.stores.slots.reserve,
            node=self.node,
            job_id=job_id,
            attempt=1,
            types=(),
            forced=True,
        )
        for time in range(times):
            reply: SlotReply = self.call(
                self.stores.slots.finish, node_id=KEY, job_id=job_id, attempt=1, ending=ending
            )
            told = self._judge(ending, f"{job_id}:1") if time == 0 else None
            self._compare(told, reply.judgement)

    @rule(job_id=jobs, fault=st.sampled_from(Fault))
    def charge(self, job_id: str, fault: Fault) -> None:
        judgement = self.call(
            self.stores.slots.charge, node_id=KEY, job_id=job_id, attempt=1, fault=fault
        )
        self._compare(self._judge(fault, f"{job_id}:1"), judgement)

    @rule()
    def join(self) -> None:
        judgement = self.call(self.stores.slots.hold_untried, node_id=KEY)
        self._compare(self._judge("untried", ""), judgement)

    @rule(passed=st.booleans())
    def probe(self, passed: bool) -> None:  # noqa: FBT001 - a strategy gives it by its name
        judgement = self.call(self.stores.slots.note_probe, node_id=KEY, passed=passed)
        self._compare(self._judge("passed" if passed else Fault.PROBE, ""), judgement)

    @rule(job_ids=st.lists(jobs, min_size=3, max_size=6), fault=st.sampled_from(Fault))
    def fail_often(self, job_ids: list[str], fault: Fault) -> None:
        for job_id in job_ids:
            self.end(job_id, Ending.DOUBT, 1)
            self.charge(job_id, fault)

    @rule(for_ms=st.sampled_from([1, 30_000]))
    def quarantine(self, for_ms: int) -> None:
        judgement = self.call(self.stores.slots.quarantine, node_id=KEY, for_ms=for_ms)
        self._compare(self._judge("quarantine", for_ms), judgement)

    @rule()
    def absolve(self) -> None:
        judgement = self.call(self.stores.slots.absolve, node_id=KEY)
        self._compare(self._judge("absolve", ""), judgement)

    @rule(span_ms=st.sampled_from(SPANS_MS))
    def wait_a_while(self, span_ms: int) -> None:
        self.pass_time(span_ms)

    @invariant()
    def the_score_is_never_below_zero(self) -> None:
        text = self.wait(self.client.hget(self.stores.keys.node.info(KEY), "standing"))
        if text:
            score = json.loads(text)
            assert score["bad"] >= 0
            assert score["good"] >= 0

    @invariant()
    def every_state_but_good_has_an_end(self) -> None:
        found = self.call(self.stores.nodes.find, node_id=KEY)
        standing = found[0].standing
        if standing.state is not NodeState.GOOD:
            longest = max(RULES.most_quarantine_ms, 2 * RULES.probation_ms)
            assert 0 < standing.ends - standing.since <= longest

    @rule()
    def once_its_time_is_over_it_gets_a_job(self) -> None:
        self.node = self.wait(make_ready(self.stores, max_jobs=len(JOBS)))
        standing = self.call(self.stores.nodes.find, node_id=KEY)[0].standing
        is_kept = standing.state is NodeState.QUARANTINE and standing.ends > self.now_ms
        had_all = standing.state_at(self.now_ms) is NodeState.PROBATION and standing.left == 0
        taken = self.wait(reserve(self.stores, self.node, "job-of-a-look"))
        if taken.done:
            self.model.spend(KEY)
        assert taken.done is not (is_kept or had_all)
        self.call(self.stores.slots.release, node_id=KEY, job_id="job-of-a-look", attempt=1)


@pytest.mark.req("ND1", "ND2")
def test_a_standing_is_what_its_model_says(redis_server: OwnRedis) -> None:
    search(StandingAgainstModel, redis_server.url)
