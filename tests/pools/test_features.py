"""Features of a session choose nodes, and give way where none that supports them can serve."""

from typing import Any

import msgspec
import pytest

from scheduling.model import clock
from scheduling.model.jobs import Need
from tests.pools.choosing import ACME, NEED, TWO, Scene, ask, list_ids, two_pools
from tests.pools.declared import describe, make_node

EMOTION, STYLE = "emotion_detection", "voice_style_detection"


def _asking(*features: str) -> Need:
    return msgspec.structs.replace(NEED, features=tuple(sorted(features)))


def _put(
    scene: Scene, node_id: str, *features: str, load: int = 0, tone: bool = False, **other: Any
) -> None:
    description = msgspec.structs.replace(describe(), features=frozenset(features))
    if tone:
        ready = description.ready_types | {"tone"}
        description = msgspec.structs.replace(description, ready_types=ready)
    node = make_node(node_id, description, heartbeat_at_ms=clock.now_ms())
    scene.fleet.learn(msgspec.structs.replace(node, **other))
    scene.fleet.loads.learn(node_id, load)


@pytest.mark.req("ND12")
@pytest.mark.parametrize("seed", range(4))
def test_a_node_that_supports_the_feature_is_chosen_among_many_less_loaded(seed: int) -> None:
    scene = Scene(seed=seed)
    for number in range(60):
        _put(scene, f"plain-{number}")
    _put(scene, "able", EMOTION, load=3)

    assert list_ids(scene.choose(need=_asking(EMOTION)))[0] == "able"


@pytest.mark.req("ND12")
def test_who_asks_for_nothing_gets_any_node() -> None:
    scene = Scene()
    _put(scene, "plain")
    _put(scene, "able", EMOTION)

    assert sorted(list_ids(scene.choose())) == ["able", "plain"]


@pytest.mark.req("ND12")
def test_where_none_supports_all_those_come_first_that_support_most() -> None:
    scene = Scene()
    _put(scene, "plain")
    _put(scene, "some", STYLE)

    assert list_ids(scene.choose(need=_asking(EMOTION, STYLE))) == ["some", "plain"]


@pytest.mark.req("ND12")
def test_a_running_service_of_that_name_counts_as_the_feature() -> None:
    scene = Scene()
    _put(scene, "plain")
    _put(scene, "able", tone=True)

    assert list_ids(scene.choose(need=_asking("tone"))) == ["able", "plain"]


@pytest.mark.req("ND12")
@pytest.mark.parametrize("unable", ["full", "excluded", "draining", "gone"])
def test_another_node_serves_while_none_that_supports_the_feature_can(unable: str) -> None:
    scene = Scene()
    _put(scene, "plain")
    if unable != "gone":
        full = 4 if unable == "full" else 0
        _put(scene, "able", EMOTION, load=full, draining=unable == "draining")
    not_for = ("able",) if unable == "excluded" else ()

    assert list_ids(scene.choose(need=_asking(EMOTION), not_for=not_for)) == ["plain"]


@pytest.mark.req("ND12")
def test_no_feature_takes_a_tenant_out_of_its_pool() -> None:
    scene = Scene()
    scene.use(two_pools(tenants=ACME), **TWO)
    for node_id in ("n-1", "n-2"):
        _put(scene, node_id)
    _put(scene, "n-3", EMOTION)

    choice = scene.choose(need=_asking(EMOTION), tenant_id="acme")

    assert sorted(list_ids(choice)) == ["n-1", "n-2"]


@pytest.mark.req("ND12")
def test_a_freed_node_without_the_feature_takes_a_waiting_job() -> None:
    scene = Scene()
    _put(scene, "plain")
    node = scene.fleet.find("plain")
    assert node is not None

    assert scene.chooser.allows(ask(need=_asking(EMOTION)), node)
