"""Who is asked first: designated nodes, spread sessions, turns, and what is remembered."""

from typing import Any

import pytest

from scheduling.model import clock
from scheduling.placement.candidates import NO_POOLS
from scheduling.placement.chooser import HIT, PREFERRED_NOT_CAPABLE
from scheduling.placement.pool_config import PoolConfig, PoolRules
from scheduling.placement.pool_matching import ALL_NODES
from scheduling.placement.session_memory import SessionNotes
from tests.pools.choosing import (
    ACME,
    TWO,
    Scene,
    add_incapable,
    ask,
    list_ids,
    set_scene,
    two_pools,
)

A_MINUTE_MS = 60_000
NOT_CAPABLE: dict[str, dict[str, Any]] = {
    "unknown": {"preferred_node_id": "n-9"},
    "outside the pool": {"preferred_node_id": "n-3", "tenant_id": "acme"},
    "failed before": {"preferred_node_id": "n-2", "not_for": ("n-2",)},
    "another language": {"preferred_node_id": "n-4"},
    "full": {"preferred_node_id": "n-5"},
    "draining": {"preferred_node_id": "n-6"},
}


@pytest.fixture
def scene() -> Scene:
    return set_scene()


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
@pytest.mark.parametrize(("ago_min", "spread"), [(0, True), (29, True), (31, False)])
def test_a_spread_session_leaves_its_last_node_for_a_while(
    scene: Scene, ago_min: int, *, spread: bool
) -> None:
    scene.use(
        PoolConfig(rules=PoolRules(enabled=False, spread=True, spread_window_ms=30 * A_MINUTE_MS))
    )
    left_at_ms = clock.now_ms() - ago_min * A_MINUTE_MS
    scene.memory.note("s-1", SessionNotes(last_node_id="n-1", last_at_ms=left_at_ms))

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


@pytest.mark.req("L19")
def test_where_a_job_went_is_remembered(scene: Scene) -> None:
    noted_at_ms = clock.now_ms()

    told = scene.chooser.note_placed(ask(), node_id="n-3", pool_id="b")

    notes = scene.memory.recall("s-1")
    assert told is None
    assert (notes.last_node_id, notes.pool_for(src="zh", tgt="en")) == ("n-3", "b")
    assert noted_at_ms <= notes.last_at_ms <= clock.now_ms()


@pytest.mark.req("L19")
def test_a_job_that_went_past_the_pools_leaves_the_sessions_pool(scene: Scene) -> None:
    scene.memory.note("s-1", SessionNotes(pool_id="b", src="zh", tgt="en"))

    scene.chooser.note_placed(ask(), node_id="n-1", pool_id=ALL_NODES)

    assert scene.memory.recall("s-1").pool_for(src="zh", tgt="en") == "b"


@pytest.mark.req("L20")
def test_a_part_of_a_turn_is_remembered_for_a_while(scene: Scene) -> None:
    scene.use(two_pools(turn_affinity_ms=A_MINUTE_MS), **TWO)

    told = scene.chooser.note_placed(ask(turn_id="turn-1", part=True), node_id="n-3", pool_id="b")

    assert told == scene.memory.recall("s-1")
    now_ms = clock.now_ms()
    assert told.turn_node("turn-1", now_ms=now_ms) == "n-3"
    assert told.turn_node("turn-1", now_ms=now_ms + A_MINUTE_MS) == ""


@pytest.mark.req("L20")
def test_the_end_of_a_turn_is_told_to_others_too(scene: Scene) -> None:
    remember_turn(scene, "n-2")

    told = scene.chooser.note_placed(ask(turn_id="turn-1"), node_id="n-2", pool_id="a")

    assert told is not None
    assert told.turn_id == ""


@pytest.mark.req("L7")
def test_where_a_spread_session_was_is_told_to_others(scene: Scene) -> None:
    scene.use(two_pools(spread=True), **TWO)

    assert scene.chooser.note_placed(ask(), node_id="n-1", pool_id="a") is not None


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
