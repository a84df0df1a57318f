"""The pool configuration: one document, written by the leader, followed by everyone (C15)."""

import collections
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from scheduling.model.nodes import NodeDescription
from scheduling.model.probes import Probe
from scheduling.placement.pools import (
    LANGUAGE_KINDS,
    Pool,
    PoolKind,
    bucket_pool,
    enters,
    has_installed,
    language_pool,
    list_pairs,
    list_set,
    pick_bucket,
    pick_capability_pool,
)


class PoolRules(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The switches of two-level placement, each reversible (G7); names as operators know them."""

    enabled: bool = True
    mode: Literal["two_level", "single"] = "two_level"
    read_members: bool = True
    auto_language: bool = True
    generate_pairs: bool = False
    naming: Literal["pair", "bidirectional"] = "pair"
    min_nodes_per_pool: int = 1
    max_pools: int = 50
    require_semantic: bool = True
    enable_mixed: bool = True
    pool_count: int = 16
    hash_seed: int = 0
    match_scope: Literal["core_only", "all_required"] = "core_only"
    match_mode: Literal["contains", "exact"] = "contains"
    strict_eligibility: bool = False
    fallback_scan_all: bool = True
    session_affinity: bool = False
    tenant_fallback: bool = False
    strict_preferred_node: bool = False
    spread: bool = False
    spread_window_ms: int = 30_000
    turn_affinity_ms: int = 300_000

    @property
    def two_level(self) -> bool:
        """Say whether jobs go to a pool first; otherwise all nodes are one (L16)."""
        return self.enabled and self.mode == "two_level"


class TenantRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """What operators say of one tenant.

    Its jobs stay in `pool_id` (L14). `max_jobs` and `jobs_per_s` are limits, 0 none; `min_slots`
    is kept free of others' borrowing; waiting jobs are served in proportion to `weight`.
    """

    tenant_id: str
    pool_id: str = ""
    max_jobs: int = 0
    jobs_per_s: float = 0.0
    burst: int = 1
    min_slots: int = 0
    weight: float = 1.0

    @property
    def is_limited(self) -> bool:
        return self.max_jobs > 0 or self.jobs_per_s > 0


class PoolConfig(msgspec.Struct, frozen=True):
    """The document; equal documents encode to the same bytes, and publish once.

    `cordons` are ids of nodes that get nothing new. `rebuilds` counts how often an operator asked
    for a new version of the document (P16). `probed` are the languages there is a probe for (ND10).
    """

    pools: tuple[Pool, ...] = ()
    tenants: tuple[TenantRule, ...] = ()
    rules: PoolRules = PoolRules()
    generated_by: str = ""
    rebuilds: int = 0
    cordons: tuple[str, ...] = ()
    probed: tuple[str, ...] = ()

    @property
    def has_buckets(self) -> bool:
        """Say whether nodes are spread over hash buckets: nothing else is configured (P13)."""
        rules = self.rules
        return (
            rules.two_level
            and not rules.auto_language
            and not any(pool.kind is PoolKind.CAPABILITY for pool in self.pools)
        )

    def list_pools(self) -> tuple[Pool, ...]:
        """Return the pools in force, hash buckets among them; a tenant's own is so in any mode."""
        rules = self.rules
        own = {tenant.pool_id for tenant in self.tenants}
        pools = tuple(
            pool
            for pool in self.pools
            if pool.pool_id in own
            or (rules.two_level and (rules.auto_language or pool.kind not in LANGUAGE_KINDS))
        )
        if self.has_buckets:
            return (*pools, *(bucket_pool(number) for number in range(rules.pool_count)))
        return pools


class Owned(msgspec.Struct, frozen=True):
    """What operators own of the document: their pools, tenants, switches and cordons.

    The `probes` are the leader's alone, and not in the document, which has what is `probed`.
    """

    pools: tuple[Pool, ...] = ()
    tenants: tuple[TenantRule, ...] = ()
    rules: PoolRules = PoolRules()
    cordons: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()
    probed: tuple[str, ...] = ()


def list_pools_of(node_id: str, description: NodeDescription, config: PoolConfig) -> frozenset[str]:
    """Return the ids of the pools a node belongs into, whatever its health (J-19, J-26)."""
    rules, pools = config.rules, config.list_pools()
    entered = {
        pool.pool_id
        for pool in pools
        if (
            pool.kind in LANGUAGE_KINDS
            and enters(pool, description, require_semantic=rules.require_semantic)
        )
        or (
            pool.kind is PoolKind.TENANT
            and (not pool.nodes or node_id in pool.nodes)
            and has_installed(pool, description)
        )
    }
    most_specific = pick_capability_pool(pools, node_id, description, seed=rules.hash_seed)
    if most_specific is not None:
        entered.add(most_specific)
    if config.has_buckets:
        entered.add(pick_bucket(node_id, count=rules.pool_count, seed=rules.hash_seed))
    return frozenset(entered)


def wish_pools(description: NodeDescription, config: PoolConfig) -> tuple[Pool, ...]:
    """Return the language pools a node needs and the document lacks (P8): its set, its targets."""
    rules = config.rules
    if not rules.two_level or not rules.auto_language:
        return ()
    languages = description.languages
    if rules.require_semantic and not languages.semantic:
        return ()
    wanted = []
    together = list_set(languages, require_semantic=rules.require_semantic)
    if len(together) > 1:
        wanted.append(language_pool(PoolKind.SET, together, semantic=rules.require_semantic))
    if rules.enable_mixed:
        wanted += [
            pool
            for tgt in sorted(languages.tts)
            if enters(
                pool := language_pool(PoolKind.MIXED, (tgt,)),
                description,
                require_semantic=rules.require_semantic,
            )
        ]
    known = {pool.pool_id for pool in config.pools}
    return tuple(pool for pool in wanted if pool.pool_id not in known)


def generate_pairs(nodes: Iterable[NodeDescription], rules: PoolRules) -> tuple[Pool, ...]:
    """Return the pair pools most nodes would enter, at most `max_pools` (P9)."""
    served: collections.Counter[tuple[str, str]] = collections.Counter()
    for description in nodes:
        pairs = set(list_pairs(description.languages, require_semantic=rules.require_semantic))
        if rules.naming == "bidirectional":
            pairs = {(src, tgt) for src, tgt in pairs if src < tgt and (tgt, src) in pairs}
        served.update(pairs)
    enough = [pair for pair, count in served.items() if count >= rules.min_nodes_per_pool]
    enough.sort(key=lambda pair: (-served[pair], pair))
    return tuple(
        language_pool(
            PoolKind.PAIR,
            pair,
            both_ways=rules.naming == "bidirectional",
            semantic=rules.require_semantic,
        )
        for pair in enough[: rules.max_pools]
    )


def merge(
    *,
    config: PoolConfig,
    owned: Owned,
    wishes: Iterable[Pool],
    generated: Iterable[Pool] | None,
    sizes: Mapping[str, int],
    generated_by: str,
) -> PoolConfig:
    """Return the next document; the same when nothing changed.

    Operators' pools come from `owned` whole. Of the language pools those stay that have members
    or were wished for; `sizes` misses pools whose size is not known, which stay (P10).
    `generated` None leaves the pairs as they are.
    """
    rules = owned.rules
    wished = {pool.pool_id: pool for pool in wishes}
    kept = {
        pool.pool_id: pool
        for pool in config.pools
        if _may_stay(pool, rules, regenerated=generated is not None)
        and (sizes.get(pool.pool_id, 1) or pool.pool_id in wished)
    }
    grown = {**kept, **{pool.pool_id: pool for pool in generated or ()}}
    if rules.auto_language:
        _grow(grown, wished, most_sets=rules.max_pools)
    mine = {pool.pool_id: pool for pool in owned.pools}
    pools = tuple(sorted({**grown, **mine}.values(), key=lambda pool: pool.pool_id))
    tenants = tuple(sorted(owned.tenants, key=lambda tenant: tenant.tenant_id))
    cordons = tuple(sorted(owned.cordons))
    probed = tuple(sorted(owned.probed))
    before = (config.pools, config.tenants, config.rules, config.cordons, config.probed)
    if (pools, tenants, rules, cordons, probed) == before:
        return config
    return PoolConfig(
        pools=pools,
        tenants=tenants,
        rules=rules,
        generated_by=generated_by,
        rebuilds=config.rebuilds,
        cordons=cordons,
        probed=probed,
    )


def _may_stay(pool: Pool, rules: PoolRules, *, regenerated: bool) -> bool:
    if pool.kind not in LANGUAGE_KINDS or not rules.auto_language:
        return False
    if pool.kind is PoolKind.PAIR:
        return not regenerated
    return pool.kind is not PoolKind.MIXED or rules.enable_mixed


def _grow(grown: dict[str, Pool], wished: Mapping[str, Pool], *, most_sets: int) -> None:
    """Add the wished pools; sets up to their limit, mixed ones as targets there are (P6)."""
    sets = sum(pool.kind is PoolKind.SET for pool in grown.values())
    for pool_id, pool in sorted(wished.items()):
        if pool.kind is PoolKind.SET and pool_id not in grown:
            if sets >= most_sets:
                continue
            sets += 1
        grown[pool_id] = pool
