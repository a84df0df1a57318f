"""Which pools a job may go to, and in which order: values in, values out (E.2)."""

import enum
import functools
import random
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from scheduling.model.jobs import Need
from scheduling.model.languages import AUTO, has_language, is_same
from scheduling.placement.pool_config import PoolConfig, PoolRules, TenantRule
from scheduling.placement.pools import LANGUAGE_KINDS, Pool, PoolKind, hash_key

ALL_NODES = ""
_CORE = frozenset({"asr", "nmt", "tts"})


class PoolReason(enum.StrEnum):
    """Why a job may go to no pool at all (E.6), or to no node of any."""

    STRICT_NO_ELIGIBLE_POOL = "strict_no_eligible_pool"
    NO_POOL_FOR_LANG_PAIR = "no_pool_for_lang_pair"
    TENANT_POOL_UNAVAILABLE = "tenant_pool_unavailable"
    NO_CAPABLE_NODE = "no_capable_node"


class Route(msgspec.Struct, frozen=True):
    """The pools to look into, in order, ``""`` for all nodes; none and a reason: refuse.

    `own` is how many of them are the job's own; the others are fallback.
    """

    pool_ids: tuple[str, ...]
    own: int
    refused: PoolReason | None = None


class _Eligible(msgspec.Struct, frozen=True):
    """Pools that serve a need: `best` before `rest`."""

    best: tuple[str, ...]
    rest: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    reason: PoolReason = PoolReason.STRICT_NO_ELIGIBLE_POOL


_EVERYWHERE = Route(pool_ids=(ALL_NODES,), own=1)
ANY_ABLE_NODE = Route(pool_ids=(ALL_NODES,), own=0)


class PoolMatcher:
    """One document, ready to answer; what it was asked once it remembers."""

    def __init__(self, config: PoolConfig) -> None:
        self.config = config
        self.pools: Mapping[str, Pool] = {pool.pool_id: pool for pool in config.list_pools()}
        self.tenants: Mapping[str, TenantRule] = {
            tenant.tenant_id: tenant for tenant in config.tenants
        }
        self.cordons = frozenset(config.cordons)
        self._eligible = functools.lru_cache(maxsize=4096)(self._find_eligible)

    def route(
        self,
        need: Need,
        *,
        tenant_id: str,
        session_id: str,
        session_pool: str,
        rng: random.Random,
    ) -> Route:
        """Return where a job may go (E.2).

        A tenant's own pool is the only one there is for it. Otherwise the eligible pools in ring
        order, from the one the session used before, or by the hash of tenant or session where
        affinity is asked for, or from any.
        """
        tenant = self.tenants.get(tenant_id)
        if tenant is not None and tenant.pool_id:
            own = self._route_tenant(need, tenant)
            if own is not None:
                return own
        rules = self.config.rules
        if not rules.two_level:
            return _EVERYWHERE
        found = self._eligible(need)
        if not found.best and not found.rest:
            if rules.strict_eligibility:
                return Route(pool_ids=(), own=0, refused=found.reason)
            return Route(pool_ids=found.fallback, own=0)
        ring = (*found.best, *found.rest)
        if rules.session_affinity:
            key = hash_key(tenant_id or session_id, seed=rules.hash_seed)
            start = key % len(ring)
        elif session_pool in ring:
            start = ring.index(session_pool)
        else:
            start = int(rng.random() * len(found.best or ring))
        if not rules.fallback_scan_all:
            return Route(pool_ids=(ring[start],), own=1)
        return Route(pool_ids=(*ring[start:], *ring[:start]), own=len(ring))

    def is_as_good_as_none(self, route: Route) -> bool:
        """Say whether a route whose pools hold nobody able may be taken for no pool at all.

        So it is with pools of languages, which follow what nodes declare a moment later; a pool
        that somebody configured is kept to, and so is everything where eligibility is strict.
        """
        if self.config.rules.strict_eligibility or not route.pool_ids:
            return False
        pools = (self.pools.get(pool_id) for pool_id in route.pool_ids)
        return all(pool is not None and pool.kind in LANGUAGE_KINDS for pool in pools)

    def _route_tenant(self, need: Need, tenant: TenantRule) -> Route | None:
        """Return the tenant's pool alone; None where the tenant may go where everyone goes."""
        pool = self.pools.get(tenant.pool_id)
        rules = self.config.rules
        if pool is not None and serves(pool, need, rules):
            return Route(pool_ids=(pool.pool_id,), own=1)
        if rules.tenant_fallback and not rules.strict_eligibility:
            return None
        return Route(pool_ids=(), own=0, refused=PoolReason.TENANT_POOL_UNAVAILABLE)

    def _find_eligible(self, need: Need) -> _Eligible:
        rules, pools = self.config.rules, self.pools.values()
        if rules.auto_language:
            return _match_languages(pools, need)
        if self.config.has_buckets:
            buckets = [pool.pool_id for pool in pools if pool.kind is PoolKind.BUCKET]
            return _Eligible(best=tuple(buckets))
        capability = [pool for pool in pools if pool.kind is PoolKind.CAPABILITY]
        return _Eligible(
            best=tuple(pool.pool_id for pool in capability if serves(pool, need, rules)),
            fallback=tuple(pool.pool_id for pool in capability),
        )


def serves(pool: Pool, need: Need, rules: PoolRules) -> bool:
    """Say whether jobs with `need` may go to `pool`; a bucket takes any."""
    if pool.kind in LANGUAGE_KINDS:
        return _serves_languages(pool, need)
    if pool.kind is PoolKind.BUCKET or not pool.required:
        return True
    wanted = frozenset(need.types)
    if rules.match_scope == "core_only":
        wanted &= _CORE
    if not wanted:
        return True
    offered = frozenset(pool.required)
    return wanted == offered if rules.match_mode == "exact" else wanted <= offered


def _match_languages(pools: Iterable[Pool], need: Need) -> _Eligible:
    """Return exact pools before sets; for an unknown source mixed ones, else sets (E.2.3)."""
    fitting = [pool for pool in pools if _serves_languages(pool, need)]
    sets = _list_ids(fitting, PoolKind.SET)
    none = PoolReason.NO_POOL_FOR_LANG_PAIR
    mixed = _list_ids(fitting, PoolKind.MIXED)
    exact = _list_ids(fitting, PoolKind.PAIR)
    return _Eligible(best=mixed or exact, rest=sets, fallback=(ALL_NODES,), reason=none)


def _list_ids(pools: Sequence[Pool], kind: PoolKind) -> tuple[str, ...]:
    return tuple(pool.pool_id for pool in pools if pool.kind is kind)


def _serves_languages(pool: Pool, need: Need) -> bool:
    match pool.kind:
        case PoolKind.MIXED:
            return need.pairs == ((AUTO, need.tgt),) and is_same(pool.languages[0], need.tgt)
        case PoolKind.SET:
            members = frozenset(pool.languages)
            wanted = {language for pair in need.pairs for language in pair} - {AUTO}
            return all(has_language(members, language) for language in wanted)
        case PoolKind.PAIR:
            return all(_is_pair(pool, src, tgt) for src, tgt in need.pairs)
        case _:
            return False


def _is_pair(pool: Pool, src: str, tgt: str) -> bool:
    one, other = pool.languages
    forth = is_same(one, src) and is_same(other, tgt)
    return forth or (pool.both_ways and is_same(one, tgt) and is_same(other, src))
