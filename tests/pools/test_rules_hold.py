"""Every rule of placement holds for every attempt, wherever it is made."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from scheduling.model.jobs import Need
from scheduling.model.nodes import NodeDescription
from scheduling.placement.pool_config import PoolConfig, PoolRules, TenantRule
from scheduling.placement.pools import Pool, PoolKind
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from tests.pools.declared import CORE, describe, make_need
from tests.pools.dispatching import Scheduler, session_of, with_rules

TWO_POOLS = PoolConfig(
    pools=(
        Pool(pool_id="a", kind=PoolKind.CAPABILITY, required=CORE),
        Pool(pool_id="b", kind=PoolKind.CAPABILITY, required=CORE),
    ),
    rules=PoolRules(auto_language=False),
)
STRICT = with_rules(TWO_POOLS, strict_preferred_node=True)
IN, OUT = "in", "out"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """What lets a job go to the node ``in`` and never to ``out``; both are in pool `a` and `b`."""

    config: PoolConfig = TWO_POOLS
    later: PoolConfig | None = None
    ask: dict[str, Any] = dataclasses.field(default_factory=dict)
    need: Need | None = None
    out: NodeDescription = dataclasses.field(default_factory=describe)
    members: dict[str, set[str]] = dataclasses.field(
        default_factory=lambda: {"a": {IN, OUT}, "b": {IN, OUT}}
    )


TENANTS_OWN = PoolConfig(
    pools=TWO_POOLS.pools,
    tenants=(TenantRule(tenant_id="acme", pool_id="a"),),
    rules=PoolRules(auto_language=False),
)
BY_SERVICE = PoolConfig(
    pools=(
        Pool(pool_id="a", kind=PoolKind.CAPABILITY, required=CORE),
        Pool(pool_id="b", kind=PoolKind.CAPABILITY, required=("asr",)),
    ),
    rules=PoolRules(auto_language=False, strict_eligibility=True, match_mode="exact"),
)
APART = {"a": {IN}, "b": {OUT}}
RULES = {
    "a strict node": Rule(config=STRICT, ask={"preferred_node_id": IN}),
    "a strict node, though strictness was lifted meanwhile": Rule(
        config=STRICT, later=TWO_POOLS, ask={"preferred_node_id": IN}
    ),
    "a strict node of a session that keeps its pool": Rule(
        config=with_rules(STRICT, session_affinity=True), ask={"preferred_node_id": IN}
    ),
    "the tenant's pool": Rule(config=TENANTS_OWN, ask={"tenant_id": "acme"}, members=APART),
    "pools of the services": Rule(config=BY_SERVICE, members=APART),
    "the services": Rule(out=describe(types=("asr", "nmt"))),
    "a service besides": Rule(need=make_need(types=(*CORE, "semantic")), out=describe(types=CORE)),
    "the languages": Rule(out=describe("de zh")),
    "both directions": Rule(
        need=Need(src="auto", tgt="en", types=CORE, pairs=(("zh", "en"), ("en", "zh"))),
        out=describe("de zh"),
    ),
    "privacy": Rule(out=describe(public=False)),
}


@dataclasses.dataclass
class Scene:
    """Two instances that know both nodes; ``in`` has one slot."""

    here: Scheduler
    elsewhere: Scheduler
    rule: Rule

    async def prepare(self) -> None:
        await self.here.connect(IN, max_jobs=1, known_to=(self.elsewhere,))
        await self.here.connect(
            OUT, description=self.rule.out, max_jobs=1, known_to=(self.elsewhere,)
        )
        self.use(self.rule.config)

    def use(self, config: PoolConfig) -> None:
        for scheduler in (self.here, self.elsewhere):
            scheduler.use(config, **self.rule.members)

    def go_on(self) -> None:
        """What operators change while the job is under way is in force now."""
        if self.rule.later is not None:
            self.use(self.rule.later)

    async def ask(self) -> str:
        need = {} if self.rule.need is None else {"need": self.rule.need}
        return await self.here.ask(**self.rule.ask, **need)

    async def ask_beside_a_rival(self) -> str:
        """Ask while another instance takes the slot, and before anybody here knows."""
        node = self.elsewhere.fleet.find(IN)
        assert node is not None
        rival = await self.elsewhere.stores.slots.reserve(
            node=node, job_id="job-rival", attempt=1, types=CORE
        )
        assert rival.done
        return await self.ask()

    async def lose(self, node_id: str) -> None:
        node = self.here.fleet.find(node_id)
        assert node is not None
        for scheduler in (self.here, self.elsewhere):
            scheduler.fleet.unlearn(node_id, conn_epoch=node.conn_epoch)


async def at_first(scene: Scene) -> str:
    job_id = await scene.ask()
    assert await scene.here.find_node(job_id) == IN
    return job_id


async def after_its_node_failed_it(scene: Scene) -> str:
    job_id = await scene.ask()
    scene.go_on()
    await scene.here.fail(job_id)
    return job_id


async def after_its_node_died(scene: Scene) -> str:
    job_id = await scene.ask()
    scene.go_on()
    await scene.lose(IN)
    await scene.here.retries.abandon(node_id=IN, job_id=job_id, attempt=1, is_told=False)
    return job_id


async def from_the_wait_queue(scene: Scene) -> str:
    job_id = await scene.ask_beside_a_rival()
    assert await scene.here.find_node(job_id) == ""
    scene.go_on()
    scene.here.fleet.loads.record(OUT, 1)
    scene.here.fleet.loads.record(OUT, 0)
    await scene.here.settle()
    return job_id


async def from_another_instances_line(scene: Scene) -> str:
    job_id = await scene.ask_beside_a_rival()
    scene.go_on()
    await scene.elsewhere.retries.adopt(await scene.here.find(job_id))
    await scene.elsewhere.settle()
    return job_id


async def on_another_instance_after_the_node_died(scene: Scene) -> str:
    job_id = await scene.ask()
    scene.go_on()
    await scene.lose(IN)
    await scene.elsewhere.retries.abandon(node_id=IN, job_id=job_id, attempt=1, is_told=False)
    await scene.elsewhere.settle()
    return job_id


MOMENTS: list[Callable[[Scene], Awaitable[str]]] = [
    at_first,
    after_its_node_failed_it,
    after_its_node_died,
    from_the_wait_queue,
    from_another_instances_line,
    on_another_instance_after_the_node_died,
]


@pytest.fixture
async def scene(connection: Connection, keys: Keys, request: pytest.FixtureRequest) -> Scene:
    scene = Scene(
        here=Scheduler(connection, keys),
        elsewhere=Scheduler(connection, keys, seed=2),
        rule=RULES[request.param],
    )
    await scene.prepare()
    return scene


@pytest.mark.req("ED6", "L5", "L14")
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
@pytest.mark.parametrize("scene", RULES, indirect=True)
async def test_a_job_never_goes_where_a_rule_forbids(
    scene: Scene, moment: Callable[[Scene], Awaitable[str]]
) -> None:
    job_id = await moment(scene)

    record = await scene.here.find(job_id)
    decisions = await scene.here.stores.decisions.list_all(
        session_id=session_of(job_id), job_id=job_id
    )
    asked = {answer.node_id for decision in decisions for answer in decision.answers}
    assert (record.node_id, OUT in asked) in {(IN, False), ("", False)}


@pytest.mark.req("ED6")
@pytest.mark.parametrize("scene", ["a strict node"], indirect=True)
async def test_a_strict_job_whose_node_died_is_refused_by_that_name(scene: Scene) -> None:
    job_id = await after_its_node_died(scene)

    record = await scene.here.find(job_id)
    assert (record.state, record.reason) == ("FAILED", "PREFERRED_NODE_NOT_CAPABLE")


@pytest.mark.req("ED6")
@pytest.mark.parametrize("scene", ["a strict node"], indirect=True)
async def test_a_strict_job_that_waits_takes_the_slot_of_its_node(scene: Scene) -> None:
    job_id = await scene.ask_beside_a_rival()
    freed = await scene.here.stores.slots.release(node_id=IN, job_id="job-rival", attempt=1)

    scene.here.fleet.loads.record(IN, freed.load)
    await scene.here.settle()

    assert await scene.here.find_node(job_id) == IN


@pytest.mark.req("ED6", "L5")
async def test_a_wish_that_is_not_strict_goes_along_to_the_next_attempt(
    connection: Connection, keys: Keys
) -> None:
    scheduler = Scheduler(connection, keys)
    await scheduler.connect("n-1", "n-2", "n-3", "n-4", max_jobs=1)
    scheduler.use(TWO_POOLS, a={"n-1", "n-2", "n-3", "n-4"})
    first = await scheduler.ask(session=1, preferred_node_id="n-3")
    other = await scheduler.ask(session=2, preferred_node_id="n-3")
    assert await scheduler.find_node(other) != "n-3"
    freed = await scheduler.stores.slots.release(node_id="n-3", job_id=first, attempt=1)
    scheduler.fleet.loads.record("n-3", freed.load)

    await scheduler.fail(other)

    assert await scheduler.find_node(other) == "n-3"
