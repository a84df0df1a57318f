"""What is asked of the fleet, as each instance counts it and tells the others (ND13)."""

import msgspec

from scheduling.model.jobs import Need


class Wanted(msgspec.Struct, frozen=True):
    """What jobs need of a node, whoever they are: services for language pairs."""

    pairs: tuple[tuple[str, str], ...]
    types: tuple[str, ...]
    public: bool = True

    @property
    def need(self) -> Need:
        """Return a need of this kind, to ask the index of nodes."""
        src, tgt = self.pairs[0]
        return Need(src=src, tgt=tgt, types=self.types, pairs=self.pairs, public=self.public)


class PoolDemand(msgspec.Struct, frozen=True):
    """How many jobs a second look into a pool first, and how long slots were held in it of late.

    `held_s` is what `held` jobs took together; where it is 0 nothing is known.
    """

    pool_id: str
    arrivals_per_s: float
    held_s: float = 0.0
    held: float = 0.0


class Demand(msgspec.Struct, frozen=True):
    """What one instance, or all of them, was asked for."""

    pools: tuple[PoolDemand, ...] = ()
    wanted: tuple[Wanted, ...] = ()


def add_up(demands: list[Demand]) -> Demand:
    """Return what all instances were asked for together."""
    pools: dict[str, PoolDemand] = {}
    for one in (pool for demand in demands for pool in demand.pools):
        known = pools.get(one.pool_id, PoolDemand(one.pool_id, 0.0))
        pools[one.pool_id] = PoolDemand(
            pool_id=one.pool_id,
            arrivals_per_s=known.arrivals_per_s + one.arrivals_per_s,
            held_s=known.held_s + one.held_s,
            held=known.held + one.held,
        )
    wanted = dict.fromkeys(each for demand in demands for each in demand.wanted)
    return Demand(pools=tuple(pools.values()), wanted=tuple(wanted))
