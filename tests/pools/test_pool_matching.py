"""Where a job may go: every need against every pool, compared with the rules said plainly."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model.jobs import Need
from scheduling.model.languages import AUTO
from scheduling.placement.pool_config import PoolConfig, PoolRules, TenantRule
from scheduling.placement.pool_matching import ALL_NODES, PoolMatcher, PoolReason, Route, serves
from scheduling.placement.pools import Pool, PoolKind, hash_key, language_pool
from tests.pools.declared import CORE, make_need

CODES = ("de", "en", "zh", "zh-cn", "zh-sg")
pairs = st.tuples(st.sampled_from(CODES), st.sampled_from(CODES)).filter(
    lambda pair: pair[0] != pair[1]
)
language_pools = st.one_of(
    st.builds(
        lambda pair, both: language_pool(PoolKind.PAIR, pair, both_ways=both), pairs, st.booleans()
    ),
    st.builds(
        lambda codes: language_pool(PoolKind.SET, sorted(codes)),
        st.frozensets(st.sampled_from(CODES), min_size=2),
    ),
    st.builds(lambda code: language_pool(PoolKind.MIXED, (code,)), st.sampled_from(CODES)),
)


def knows(offered: str, wanted: str) -> bool:
    (one, _, here), (other, _, there) = offered.partition("-"), wanted.partition("-")
    return one == other and (not here or not there or here == there)


def naive(pool: Pool, need: Need) -> bool:
    if pool.kind is PoolKind.MIXED:
        return need.src == AUTO and len(need.pairs) == 1 and knows(pool.languages[0], need.tgt)
    for src, tgt in need.pairs:
        if pool.kind is PoolKind.SET:
            if not any(knows(code, tgt) for code in pool.languages):
                return False
            if src != AUTO and not any(knows(code, src) for code in pool.languages):
                return False
            continue
        one, other = pool.languages
        if not (
            (knows(one, src) and knows(other, tgt))
            or (pool.both_ways and knows(one, tgt) and knows(other, src))
        ):
            return False
    return True


def route(
    config: PoolConfig, need: Need, *, tenant_id: str = "", session_id: str = "s", pool: str = ""
) -> Route:
    return PoolMatcher(config).route(
        need, tenant_id=tenant_id, session_id=session_id, session_pool=pool, rng=random.Random(1)
    )


@pytest.mark.req("P5", "P6", "P7", "V6", "I-17", "I-18", "I-67")
@given(
    pools=st.frozensets(language_pools, max_size=8),
    pair=st.tuples(st.sampled_from((*CODES, AUTO)), st.sampled_from(CODES)),
    two_way=st.booleans(),
)
def test_a_job_may_go_to_every_pool_that_serves_its_languages(
    *, pools: frozenset[Pool], pair: tuple[str, str], two_way: bool
) -> None:
    """Sets match by superset, never by text; ``auto`` by its target (I-17, I-18)."""
    src, tgt = pair
    need = make_need(src, tgt)
    if two_way and src != AUTO:
        need = msgspec.structs.replace(need, src=AUTO, pairs=((src, tgt), (tgt, src)))
    found = route(PoolConfig(pools=tuple(pools)), need)
    expected = {pool.pool_id for pool in pools if naive(pool, need)}
    assert set(found.pool_ids) == (expected or {ALL_NODES})
    assert found.own == len(expected)


@pytest.mark.req("P6")
def test_a_speaker_of_unknown_language_is_served_by_sets_too() -> None:
    pool = language_pool(PoolKind.SET, ("de", "en", "zh"))
    assert route(PoolConfig(pools=(pool,)), make_need(AUTO, "en")).pool_ids == (pool.pool_id,)


@pytest.mark.req("P7")
def test_an_exact_pool_comes_before_a_set() -> None:
    exact = language_pool(PoolKind.PAIR, ("zh", "en"))
    wider = language_pool(PoolKind.SET, ("de", "en", "zh"))
    config = PoolConfig(pools=(wider, exact))
    for seed in range(20):
        found = PoolMatcher(config).route(
            make_need(), tenant_id="", session_id="s", session_pool="", rng=random.Random(seed)
        )
        assert found.pool_ids == (exact.pool_id, wider.pool_id)


def capabilities(**pools: tuple[str, ...]) -> tuple[Pool, ...]:
    return tuple(
        Pool(pool_id=pool_id, kind=PoolKind.CAPABILITY, required=required)
        for pool_id, required in pools.items()
    )


@pytest.mark.req("L11", "L12")
@pytest.mark.parametrize(
    ("scope", "mode", "types", "eligible"),
    [
        ("core_only", "contains", CORE, {"core", "yours", "any"}),
        ("core_only", "exact", CORE, {"core", "any"}),
        ("core_only", "contains", (*CORE, "tone"), {"core", "yours", "any"}),
        ("all_required", "contains", (*CORE, "tone"), {"yours", "any"}),
        ("all_required", "exact", (*CORE, "tone"), {"yours", "any"}),
        ("all_required", "exact", (*CORE, "semantic"), {"any"}),
        ("core_only", "exact", ("tone",), {"core", "yours", "any"}),
        ("all_required", "contains", (), {"core", "yours", "any"}),
    ],
)
def test_pools_match_by_scope_and_mode(
    scope: str, mode: str, types: tuple[str, ...], eligible: set[str]
) -> None:
    rules = msgspec.convert(
        {"auto_language": False, "match_scope": scope, "match_mode": mode}, PoolRules
    )
    pools = capabilities(core=CORE, yours=(*CORE, "tone"), any=())
    need = make_need(types=types)
    assert {pool.pool_id for pool in pools if serves(pool, need, rules)} == eligible


@pytest.mark.req("L13")
@pytest.mark.reason("strict_no_eligible_pool", "no_pool_for_lang_pair")
def test_without_an_eligible_pool_strict_refuses_and_otherwise_all_pools_are_scanned() -> None:
    pools = capabilities(tone=("tone",), other=("other",))
    config = PoolConfig(pools=pools, rules=PoolRules(auto_language=False))
    found = route(config, make_need())
    assert (set(found.pool_ids), found.own) == ({"tone", "other"}, 0)
    strict = PoolRules(auto_language=False, strict_eligibility=True)
    refused = route(msgspec.structs.replace(config, rules=strict), make_need())
    assert refused == Route(pool_ids=(), own=0, refused=PoolReason.STRICT_NO_ELIGIBLE_POOL)
    no_pair = route(PoolConfig(rules=PoolRules(strict_eligibility=True)), make_need())
    assert no_pair.refused is PoolReason.NO_POOL_FOR_LANG_PAIR


@pytest.mark.req("L14", "I-67")
@pytest.mark.reason("tenant_pool_unavailable")
@pytest.mark.parametrize("auto_language", [True, False])
@pytest.mark.parametrize("two_level", [True, False])
def test_a_tenants_pool_is_the_only_one_for_it_in_every_mode(
    *, auto_language: bool, two_level: bool
) -> None:
    pools = (*capabilities(mine=CORE, other=CORE), language_pool(PoolKind.SET, ("en", "zh")))
    config = PoolConfig(
        pools=pools,
        tenants=(TenantRule(tenant_id="acme", pool_id="mine"), TenantRule("lost", pool_id="no")),
        rules=PoolRules(auto_language=auto_language, enabled=two_level),
    )
    assert route(config, make_need(), tenant_id="acme").pool_ids == ("mine",)
    lost = route(config, make_need(), tenant_id="lost")
    assert lost.refused is PoolReason.TENANT_POOL_UNAVAILABLE
    assert route(config, make_need(), tenant_id="others").refused is None
    rules = msgspec.structs.replace(config.rules, tenant_fallback=True)
    lenient = msgspec.structs.replace(config, rules=rules)
    assert route(lenient, make_need(), tenant_id="lost").refused is None


@pytest.mark.req("L15", "L19")
def test_the_ring_begins_at_the_pool_the_session_used_before() -> None:
    config = PoolConfig(
        pools=capabilities(a=CORE, b=CORE, c=CORE), rules=PoolRules(auto_language=False)
    )
    assert route(config, make_need(), pool="b").pool_ids == ("b", "c", "a")
    assert set(route(config, make_need(), pool="gone").pool_ids) == {"a", "b", "c"}
    rules = msgspec.structs.replace(config.rules, fallback_scan_all=False)
    one = route(msgspec.structs.replace(config, rules=rules), make_need(), pool="c")
    assert one.pool_ids == ("c",)


@pytest.mark.req("L4")
def test_affinity_begins_the_ring_at_the_hash_of_the_tenant_or_session() -> None:
    rules = PoolRules(auto_language=False, session_affinity=True, hash_seed=3, pool_count=16)
    config = PoolConfig(rules=rules)
    for session_id in ("s-1", "s-2", "s-3"):
        first = route(config, make_need(), session_id=session_id).pool_ids[0]
        assert first == f"bucket-{hash_key(session_id, seed=3) % 16}"
    by_tenant = {
        route(config, make_need(), tenant_id="t", session_id=f"s-{number}").pool_ids[0]
        for number in range(20)
    }
    assert by_tenant == {f"bucket-{hash_key('t', seed=3) % 16}"}


@pytest.mark.req("L16", "G7")
@pytest.mark.parametrize("rules", [PoolRules(enabled=False), PoolRules(mode="single")])
def test_switched_off_all_nodes_are_one_pool(rules: PoolRules) -> None:
    config = PoolConfig(pools=(language_pool(PoolKind.SET, ("en", "zh")),), rules=rules)
    assert route(config, make_need()).pool_ids == (ALL_NODES,)
