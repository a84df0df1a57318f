"""In any order of calls, any of them sent twice, a node holds what its model holds."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from scheduling.store.nodes import HeartbeatRecorded, Retired
from tests.properties.machine import StoreMachine, search
from tests.properties.slot_model import Attempt, NodeModel
from tests.redis_under_test import OwnRedis
from tests.scripts.fixtures import JOB_LIMITS, NODE_LIMITS, beat, make_node, register

ATTEMPTS = [(f"job-{number}", attempt) for number in range(3) for attempt in (1, 2)]
SPANS_MS = [
    *(1, 1_000, JOB_LIMITS.reservation_ms - 1, JOB_LIMITS.reservation_ms),
    *(JOB_LIMITS.run_lease_ms - 1, JOB_LIMITS.run_lease_ms),
    *(NODE_LIMITS.heartbeat_timeout_ms, NODE_LIMITS.heartbeat_timeout_ms + 1),
    NODE_LIMITS.warmup_ms,
]
attempts = st.sampled_from(ATTEMPTS)
times = st.sampled_from([1, 1, 2])
epochs_back = st.sampled_from([0, 0, 0, 0, 1])


class SlotsAgainstModel(StoreMachine):
    """One node; every step is taken by the scripts and by the model, and the two compared."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.model = NodeModel(jobs=JOB_LIMITS, rules=NODE_LIMITS)
        self.granted: dict[Attempt, int] = {}
        self.freed: dict[Attempt, int] = {}
        self.wait(self._register(1))

    async def _register(self, most: int) -> None:
        registered = await register(self.stores, max_jobs=most)
        assert registered is not None
        self.model.expire(self.now_ms)
        self.model.register(now=self.now_ms, most=most)
        assert registered.conn_epoch == self.model.epoch
        assert set(registered.attempts) == {*self.model.resv, *self.model.run}

    @rule(most=st.integers(1, 3), times=times)
    def reconnect(self, most: int, times: int) -> None:
        for _ in range(times):
            self.wait(self._register(most))

    @rule(
        good=st.sampled_from([True, True, True, False]),
        drains=st.sampled_from([None, None, True, False]),
        runs=st.none() | st.sets(attempts),
        back=epochs_back,
        times=times,
    )
    def heartbeat(self, *, good, drains, runs, back, times) -> None:
        epoch = self.model.epoch - back
        for _ in range(times):
            recorded = self.call(
                beat,
                stores=self.stores,
                node=make_node(conn_epoch=epoch),
                healthy=good,
                draining=drains,
                running=None if runs is None else sorted(runs),
            )
            before = self.model.status
            self.model.expire(self.now_ms)
            taken = self.model.beat(
                now=self.now_ms, epoch=epoch, good=good, drains=drains, runs=runs
            )
            assert isinstance(recorded, HeartbeatRecorded) == taken
            if isinstance(recorded, HeartbeatRecorded):
                assert (recorded.before, recorded.status) == (before, self.model.status)
                assert (recorded.load, recorded.draining) == (self.model.load, self.model.draining)

    @rule(attempt=attempts, back=epochs_back, times=times)
    def reserve(self, attempt: Attempt, back: int, times: int) -> None:
        epoch = self.model.epoch - back
        for _ in range(times):
            reply = self.call(
                self.stores.slots.reserve,
                node=make_node(conn_epoch=epoch),
                job_id=attempt[0],
                attempt=attempt[1],
                types=(),
            )
            self.model.expire(self.now_ms)
            assert (reply.word, reply.load) == self.model.reserve(
                attempt, now=self.now_ms, epoch=epoch
            )
            assert reply.done == (reply.word in {"reserved", "already"})
            if reply.word == "reserved":
                self._note_grant(attempt)

    @rule(attempt=attempts, accepts=st.booleans())
    def take(self, *, attempt: Attempt, accepts: bool) -> None:
        """What happens most: a healthy node gets a job, and accepts it; chance seldom gets here."""
        self.heartbeat(good=True, drains=False, runs=None, back=0, times=1)
        self.reserve(attempt, back=0, times=1)
        if accepts:
            self.commit(attempt, times=1)

    @rule(attempt=attempts, times=times)
    def commit(self, attempt: Attempt, times: int) -> None:
        for _ in range(times):
            reply = self._call_slot(self.stores.slots.commit, attempt)
            assert (reply.word, reply.load) == self.model.commit(attempt, now=self.now_ms)
            assert reply.done == (reply.word != "full")
            if reply.word == "late":
                self._note_grant(attempt)

    @rule(attempt=attempts, times=times)
    def release(self, attempt: Attempt, times: int) -> None:
        for _ in range(times):
            reply = self._call_slot(self.stores.slots.release, attempt)
            assert (reply.word, reply.load) == self.model.release(attempt)
            self._note_end(attempt, reply.word)

    @rule(attempt=attempts, times=times)
    def finish(self, attempt: Attempt, times: int) -> None:
        for _ in range(times):
            reply = self._call_slot(self.stores.slots.finish, attempt)
            assert (reply.word, reply.load) == self.model.finish(attempt)
            self._note_end(attempt, reply.word)

    @rule(
        back=epochs_back,
        silent_ms=st.sampled_from([0, NODE_LIMITS.heartbeat_timeout_ms]),
        times=times,
    )
    def retire(self, back: int, silent_ms: int, times: int) -> None:
        epoch = self.model.epoch - back
        for _ in range(times):
            reply: Retired = self.call(
                self.stores.nodes.retire, node_id="n1", conn_epoch=epoch, silent_ms=silent_ms
            )
            self.model.expire(self.now_ms)
            told, rest = self.model.retire(now=self.now_ms, epoch=epoch, silent_ms=silent_ms)
            assert (None if reply.attempts is None else set(reply.attempts)) == told
            assert (reply.alive_for_ms or 0) == rest

    @rule(draining=st.booleans(), times=times)
    def drain(self, *, draining: bool, times: int) -> None:
        for _ in range(times):
            done = self.call(self.stores.nodes.drain, node_id="n1", draining=draining)
            assert done == self.model.drain(draining=draining)

    @rule(span_ms=st.sampled_from(SPANS_MS))
    def expire(self, span_ms: int) -> None:
        self.pass_time(span_ms)
        self.model.expire(self.now_ms)

    def _call_slot(self, method, attempt: Attempt):
        reply = self.call(method, node_id="n1", job_id=attempt[0], attempt=attempt[1])
        self.model.expire(self.now_ms)
        return reply

    def _note_grant(self, attempt: Attempt) -> None:
        assert self.model.load <= self.model.max
        self.granted[attempt] = self.granted.get(attempt, 0) + 1

    def _note_end(self, attempt: Attempt, word: str) -> None:
        if word != "none":
            self.freed[attempt] = self.freed.get(attempt, 0) + 1
        assert self.freed.get(attempt, 0) <= self.granted.get(attempt, 0)

    @invariant()
    def redis_holds_what_the_model_holds(self) -> None:
        self.wait(self._compare())

    async def _compare(self) -> None:
        keys, client = self.stores.keys, self.client
        pipeline = client.pipeline(transaction=False)
        pipeline.zrangebyscore(keys.node.resv("n1"), f"({self.now_ms}", "+inf", withscores=True)
        pipeline.zrangebyscore(keys.node.run("n1"), f"({self.now_ms}", "+inf", withscores=True)
        pipeline.hgetall(keys.node.cap("n1"))
        pipeline.hmget(keys.node.info("n1"), "status", "health", "conn_epoch", "draining", "max")
        resv, run, cap, info = await pipeline.execute()
        model = self.model
        assert {member: int(end) for member, end in resv} == _by_name(model.resv)
        assert {member: int(end) for member, end in run} == _by_name(model.run)
        assert {field: int(value) for field, value in cap.items()} == model.mirror
        assert info == [
            *(model.status, model.health, str(model.epoch)),
            *(str(int(model.draining)), str(model.max)),
        ]
        assert not model.resv.keys() & model.run.keys()


def _by_name(leases: dict[Attempt, int]) -> dict[str, int]:
    return {f"{job_id}:{attempt}": end for (job_id, attempt), end in leases.items()}


@pytest.mark.req("R1", "R2", "R3", "R4", "R5", "R8", "N4", "N5", "N6", "N10", "N14", "I-7", "X1")
def test_slots_equal_their_model(redis_server: OwnRedis) -> None:
    search(SlotsAgainstModel, redis_server.url)
