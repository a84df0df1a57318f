"""A tenant that floods does not make another wait that stays within its guarantee.

Time is counted in rounds: a job runs for some of them, and a wait is how many went by before the
job had its slot. So the figures are about who is served when, whatever the machine does.
"""

import asyncio
import dataclasses
import random
from collections.abc import Callable

import pytest

from scheduling.model.outcomes import Result
from scheduling.placement.pool_config import PoolConfig, PoolRules, TenantRule
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from tests.pools.dispatching import Scheduler, Socket, session_of

ROUNDS, GUARANTEED, SLOTS = 120, 3, 5
FLOOD_WAITING = 15


@dataclasses.dataclass
class World:
    """Two instances with two nodes, who hear of each other's loads as they change."""

    instances: tuple[Scheduler, Scheduler]
    sockets: dict[str, Socket]
    rng: random.Random
    began: dict[str, int] = dataclasses.field(default_factory=dict)
    ends_at: dict[str, int] = dataclasses.field(default_factory=dict)
    asked_at: dict[str, int] = dataclasses.field(default_factory=dict)
    waits: list[int] = dataclasses.field(default_factory=list)
    most_borrowed: int = 0

    async def run(self, *, flood: bool) -> int:
        """Let time pass; return the 99th percentile of the guaranteed tenant's waits."""
        for now in range(ROUNDS):
            await asyncio.gather(
                *(self._finish(job_id) for job_id, end in self.ends_at.items() if end == now),
                *(self._ask_much(scheduler) for scheduler in self.instances if flood),
                self._ask_a_little(now),
            )
            await self._come_to_rest()
            self._note_begun(now)
            if now % 3 == 0:
                await asyncio.gather(*(each.tenants.run_once() for each in self.instances))
        assert len(self.waits) > ROUNDS // 4
        never = [job_id for job_id in self.asked_at if job_id not in self.began]
        late = sorted([*self.waits, *(ROUNDS for _ in never)])
        return late[int(len(late) * 0.99)]

    async def _ask_much(self, scheduler: Scheduler) -> None:
        while len(scheduler.dispatcher.waiting) < FLOOD_WAITING:
            await scheduler.ask(session=self.rng.randrange(1 << 24), tenant_id="flood")

    async def _ask_a_little(self, now: int) -> None:
        """Ask now and then, never for more than is guaranteed."""
        under_way = len(self.asked_at) - sum(
            self.ends_at.get(job_id, ROUNDS) < now for job_id in self.asked_at
        )
        for _ in range(self.rng.randrange(3)):
            if under_way < GUARANTEED:
                under_way += 1
                scheduler = self.rng.choice(self.instances)
                job_id = await scheduler.ask(session=self.rng.randrange(1 << 24), tenant_id="sure")
                self.asked_at[job_id] = now

    async def _finish(self, job_id: str) -> None:
        node_id = next(
            name
            for name, socket in self.sockets.items()
            if any(event.job_id == job_id for event in socket.received)
        )
        await self.rng.choice(self.instances).settlement.settle(
            session_id=session_of(job_id),
            job_id=job_id,
            attempt=1,
            node_id=node_id,
            outcome=Result(text_asr="a", text_translated="b"),
            utterance_index=0,
            trace_id="",
        )

    async def _come_to_rest(self) -> None:
        for scheduler in self.instances * 2:
            await scheduler.settle()

    def _note_begun(self, now: int) -> None:
        held = 0
        for socket in self.sockets.values():
            for event in socket.received:
                if event.job_id not in self.began:
                    self.began[event.job_id] = now
                    self.ends_at[event.job_id] = now + self.rng.randrange(2, 6)
                    if event.job_id in self.asked_at:
                        self.waits.append(now - self.asked_at[event.job_id])
                held += event.job_id not in self.asked_at and self.ends_at[event.job_id] > now
        self.most_borrowed = max(self.most_borrowed, held)


@pytest.fixture
def make_world(connection: Connection, keys: Keys) -> Callable[..., object]:
    async def make(*, guaranteed: int) -> World:
        one, other = Scheduler(connection, keys), Scheduler(connection, keys, seed=2)
        one.fleet.listeners.load.append(other.fleet.loads.learn)
        other.fleet.listeners.load.append(one.fleet.loads.learn)
        sockets = await one.connect("n-1", "n-2", max_jobs=SLOTS, known_to=(other,))
        rule = TenantRule(tenant_id="sure", min_slots=guaranteed)
        for each in (one, other):
            each.use(PoolConfig(tenants=(rule,), rules=PoolRules(enabled=False)))
        return World(instances=(one, other), sockets=sockets, rng=random.Random(7))

    return make


@pytest.mark.req("L14")
async def test_a_flood_lengthens_no_wait_within_a_guarantee(
    make_world: Callable[..., object], redis_client: object
) -> None:
    alone = await (await make_world(guaranteed=GUARANTEED)).run(flood=False)
    await redis_client.flushall()
    flooded = await make_world(guaranteed=GUARANTEED)

    assert await flooded.run(flood=True) <= alone * 1.2
    assert flooded.most_borrowed == 2 * SLOTS - GUARANTEED, "what is not owed is lent"
    await redis_client.flushall()
    without = await make_world(guaranteed=0)
    assert await without.run(flood=True) > alone * 1.2, "without a guarantee a flood is felt"
