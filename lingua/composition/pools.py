"""Composition of what keeps the pools of an instance."""

import dataclasses
from collections.abc import Sequence

from lingua.composition.configuration import Configuration
from lingua.composition.stores import Infrastructure
from lingua.serving.supervisor import Loop
from scheduling.fleet.unavailable_services import UnavailableServices, report_absent
from scheduling.placement.snapshot import Fleet
from scheduling.pools.follower import HintReader, PoolFollower
from scheduling.pools.leader import Leader, OwnedSource
from scheduling.pools.membership import Membership
from scheduling.store.hints import HintListener
from scheduling.store.membership import MembershipStore
from scheduling.store.pools import PoolStore
from scheduling.store.redis.clients import open_listener
from scheduling.store.unavailable_services import UnavailableServiceStore

_REASSERT_S = 600.0
_PASS_S = 0.5


@dataclasses.dataclass(kw_only=True)
class PoolParts:
    """What keeps pools: the loops to run, and what others call."""

    loops: Sequence[Loop]
    leader: Leader
    membership: Membership
    follower: PoolFollower
    unavailable_services: UnavailableServices
    listener: HintListener
    hint_reader: HintReader

    async def start(self) -> None:
        """Take part before the first socket: the first job finds its pools (V9)."""
        await self.leader.run_once()
        await self.follower.follow()

    async def stop(self) -> None:
        """Give the leadership up and stop listening."""
        await self.membership.wait_until_settled()
        await self.leader.resign()
        await self.listener.close()


def build_pools(
    infrastructure: Infrastructure,
    configuration: Configuration,
    *,
    fleet: Fleet,
    source: OwnedSource,
) -> PoolParts:
    """Build everything about pools but their use, which is the dispatcher's."""
    instance_id, connection, keys = (
        infrastructure.instance_id,
        infrastructure.connection,
        infrastructure.keys,
    )
    pools = configuration.pools
    store, members = PoolStore(connection, keys=keys), MembershipStore(connection, keys=keys)
    membership = Membership(
        instance_id=instance_id,
        fleet=fleet,
        store=members,
        pools=store,
        interval_s=_REASSERT_S,
    )
    follower = PoolFollower(
        fleet=fleet,
        pools=store,
        membership=members,
        on_config=membership.note_all,
        fresh_ms=pools.fresh_ms,
        check_ms=pools.check_ms,
        interval_s=_PASS_S,
        rng=infrastructure.rng,
        metrics=infrastructure.metrics,
    )
    leader = Leader(
        instance_id=instance_id,
        fleet=fleet,
        pools=store,
        membership=members,
        source=source,
        lease_ms=pools.lease_ms,
        cleanup_ms=pools.cleanup_ms,
        gone_ms=configuration.core.nodes.grace_ms,
        interval_s=_PASS_S,
    )
    unavailable_services = UnavailableServices(
        store=UnavailableServiceStore(
            connection,
            keys=keys,
            mark_ms=pools.unavailable_services.mark_ms,
            debounce_ms=pools.unavailable_services.debounce_ms,
            window_ms=pools.unavailable_services.window_ms,
            most_per_window=pools.unavailable_services.most_per_window,
        ),
        most=pools.unavailable_services.most_queued,
        on_absent=report_absent,
        metrics=infrastructure.metrics,
    )
    # A client of its own: a listener blocks its connection.
    client = open_listener(
        url=configuration.redis.url,
        cluster_urls=configuration.redis.cluster_urls,
        sentinel_urls=configuration.redis.sentinel_urls,
        connect_timeout_s=configuration.redis.connect_timeout_s,
    )
    listener = HintListener(client, channel=keys.pool.hints())
    hint_reader = HintReader(listener=listener, follower=follower, on_wish=leader.wake)
    return PoolParts(
        loops=[leader, follower, membership, unavailable_services, hint_reader],
        leader=leader,
        membership=membership,
        follower=follower,
        unavailable_services=unavailable_services,
        listener=listener,
        hint_reader=hint_reader,
    )
