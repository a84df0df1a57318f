"""Which nodes a job is offered to: pools in order, free slots, and where it failed before."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model.limits import PlacementRules
from scheduling.placement.candidates import NO_POOLS
from scheduling.placement.pool_config import PoolConfig
from scheduling.placement.pool_matching import ALL_NODES
from scheduling.placement.pools import Pool, PoolKind
from scheduling.placement.ranking import Reason
from scheduling.placement.session_memory import SessionNotes
from tests.pools.choosing import (
    ACME,
    AN_HOUR_MS,
    TWO,
    Scene,
    add_incapable,
    ask,
    list_ids,
    set_scene,
    two_pools,
)
from tests.pools.declared import make_need


@pytest.fixture
def scene() -> Scene:
    return set_scene()


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


@pytest.mark.req("ED6", "L4")
def test_by_hash_every_other_rule_is_as_it_was(scene: Scene) -> None:
    """Of equal nodes the near one goes first: a rule that a copy by hand left behind."""
    scene.rules = PlacementRules(sample_size=1, near_instance_id="i-7", near_share=1.0)
    scene.put("n-2", instance_id="i-7")
    scene.use(two_pools(session_affinity=True), a=("n-1", "n-2", "n-3"), b=("n-1", "n-2", "n-3"))

    for scene.seed in range(8):
        assert list_ids(scene.choose())[0] == "n-2"


@pytest.mark.req("L6")
def test_where_a_job_failed_it_does_not_go_while_another_node_can_serve(scene: Scene) -> None:
    scene.fleet.put_pools(NO_POOLS)
    scene.put("n-2", "n-3", load=4)

    choice = scene.choose(not_for=("n-1",))

    assert list_ids(choice) == []
    assert choice.passed_over == {Reason.EXCLUDED: 1, Reason.CAPACITY_EXCEEDED: 2}


@pytest.mark.req("L6", "ED4")
def test_where_a_job_failed_it_never_goes_again_though_nobody_else_can_serve(scene: Scene) -> None:
    scene.put("n-4", languages="fr en")
    need = make_need(src="fr")
    scene.fleet.put_pools(NO_POOLS)

    assert list_ids(scene.choose(need=need, not_for=("n-4", "n-1"))) == []


@pytest.mark.req("L6", "ED4")
@pytest.mark.parametrize("others", [("n-2",), ()])
def test_a_job_that_waits_takes_no_freed_slot_where_it_failed(others: tuple[str, ...]) -> None:
    scene = Scene()
    scene.put("n-1")
    scene.put(*others, load=4)
    freed = scene.fleet.find("n-1")
    assert freed is not None

    assert not scene.chooser.allows(ask(not_for=("n-1",)), freed)


@pytest.mark.req("L18")
@pytest.mark.parametrize(
    ("node_id", "asked", "why"),
    [
        ("n-1", {}, ""),
        ("n-4", {}, "lang_pair_unsupported"),
        ("n-3", {"tenant_id": "acme"}, "not_in_pool"),
        ("n-2", {"not_for": ("n-2",)}, "excluded"),
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
    scene = Scene(rules=PlacementRules(sample_size=extra), seed=seed)
    for number, load in enumerate(loads):
        scene.put(f"n-{number}", load=load)
    not_for = tuple(f"n-{number}" for number in sorted(failed))
    free = {f"n-{number}" for number, load in enumerate(loads) if load < 4} - set(not_for)

    choice = scene.choose(not_for=not_for)

    assert set(list_ids(choice)) <= free
    assert bool(choice.nodes) == bool(free)
