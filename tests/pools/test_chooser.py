"""Which nodes a job is offered to: pools, what is remembered, who is wanted, where it failed."""

import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model import clock
from scheduling.model.jobs import Assignment, Need, Pipeline, quote_base64
from scheduling.model.limits import PlacementRules
from scheduling.model.nodes import NodeStatus
from scheduling.placement.candidates import NO_POOLS, Members, PoolTable
from scheduling.placement.chooser import HIT, PREFERRED_NOT_CAPABLE, Chooser
from scheduling.placement.pool_config import PoolConfig, PoolRules, TenantRule
from scheduling.placement.pool_matching import ALL_NODES, PoolMatcher
from scheduling.placement.pools import Pool, PoolKind
from scheduling.placement.ranking import Choice, Reason
from scheduling.placement.session_memory import SessionMemory, SessionNotes
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import PlacementRequest
from tests.pools.offers import CORE, describe, make_need, make_node

AN_HOUR_MS = 3_600_000
NEED = make_need()
TWO = {"a": {"n-1", "n-2"}, "b": {"n-3"}}
ACME = (TenantRule(tenant_id="acme", pool_id="a"),)


def two_pools(*, tenants: tuple[TenantRule, ...] = (), **rules: Any) -> PoolConfig:
    """Pools ``a`` and ``b``, that somebody configured."""
    return PoolConfig(
        pools=tuple(
            Pool(pool_id=name, kind=PoolKind.CAPABILITY, required=CORE) for name in ("a", "b")
        ),
        tenants=tenants,
        rules=PoolRules(**{"auto_language": False} | rules),
    )


@dataclasses.dataclass
class Scene:
    """Nodes, pools and what is remembered, with the chooser over them; four slots a node."""

    fleet: Fleet = dataclasses.field(default_factory=lambda: Fleet(require_gpu=False))
    memory: SessionMemory = dataclasses.field(default_factory=SessionMemory)
    rules: PlacementRules = dataclasses.field(default_factory=PlacementRules)
    seed: int = 1

    @property
    def chooser(self) -> Chooser:
        return Chooser(
            fleet=self.fleet,
            rules=self.rules,
            memory=self.memory,
            rng=random.Random(self.seed),
        )

    def put(self, *node_ids: str, load: int = 0, languages: str = "de en zh", **other: Any) -> None:
        for node_id in node_ids:
            fields = {"heartbeat_at_ms": clock.now_ms()} | other
            self.fleet.learn(make_node(node_id, describe(languages), **fields))
            self.fleet.learn_load(node_id, load)

    def use(self, config: PoolConfig, *, fresh_ms: int = AN_HOUR_MS, **members: Any) -> None:
        known = {
            pool_id: Members(
                node_ids=frozenset(node_ids),
                version=1,
                fresh_until_ms=clock.now_ms() + fresh_ms,
            )
            for pool_id, node_ids in members.items()
        }
        self.fleet.put_pools(PoolTable(version=1, matcher=PoolMatcher(config), members=known))

    def choose(self, **asked: Any) -> Choice:
        return self.chooser.choose(ask(**asked))


def ask(*, need: Need = NEED, turn_id: str | None = None, part: bool = False, **other: Any) -> Any:
    """Return a job of session ``s-1`` on its way; `part` says that its turn goes on."""
    assignment = Assignment(
        job_id="job-1",
        attempt_id=1,
        session_id="s-1",
        utterance_index=0,
        src_lang=need.src,
        tgt_lang=need.tgt,
        audio=quote_base64(""),
        audio_format="pcm16",
        sample_rate=16_000,
        trace_id="",
        pipeline=Pipeline(),
        enable_streaming_asr=True,
        partial_update_interval_ms=1_000,
        turn_id=turn_id,
        is_max_duration_triggered=part,
    )
    return PlacementRequest(assignment=assignment, need=need, **other)


def list_ids(choice: Choice) -> list[str]:
    return [node.node_id for node in choice.nodes]


@pytest.fixture
def scene() -> Scene:
    """Three nodes in two pools: n-1 and n-2 in a, n-3 in b."""
    scene = Scene()
    scene.put("n-1", "n-2", "n-3")
    scene.use(two_pools(), **TWO)
    return scene


@pytest.mark.req("L16")
def test_without_pools_every_able_node_may_be_asked(scene: Scene) -> None:
    scene.fleet.put_pools(NO_POOLS)
    scene.put("n-4", languages="fr en")

    choice = scene.choose()

    assert sorted(list_ids(choice)) == ["n-1", "n-2", "n-3"]
    assert (choice.pool_id, choice.refused) == (ALL_NODES, "")


@pytest.mark.req("L2")
def test_the_least_loaded_node_of_the_pool_is_first(scene: Scene) -> None:
    scene.put("n-1", load=3)
    scene.put("n-2", load=1)
    scene.use(two_pools(tenants=ACME), **TWO)

    assert list_ids(scene.choose(tenant_id="acme")) == ["n-2", "n-1"]


@pytest.mark.req("L14")
@pytest.mark.parametrize("seed", range(4))
def test_a_tenants_job_never_leaves_its_pool(scene: Scene, seed: int) -> None:
    scene.seed = seed
    scene.use(two_pools(tenants=ACME), **TWO)
    scene.put("n-1", "n-2", load=4)

    choice = scene.choose(tenant_id="acme")

    assert list_ids(choice) == []
    assert choice.passed_over == {Reason.CAPACITY_EXCEEDED: 2}
    assert choice.pools == ("a",)


@pytest.mark.req("L19")
@pytest.mark.parametrize("seed", range(4))
def test_a_session_goes_to_the_pool_it_knows(scene: Scene, seed: int) -> None:
    scene.seed = seed
    scene.memory.note("s-1", SessionNotes(pool_id="b", src="zh", tgt="en"))

    choice = scene.choose()

    assert (choice.pool_id, choice.fallback) == ("b", False)


@pytest.mark.req("L19")
def test_another_pair_forgets_the_pool(scene: Scene) -> None:
    scene.memory.note("s-1", SessionNotes(pool_id="b", src="zh", tgt="de"))
    pools = set()
    for seed in range(20):
        scene.seed = seed
        pools.add(scene.choose().pool_id)

    assert pools == {"a", "b"}


@pytest.mark.req("L15", "L17")
def test_the_next_pool_is_tried_where_the_first_has_no_slot(scene: Scene) -> None:
    scene.memory.note("s-1", SessionNotes(pool_id="a", src="zh", tgt="en"))
    scene.put("n-1", "n-2", load=4)

    choice = scene.choose()

    assert (list_ids(choice), choice.pool_id, choice.fallback) == (["n-3"], "b", True)
    assert choice.pools == ("a", "b")
    assert choice.passed_over == {Reason.CAPACITY_EXCEEDED: 2}
    assert {node_id for node_id, _, _ in choice.looked_at} == {"n-1", "n-2", "n-3"}


@pytest.mark.req("L15")
def test_no_other_pool_is_tried_where_that_is_switched_off(scene: Scene) -> None:
    scene.use(two_pools(fallback_scan_all=False), **TWO)
    scene.memory.note("s-1", SessionNotes(pool_id="a", src="zh", tgt="en"))
    scene.put("n-1", "n-2", load=4)

    choice = scene.choose()

    assert (list_ids(choice), choice.pools) == ([], ("a",))


@pytest.mark.req("L13")
def test_without_an_eligible_pool_a_strict_choice_is_refused(scene: Scene) -> None:
    scene.use(two_pools(strict_eligibility=True, match_mode="exact"), **TWO)

    choice = scene.choose(need=make_need(types=("asr",)))

    assert (list_ids(choice), choice.refused) == ([], "strict_no_eligible_pool")


@pytest.mark.req("P8")
def test_an_empty_pool_of_a_language_gives_way_to_all_who_are_able(scene: Scene) -> None:
    pool = Pool(pool_id="new", kind=PoolKind.SET, languages=("en", "zh"))
    scene.use(PoolConfig(pools=(pool,)), new=())

    choice = scene.choose()

    assert sorted(list_ids(choice)) == ["n-1", "n-2", "n-3"]
    assert choice.fallback


@pytest.mark.req("L13")
def test_an_empty_pool_that_somebody_configured_is_kept_to(scene: Scene) -> None:
    scene.use(two_pools(), a=(), b=())

    assert list_ids(scene.choose()) == []


@pytest.mark.req("L18")
@pytest.mark.parametrize(("fresh_ms", "known"), [(AN_HOUR_MS, "fresh"), (-1, "stale")])
def test_it_is_said_how_well_the_members_were_known(
    scene: Scene, fresh_ms: int, known: str
) -> None:
    scene.use(two_pools(tenants=ACME), fresh_ms=fresh_ms, **TWO)

    assert scene.choose(tenant_id="acme").known == (known,)


@pytest.mark.req("L18")
def test_members_that_were_never_read_are_missing(scene: Scene) -> None:
    scene.use(two_pools(tenants=ACME))

    choice = scene.choose(tenant_id="acme")

    assert (list_ids(choice), choice.known) == ([], ("missing",))


@pytest.mark.req("L4", "G7")
@pytest.mark.parametrize(("by_hash", "looked_at"), [(True, 3), (False, 1)])
def test_by_hash_every_member_is_looked_at(scene: Scene, *, by_hash: bool, looked_at: int) -> None:
    scene.rules = PlacementRules(sample_size=1)
    scene.use(two_pools(session_affinity=by_hash), a=("n-1", "n-2", "n-3"), b=())
    scene.memory.note("s-1", SessionNotes(pool_id="a", src="zh", tgt="en"))

    assert len(scene.choose().looked_at) == looked_at


@pytest.mark.req("L6")
def test_where_a_job_failed_it_does_not_go_while_another_node_can_serve(scene: Scene) -> None:
    scene.fleet.put_pools(NO_POOLS)
    scene.put("n-2", "n-3", load=4)

    choice = scene.choose(failed_on=("n-1",))

    assert list_ids(choice) == []
    assert choice.passed_over == {Reason.EXCLUDED: 1, Reason.CAPACITY_EXCEEDED: 2}


@pytest.mark.req("L6")
def test_where_a_job_failed_it_goes_again_when_nobody_else_can_serve(scene: Scene) -> None:
    scene.put("n-4", languages="fr en")
    need = make_need(src="fr")
    scene.fleet.put_pools(NO_POOLS)

    assert list_ids(scene.choose(need=need, failed_on=("n-4", "n-1"))) == ["n-4"]


@pytest.mark.req("L5")
@pytest.mark.parametrize("seed", range(4))
def test_the_designated_node_is_first_and_the_others_follow(scene: Scene, seed: int) -> None:
    scene.seed = seed
    scene.put("n-2", load=3)
    scene.memory.note("s-1", SessionNotes(pool_id="a", src="zh", tgt="en"))

    choice = scene.choose(preferred_node_id="n-2")

    assert (list_ids(choice), choice.pool_id, choice.affinity) == (["n-2", "n-1"], "a", "")


@pytest.mark.req("L5")
def test_a_designated_node_of_a_later_pool_brings_its_pool(scene: Scene) -> None:
    scene.memory.note("s-1", SessionNotes(pool_id="a", src="zh", tgt="en"))

    choice = scene.choose(preferred_node_id="n-3")

    assert (list_ids(choice)[0], choice.pool_id) == ("n-3", "b")


@pytest.mark.req("L5")
def test_a_strictly_designated_node_is_alone(scene: Scene) -> None:
    scene.use(two_pools(strict_preferred_node=True), **TWO)

    assert list_ids(scene.choose(preferred_node_id="n-2")) == ["n-2"]


NOT_CAPABLE: dict[str, dict[str, Any]] = {
    "unknown": {"preferred_node_id": "n-9"},
    "outside the pool": {"preferred_node_id": "n-3", "tenant_id": "acme"},
    "failed before": {"preferred_node_id": "n-2", "failed_on": ("n-2",)},
    "another language": {"preferred_node_id": "n-4"},
    "full": {"preferred_node_id": "n-5"},
    "draining": {"preferred_node_id": "n-6"},
}


def add_incapable(scene: Scene, **rules: Any) -> None:
    scene.put("n-4", languages="fr en")
    scene.put("n-5", load=4)
    scene.put("n-6", status=NodeStatus.DRAINING)
    scene.use(two_pools(tenants=ACME, **rules), a={"n-1", "n-2", "n-4", "n-5", "n-6"}, b=TWO["b"])


@pytest.mark.req("L5")
@pytest.mark.parametrize("asked", NOT_CAPABLE.values(), ids=NOT_CAPABLE)
def test_a_designated_node_that_cannot_serve_gives_way(scene: Scene, asked: dict[str, Any]) -> None:
    add_incapable(scene)

    choice = scene.choose(**asked)

    assert choice.nodes
    assert asked["preferred_node_id"] not in list_ids(choice)


@pytest.mark.req("L5")
@pytest.mark.parametrize("asked", NOT_CAPABLE.values(), ids=NOT_CAPABLE)
def test_a_strictly_designated_node_that_cannot_serve_is_a_refusal(
    scene: Scene, asked: dict[str, Any]
) -> None:
    add_incapable(scene, strict_preferred_node=True)

    choice = scene.choose(**asked)

    assert (list_ids(choice), choice.refused) == ([], PREFERRED_NOT_CAPABLE)


@pytest.mark.req("L7")
@pytest.mark.parametrize(("ago_ms", "spread"), [(0, True), (29_000, True), (31_000, False)])
def test_a_spread_session_leaves_its_last_node_for_a_while(
    scene: Scene, ago_ms: int, *, spread: bool
) -> None:
    scene.use(PoolConfig(rules=PoolRules(enabled=False, spread=True, spread_window_ms=30_000)))
    scene.memory.note("s-1", SessionNotes(last_node_id="n-1", last_at_ms=clock.now_ms() - ago_ms))

    choice = scene.choose()

    assert ("n-1" not in list_ids(choice), choice.spread) == (spread, spread)


@pytest.mark.req("L7")
def test_a_spread_sessions_last_node_is_better_than_none(scene: Scene) -> None:
    scene.use(PoolConfig(rules=PoolRules(enabled=False, spread=True)))
    scene.put("n-2", "n-3", load=4)
    scene.memory.note("s-1", SessionNotes(last_node_id="n-1", last_at_ms=clock.now_ms()))

    choice = scene.choose()

    assert (list_ids(choice), choice.spread) == (["n-1"], False)


@pytest.mark.req("L3")
def test_a_session_that_is_not_spread_may_stay(scene: Scene) -> None:
    scene.fleet.put_pools(NO_POOLS)
    scene.memory.note("s-1", SessionNotes(last_node_id="n-1", last_at_ms=clock.now_ms()))

    assert "n-1" in list_ids(scene.choose())


def remember_turn(scene: Scene, node_id: str, *, left_ms: int = 60_000) -> None:
    scene.memory.note(
        "s-1",
        SessionNotes(
            turn_id="turn-1",
            turn_node_id=node_id,
            turn_until_ms=clock.now_ms() + left_ms,
        ),
    )


@pytest.mark.req("L20")
@pytest.mark.parametrize("seed", range(4))
def test_a_part_of_a_turn_goes_where_the_earlier_parts_went(scene: Scene, seed: int) -> None:
    scene.seed = seed
    remember_turn(scene, "n-2")
    scene.put("n-2", load=3)

    choice = scene.choose(turn_id="turn-1", part=True)

    assert (list_ids(choice)[0], choice.pool_id, choice.affinity) == ("n-2", "a", HIT)


@pytest.mark.req("L20")
@pytest.mark.parametrize(
    ("asked", "left_ms"),
    [
        ({"turn_id": "turn-1", "part": False}, 60_000),
        ({"turn_id": "turn-2", "part": True}, 60_000),
        ({"turn_id": None, "part": True}, 60_000),
        ({"turn_id": "turn-1", "part": True}, 0),
    ],
    ids=["not cut by length", "another turn", "no turn", "too long ago"],
)
def test_what_is_no_part_of_the_turn_goes_where_there_is_room(
    scene: Scene, asked: dict[str, Any], left_ms: int
) -> None:
    remember_turn(scene, "n-2", left_ms=left_ms)
    scene.put("n-2", load=3)
    scene.use(two_pools(tenants=ACME), **TWO)

    choice = scene.choose(tenant_id="acme", **asked)

    assert (list_ids(choice), choice.affinity) == (["n-1", "n-2"], "")


@pytest.mark.req("L20")
@pytest.mark.parametrize(
    ("node_id", "load", "why"),
    [("n-9", 0, "unknown"), ("n-2", 4, "capacity_exceeded"), ("n-3", 0, "not_in_pool")],
)
def test_a_turn_whose_node_cannot_go_on_says_why(
    scene: Scene, node_id: str, load: int, why: str
) -> None:
    remember_turn(scene, node_id)
    scene.put("n-2", load=load)
    scene.use(two_pools(tenants=ACME), **TWO)

    choice = scene.choose(tenant_id="acme", turn_id="turn-1", part=True)

    assert choice.affinity == why
    assert "n-1" in list_ids(choice)


@pytest.mark.req("L5", "L20")
@pytest.mark.parametrize("load", [0, 4])
def test_strictness_is_for_designated_nodes_and_not_for_turns(scene: Scene, load: int) -> None:
    scene.use(two_pools(tenants=ACME, strict_preferred_node=True), **TWO)
    remember_turn(scene, "n-2")
    scene.put("n-2", load=load)

    choice = scene.choose(tenant_id="acme", turn_id="turn-1", part=True)

    assert "n-1" in list_ids(choice)
    assert choice.refused == ""


@pytest.mark.req("L5", "L20")
def test_a_designated_node_outweighs_the_turns(scene: Scene) -> None:
    remember_turn(scene, "n-2")

    choice = scene.choose(turn_id="turn-1", part=True, preferred_node_id="n-1")

    assert (list_ids(choice)[0], choice.affinity) == ("n-1", "")


@pytest.mark.req("L18")
@pytest.mark.parametrize(
    ("node_id", "asked", "why"),
    [
        ("n-1", {}, ""),
        ("n-4", {}, "lang_pair_unsupported"),
        ("n-3", {"tenant_id": "acme"}, "not_in_pool"),
        ("n-2", {"failed_on": ("n-2",)}, "excluded"),
        ("n-5", {}, "capacity_exceeded"),
        ("n-6", {}, "status_not_ready"),
    ],
)
def test_it_is_said_why_a_node_would_not_get_a_job_and_such_a_node_may_not_have_it(
    scene: Scene, node_id: str, asked: dict[str, Any], why: str
) -> None:
    add_incapable(scene)
    node = scene.fleet.find(node_id)
    assert node is not None

    assert scene.chooser.why_not(ask(**asked), node) == why
    assert scene.chooser.allows(ask(**asked), node) is (why == "")


@pytest.mark.req("L13")
def test_where_no_pool_is_eligible_that_is_why_and_nobody_may_have_the_job(scene: Scene) -> None:
    scene.use(two_pools(strict_eligibility=True, match_mode="exact"), **TWO)
    node = scene.fleet.find("n-1")
    assert node is not None
    placing = ask(need=make_need(types=("asr",)))

    assert scene.chooser.why_not(placing, node) == "strict_no_eligible_pool"
    assert not scene.chooser.allows(placing, node)


@pytest.mark.req("L19")
def test_where_a_job_went_is_remembered(scene: Scene) -> None:
    noted_at_ms = clock.now_ms()

    told = scene.chooser.note_placed(ask(), "n-3", "b")

    notes = scene.memory.recall("s-1")
    assert told is None
    assert (notes.last_node_id, notes.pool_for(src="zh", tgt="en")) == ("n-3", "b")
    assert noted_at_ms <= notes.last_at_ms <= clock.now_ms()


@pytest.mark.req("L19")
def test_a_job_that_went_past_the_pools_leaves_the_sessions_pool(scene: Scene) -> None:
    scene.memory.note("s-1", SessionNotes(pool_id="b", src="zh", tgt="en"))

    scene.chooser.note_placed(ask(), "n-1", ALL_NODES)

    assert scene.memory.recall("s-1").pool_for(src="zh", tgt="en") == "b"


@pytest.mark.req("L20")
def test_a_part_of_a_turn_is_remembered_for_a_while(scene: Scene) -> None:
    scene.use(two_pools(turn_affinity_ms=5_000), **TWO)

    told = scene.chooser.note_placed(ask(turn_id="turn-1", part=True), "n-3", "b")

    assert told == scene.memory.recall("s-1")
    now_ms = clock.now_ms()
    assert told.turn_node("turn-1", now_ms=now_ms) == "n-3"
    assert told.turn_node("turn-1", now_ms=now_ms + 5_000) == ""


@pytest.mark.req("L20")
def test_the_end_of_a_turn_is_told_to_others_too(scene: Scene) -> None:
    remember_turn(scene, "n-2")

    told = scene.chooser.note_placed(ask(turn_id="turn-1"), "n-2", "a")

    assert told is not None
    assert told.turn_id == ""


@pytest.mark.req("L7")
def test_where_a_spread_session_was_is_told_to_others(scene: Scene) -> None:
    scene.use(two_pools(spread=True), **TWO)

    assert scene.chooser.note_placed(ask(), "n-1", "a") is not None


@pytest.mark.req("L7", "L20")
@pytest.mark.parametrize(
    ("spread", "part", "knows", "must"),
    [
        (False, False, False, False),
        (False, True, False, True),
        (False, True, True, False),
        (True, False, True, True),
    ],
)
def test_others_notes_matter_where_they_could_change_the_choice(
    scene: Scene, *, spread: bool, part: bool, knows: bool, must: bool
) -> None:
    scene.use(two_pools(spread=spread), **TWO)
    if knows:
        scene.memory.note("s-1", SessionNotes())

    assert scene.chooser.must_recall(ask(turn_id="turn-1", part=part)) is must


@pytest.mark.req("L20")
def test_what_another_instance_noted_counts_as_ones_own(scene: Scene) -> None:
    notes = SessionNotes(pool_id="b", src="zh", tgt="en")

    scene.chooser.recall(ask(), notes)

    assert scene.choose().pool_id == "b"


@pytest.mark.req("L1", "L2", "L6")
@given(
    loads=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    failed=st.frozensets(st.integers(0, 11)),
    extra=st.integers(1, 8),
    seed=st.integers(),
)
def test_a_choice_names_free_nodes_alone_and_finds_one_if_there_is_one(
    loads: list[int], failed: frozenset[int], extra: int, seed: int
) -> None:
    # A job fails fewer times than a sample is large: one that drew nobody else is not looked for.
    scene = Scene(rules=PlacementRules(sample_size=len(failed) + extra), seed=seed)
    for number, load in enumerate(loads):
        scene.put(f"n-{number}", load=load)
    failed_on = tuple(f"n-{number}" for number in sorted(failed))
    able = {f"n-{number}" for number in range(len(loads))}
    tried = set(failed_on) if able - set(failed_on) else set()
    free = {f"n-{number}" for number, load in enumerate(loads) if load < 4} - tried

    choice = scene.choose(failed_on=failed_on)

    assert set(list_ids(choice)) <= free
    assert bool(choice.nodes) == bool(free)
