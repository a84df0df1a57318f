"""A job that no known node could ever serve is refused at once; whatever may come is waited for."""

import msgspec
import pytest

from scheduling.model.nodes import NodeStatus
from scheduling.placement.pool_config import PoolConfig, PoolRules, TenantRule
from scheduling.placement.pools import Pool, PoolKind
from tests.pools.choosing import Scene
from tests.pools.declared import CORE, make_need

pytestmark = pytest.mark.req("ED3")

IMPOSSIBLE = make_need("ja", "en")


@pytest.fixture
def scene() -> Scene:
    """Nodes of German, English and Chinese, all that Redis has."""
    scene = Scene()
    scene.put("n-1", "n-2")
    scene.fleet.is_complete = True
    return scene


@pytest.mark.reason("no_capable_node")
def test_a_pair_that_no_known_node_serves_is_refused(scene: Scene) -> None:
    choice = scene.choose(need=IMPOSSIBLE)

    assert (choice.refused, choice.nodes) == ("no_capable_node", ())
    assert not scene.choose(need=make_need("zh", "en")).refused


def test_nothing_is_refused_before_all_nodes_were_read(scene: Scene) -> None:
    scene.fleet.is_complete = False

    assert not scene.choose(need=IMPOSSIBLE).refused


def test_where_no_node_is_known_any_may_come() -> None:
    scene = Scene()
    scene.fleet.is_complete = True

    assert not scene.choose(need=IMPOSSIBLE).refused


def test_a_node_that_is_away_may_be_back_until_it_is_forgotten(scene: Scene) -> None:
    scene.put("n-ja", languages="ja en")
    scene.fleet.unlearn("n-ja", conn_epoch=2**60)
    assert not scene.choose(need=IMPOSSIBLE).refused

    scene.fleet.forget("n-ja")
    assert scene.choose(need=IMPOSSIBLE).refused == "no_capable_node"


def test_a_node_that_came_back_with_other_languages_is_known_by_those(scene: Scene) -> None:
    scene.put("n-ja", languages="ja en")
    scene.fleet.unlearn("n-ja", conn_epoch=2**60)
    scene.put("n-ja", languages="fr en")

    assert scene.choose(need=IMPOSSIBLE).refused == "no_capable_node"


@pytest.mark.parametrize("state", ["full", "draining", "degraded", "not running"])
def test_a_node_that_cannot_now_may_be_able_later(scene: Scene, state: str) -> None:
    scene.put("n-ja", languages="ja en")
    node = scene.fleet.find("n-ja")
    assert node is not None
    changes = {
        "full": {},
        "draining": {"draining": True},
        "degraded": {"status": NodeStatus.DEGRADED},
        "not running": {
            "description": msgspec.structs.replace(node.description, ready_types=frozenset())
        },
    }[state]
    scene.fleet.learn(msgspec.structs.replace(node, **changes))
    if state == "full":
        scene.fleet.loads.learn("n-ja", node.max_jobs)

    choice = scene.choose(need=IMPOSSIBLE)

    assert (choice.nodes, choice.refused) == ((), "")


def test_a_node_that_is_only_registering_may_still_say_what_it_can(scene: Scene) -> None:
    scene.put("n-new", languages="fr", status=NodeStatus.REGISTERING)

    assert not scene.choose(need=IMPOSSIBLE).refused


def test_in_a_tenants_pool_only_its_nodes_count(scene: Scene) -> None:
    scene.put("n-ja", languages="ja en")
    pool = Pool(pool_id="own", kind=PoolKind.TENANT, required=CORE, nodes=("n-1",))
    config = PoolConfig(
        pools=(pool,), tenants=(TenantRule(tenant_id="t-1", pool_id="own"),), rules=PoolRules()
    )
    scene.use(config, own=["n-1"])

    assert scene.choose(need=IMPOSSIBLE, tenant_id="t-1").refused == "no_capable_node"
    assert not scene.choose(need=IMPOSSIBLE, tenant_id="t-2").refused
    assert not scene.choose(need=make_need("zh", "en"), tenant_id="t-1").refused
