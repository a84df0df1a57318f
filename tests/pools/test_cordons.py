"""Cordons of the configuration come to the nodes, and go with it."""

from collections.abc import Callable

import pytest

from scheduling.fleet.cordons import Cordons
from scheduling.fleet.node_control import NodeControl
from scheduling.model.delivery import Delivery
from scheduling.model.nodes import Hold
from scheduling.placement.pool_config import Owned, PoolConfig, merge
from scheduling.store.pools import PoolStore
from tests.pools.conftest import PoolInstance
from tests.pools.declared import describe


def make_cordons(peer: PoolInstance, *, settle_ms: int = 0) -> tuple[NodeControl, Cordons]:
    node_control = NodeControl(nodes=peer.nodes, fleet=peer.fleet, delivery=Delivery())
    cordons = Cordons(
        instance_id=peer.instance_id,
        fleet=peer.fleet,
        node_control=node_control,
        settle_ms=settle_ms,
    )
    return node_control, cordons


async def follow(peer: PoolInstance, *cordons: str) -> None:
    """Publish other cordons and take them."""
    peer.leader._source = type(peer.leader._source)(Owned(cordons=cordons))
    assert await peer.leader.run_once() == 1
    await peer.follower.follow()


async def find_hold(peer: PoolInstance, node_id: str) -> tuple[Hold, bool]:
    found = await peer.nodes.find(node_id=node_id)
    assert found is not None
    known = peer.fleet.find(node_id)
    assert known is not None
    assert (known.held, known.draining) == (found[0].held, found[0].draining)
    return found[0].held, found[0].draining


@pytest.mark.req("N6", "P11")
async def test_a_cordon_comes_with_the_configuration_and_goes_with_it(
    make_peer: Callable[..., PoolInstance],
) -> None:
    peer = make_peer()
    _, cordons = make_cordons(peer)
    await peer.register("n-1", describe())
    await peer.register("n-2", describe())
    await follow(peer, "n-1", "n-elsewhere")

    assert await cordons.run_once() == 1
    assert await find_hold(peer, "n-1") == (Hold.CORDON, True)
    assert await find_hold(peer, "n-2") == (Hold.NONE, False)
    assert await cordons.run_once() == 0
    await follow(peer)
    assert await cordons.run_once() == 1
    assert await find_hold(peer, "n-1") == (Hold.NONE, False)


@pytest.mark.req("N6")
async def test_an_order_that_is_not_published_yet_is_left_alone(
    make_peer: Callable[..., PoolInstance],
) -> None:
    peer = make_peer()
    node_control, cordons = make_cordons(peer, settle_ms=60_000)
    await peer.register("n-1", describe())
    assert await node_control.drain("n-1", lasting=True)

    await follow(peer, "n-elsewhere")
    assert await cordons.run_once() == 0
    assert await find_hold(peer, "n-1") == (Hold.CORDON, True)
    await follow(peer, "n-1")
    assert await cordons.run_once() == 0
    assert await find_hold(peer, "n-1") == (Hold.CORDON, True)


@pytest.mark.req("N6")
async def test_a_drain_is_no_business_of_the_configuration(
    make_peer: Callable[..., PoolInstance],
) -> None:
    peer = make_peer()
    node_control, cordons = make_cordons(peer)
    await peer.register("n-1", describe())
    await node_control.drain("n-1")

    await follow(peer, "n-elsewhere")

    assert await cordons.run_once() == 0
    assert await find_hold(peer, "n-1") == (Hold.DRAIN, True)


@pytest.mark.req("P11")
def test_cordons_make_another_document_and_stay_while_nobody_can_say() -> None:
    def following(config: PoolConfig, *cordons: str) -> PoolConfig:
        return merge(
            config=config,
            owned=Owned(cordons=cordons),
            wishes=(),
            generated=None,
            sizes={},
            generated_by="i",
        )

    first = following(PoolConfig(), "n-2", "n-1")
    assert first.cordons == ("n-1", "n-2")
    assert following(first, "n-1", "n-2") is first
    assert following(first).cordons == ()


@pytest.mark.req("P11", "P16")
async def test_cordons_stay_in_force_while_the_database_is_away(
    make_peer: Callable[..., PoolInstance],
) -> None:
    class Away:
        async def read(self) -> None:
            """The database does not answer."""

    peer = make_peer()
    await follow(peer, "n-1")
    peer.leader._source = Away()
    await peer.leader.rebuild(renew=True)

    store: PoolStore = peer.pools
    version, config = await store.find_config()
    assert (version, config.cordons) == (2, ("n-1",))
