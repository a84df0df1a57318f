"""Leader, followers and members over several instances and a real Redis."""

import asyncio
import itertools
from collections.abc import Callable

import pytest
import redis.asyncio

from scheduling.placement.candidates import FRESH
from scheduling.placement.pool_config import Owned, PoolRules
from scheduling.placement.pools import Pool, PoolKind
from scheduling.store.keys import Keys
from tests.pools.conftest import PoolInstance
from tests.pools.declared import CORE, describe, make_need
from tests.redis_under_test import list_keys
from tests.waiting import eventually, keeps_to


@pytest.mark.req("P8", "P11", "X11")
async def test_fifty_nodes_with_one_new_set_make_one_pool_of_fifty(
    make_peer: Callable[..., PoolInstance], listen: Callable[[PoolInstance], None]
) -> None:
    owned = Owned(rules=PoolRules(enable_mixed=False))
    peers = [make_peer(f"i-{number}", owned=owned) for number in range(4)]
    for peer in peers:
        await peer.leader.run_once()
        await peer.follower.follow()
        listen(peer)
    await asyncio.gather(
        *(peers[number % 4].register(f"n-{number}", describe("de en zh")) for number in range(50))
    )

    async def agree() -> bool:
        tables = [peer.fleet.snapshot.pools for peer in peers]
        return all(
            len(table.matcher.pools) == 1
            and all(len(known.node_ids) == 50 for known in table.members.values())
            for table in tables
        )

    await eventually(agree)
    versions = {peer.fleet.snapshot.pools.version for peer in peers}
    configs = {peer.fleet.snapshot.pools.matcher.config for peer in peers}
    assert len(versions) == len(configs) == 1
    (pool,) = configs.pop().pools
    assert (pool.kind, pool.shown_name) == (PoolKind.SET, "de-en-zh")
    assert sum(peer.leader.leads for peer in peers) == 1


@pytest.mark.req("P11", "V5", "X11")
async def test_a_change_is_in_force_on_a_follower_within_a_tenth_of_a_second(
    make_peer: Callable[..., PoolInstance], listen: Callable[[PoolInstance], None]
) -> None:
    mine = Pool(pool_id="mine", kind=PoolKind.CAPABILITY, required=CORE)
    leader, follower = (
        make_peer(name, owned=Owned(pools=(mine,), rules=PoolRules(auto_language=False)))
        for name in ("i-1", "i-2")
    )
    listen(follower)

    async def listens() -> bool:
        return follower.fleet.snapshot.pools.version > 0

    await leader.leader.run_once()
    await eventually(listens)
    numbers = itertools.count(7)

    async def change() -> float:
        number = next(numbers)
        began = asyncio.get_running_loop().time()
        leader.leader._source = type(leader.leader._source)(
            Owned(rules=PoolRules(max_pools=number))
        )
        await leader.leader.rebuild()

        async def followed() -> bool:
            return follower.fleet.snapshot.pools.matcher.config.rules.max_pools == number

        await eventually(followed)
        took_s = asyncio.get_running_loop().time() - began
        return max(took_s, follower.metrics.gauges["pool_config_sync_lag_seconds",])

    await keeps_to(0.1, change)


@pytest.mark.req("P11")
async def test_without_a_hint_the_version_check_finds_the_change(
    make_peer: Callable[..., PoolInstance],
) -> None:
    leader, follower = make_peer("i-1"), make_peer("i-2")
    await leader.leader.run_once()
    assert await follower.follower.follow()
    assert not await follower.follower.follow()
    assert follower.fleet.snapshot.pools.version == 1


async def lead_one_node(make_peer: Callable[..., PoolInstance]) -> PoolInstance:
    """Return a leader that has a node, and has published the node's pools."""
    peer = make_peer()
    await peer.leader.run_once()
    await peer.follower.follow()
    await peer.register("n-1", describe("en zh"))
    await peer.settle()
    await peer.leader.run_once()
    await peer.follower.follow()
    return peer


@pytest.mark.req("P10", "P16")
async def test_the_last_node_leaves_and_its_pools_go(
    make_peer: Callable[..., PoolInstance], redis_client: "redis.asyncio.Redis"
) -> None:
    peer = await lead_one_node(make_peer)
    await peer.settle()
    assert len(peer.fleet.snapshot.pools.matcher.pools) == 3
    assert await peer.leader.rebuild() == 0
    node = peer.fleet.find("n-1")
    assert node is not None
    await peer.nodes.retire(node_id="n-1", conn_epoch=node.conn_epoch)
    peer.fleet.remove("n-1", conn_epoch=node.conn_epoch)
    assert await peer.leader.rebuild() == 1
    await peer.follower.follow()
    assert peer.fleet.snapshot.pools.matcher.pools == {}
    assert await list_keys(redis_client, "*:members") == []
    assert await list_keys(redis_client, "*:stamp") == []


@pytest.mark.req("P10", "P11")
async def test_a_lost_configuration_comes_back_without_a_restart(
    make_peer: Callable[..., PoolInstance], redis_client: "redis.asyncio.Redis"
) -> None:
    peer = await lead_one_node(make_peer)
    await redis_client.flushall()
    await peer.leader.run_once()
    await peer.follower.follow()
    assert peer.fleet.snapshot.pools.version == 1


@pytest.mark.req("V9")
async def test_an_instance_that_started_knows_the_pools_and_who_is_in_them(
    make_peer: Callable[..., PoolInstance],
) -> None:
    leader, later = await lead_one_node(make_peer), make_peer("i-2")
    await leader.settle()

    await later.start()

    table, known = later.fleet.snapshot.pools, leader.fleet.snapshot.pools
    assert table.version == known.version > 0
    assert table.matcher.config == known.matcher.config
    assert table.members
    assert {member for pool in table.members.values() for member in pool.node_ids} == {"n-1"}


@pytest.mark.req("V4")
async def test_members_are_known_when_jobs_want_them(
    make_peer: Callable[..., PoolInstance],
) -> None:
    peer = make_peer(owned=Owned(rules=PoolRules(auto_language=False, pool_count=2)))
    await peer.leader.run_once()
    await peer.follower.follow()
    for number in range(8):
        await peer.register(f"n-{number}", describe())
    await peer.settle()
    await peer.follower.refresh(["bucket-0", "bucket-1"])
    snapshot = peer.fleet.snapshot
    now_ms = max(known.fresh_until_ms for known in snapshot.pools.members.values()) - 2_000
    found = [snapshot.candidates.find(f"bucket-{n}", make_need()) for n in (0, 1)]
    assert sorted(candidate.node_id for able in found for candidate in able.views) == [
        f"n-{number}" for number in range(8)
    ]
    known = [snapshot.candidates.say_how_known(f"bucket-{n}", now_ms=now_ms) for n in (0, 1)]
    assert known == [FRESH, FRESH]
    assert await peer.follower.refresh(["bucket-0"]) == 0


@pytest.mark.req("P9")
@pytest.mark.parametrize("generates", [True, False])
async def test_the_leader_generates_pairs_where_it_is_asked_to(
    make_peer: Callable[..., PoolInstance], *, generates: bool
) -> None:
    peer = make_peer(owned=Owned(rules=PoolRules(generate_pairs=generates)))
    await peer.leader.run_once()
    await peer.register("n-1", describe("en zh"))
    await peer.settle()

    await peer.leader.rebuild()

    _, config = await peer.pools.find_config()
    assert (PoolKind.PAIR in {pool.kind for pool in config.pools}) is generates


@pytest.mark.req("P3", "ED8")
@pytest.mark.parametrize("change", ["one more", "one less", "another in its place"])
async def test_a_change_of_members_that_was_made_by_hand_is_seen(
    make_peer: Callable[..., PoolInstance],
    keys: Keys,
    redis_client: "redis.asyncio.Redis",
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    peer = make_peer(owned=Owned(rules=PoolRules(auto_language=False, pool_count=1)))
    await peer.leader.run_once()
    await peer.follower.follow()
    for node_id in ("n-1", "n-2"):
        await peer.register(node_id, describe())
    await peer.settle()
    await peer.follower.refresh(["bucket-0"])
    members = keys.pool.members("bucket-0")
    if change != "one less":
        await redis_client.sadd(members, "n-3")
    if change != "one more":
        await redis_client.srem(members, "n-1")
    if change == "another in its place":
        # The size is the same: it is seen when all members are read again, once a minute.
        monkeypatch.setattr("scheduling.pools.follower._READ_WHOLE_EVERY_MS", 0)

    assert await peer.follower.refresh(["bucket-0"]) == 1

    known = peer.fleet.snapshot.pools.members["bucket-0"].node_ids
    assert known == await peer.members.list_members("bucket-0")


class _NoAnswer:
    async def read(self) -> None:
        """The database is away."""


@pytest.mark.req("P11", "P16")
async def test_what_operators_own_stays_while_their_database_is_away(
    make_peer: Callable[..., PoolInstance],
) -> None:
    voices = Pool(pool_id="voices", kind=PoolKind.CAPABILITY, required=("tone",))
    peer = make_peer(owned=Owned(pools=(voices,), rules=PoolRules(max_pools=7)))
    await peer.leader.run_once()

    peer.leader._source = _NoAnswer()
    await peer.follower.follow()
    await peer.register("n-1", describe("en zh"))
    await peer.settle()
    assert await peer.leader.run_once() == 1, "pools of languages are made all the same"
    version, config = await peer.pools.find_config()

    assert version == 2
    assert voices in config.pools
    assert len(config.pools) > 1
    assert config.rules.max_pools == 7


@pytest.mark.req("P11")
async def test_nothing_is_published_before_the_database_was_read_once(
    make_peer: Callable[..., PoolInstance],
) -> None:
    peer = make_peer()
    peer.leader._source = _NoAnswer()

    assert await peer.leader.run_once() == 0
    assert (await peer.pools.find_config())[0] == 0


@pytest.mark.req("P16")
async def test_a_rebuild_that_is_asked_for_makes_one_version(
    make_peer: Callable[..., PoolInstance],
) -> None:
    peer = make_peer()
    await peer.leader.run_once()

    assert await peer.leader.rebuild(renew=True) == 1
    assert await peer.leader.run_once() == 0
    assert (await peer.pools.find_config())[0] == 2


@pytest.mark.req("P11", "I-37")
async def test_a_leader_that_renews_nothing_knows_that_its_time_is_over(
    make_peer: Callable[..., PoolInstance],
) -> None:
    """Nobody need tell it: it may have slept, or Redis may not answer."""
    leader = make_peer("i-1", lease_ms=1_500).leader
    await leader.run_once()
    fence = leader.fence

    async def is_over() -> bool:
        return not leader.leads

    await eventually(is_over)
    assert leader.fence == fence is not None
