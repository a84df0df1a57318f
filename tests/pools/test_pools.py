"""Which nodes enter which pools, what pools are generated, and what the next document says."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model.languages import LanguageOffer, Nmt
from scheduling.placement.pool_config import (
    Owned,
    PoolConfig,
    PoolRules,
    generate_pairs,
    list_pools_of,
    merge,
    wish_pools,
)
from scheduling.placement.pools import (
    Pool,
    PoolKind,
    enters,
    hash_key,
    language_pool,
    pick_bucket,
)
from tests.pools.declared import CORE, describe

LANGUAGES = ("de", "en", "fr", "zh")
some_languages = st.frozensets(st.sampled_from(LANGUAGES))


def capability(pool_id: str, *required: str) -> Pool:
    return Pool(pool_id=pool_id, kind=PoolKind.CAPABILITY, required=required)


@pytest.mark.req("P12")
@pytest.mark.parametrize(
    ("key", "expected"),
    [("", 0xCBF29CE484222325), ("a", 0xAF63DC4C8601EC8C), ("foobar", 0x85944171F73967E8)],
)
def test_the_hash_is_the_published_one_followed_by_the_seed(key: str, expected: int) -> None:
    value = expected
    for byte in (7).to_bytes(8, "little"):
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    assert hash_key(key, seed=7) == value


@pytest.mark.req("P5")
@given(asr=some_languages, tts=some_languages, semantic=some_languages, nmt=some_languages)
def test_a_node_enters_a_pair_only_with_every_part_of_it(
    asr: frozenset[str], tts: frozenset[str], semantic: frozenset[str], nmt: frozenset[str]
) -> None:
    offer = LanguageOffer(
        asr=asr, tts=tts, semantic=semantic, nmt=(Nmt(rule="any_to_any", languages=nmt),)
    )
    description = msgspec.structs.replace(describe(), languages=offer)
    for src in LANGUAGES:
        for tgt in LANGUAGES:
            entered = enters(
                language_pool(PoolKind.PAIR, (src, tgt)), description, require_semantic=True
            )
            assert entered == (
                src in asr and tgt in tts and {src, tgt} <= nmt and {src, tgt} <= semantic
            )


@pytest.mark.req("P18")
@pytest.mark.parametrize("kind", [PoolKind.PAIR, PoolKind.SET, PoolKind.MIXED])
def test_a_node_without_semantic_repair_enters_no_language_pool(kind: PoolKind) -> None:
    node = describe("de en", semantic="")
    pool = language_pool(kind, ("en",) if kind is PoolKind.MIXED else ("de", "en"))
    assert not enters(pool, node, require_semantic=True)
    assert wish_pools(node, PoolConfig()) == ()
    assert enters(pool, node, require_semantic=False)


@pytest.mark.req("P6", "P7", "P8", "I-17")
def test_a_node_wishes_for_its_set_and_a_mixed_pool_for_each_target() -> None:
    wished = wish_pools(describe("zh en"), PoolConfig())
    assert [pool.shown_name for pool in wished] == ["en-zh", "*-en", "*-zh"]
    config = PoolConfig(pools=wished)
    assert wish_pools(describe("en zh"), config) == ()
    assert list_pools_of("n", describe("en zh"), config) == {pool.pool_id for pool in wished}


@pytest.mark.req("P8", "I-67")
def test_a_pool_made_twice_is_one_pool() -> None:
    """Two instances gave two pools one id, and region tags broke names apart (I-67)."""
    one = language_pool(PoolKind.SET, ("zh", "en", "de"))
    assert one == language_pool(PoolKind.SET, ("de", "zh", "en"))
    assert one.pool_id != language_pool(PoolKind.SET, ("zh", "en")).pool_id


@pytest.mark.req("P12")
def test_the_most_specific_capability_pool_wins_and_ties_are_broken_by_the_hash() -> None:
    config = PoolConfig(
        pools=(capability("a", "asr"), capability("b", *CORE), capability("c", *CORE)),
        rules=PoolRules(auto_language=False),
    )
    nodes = [f"node-{number}" for number in range(64)]
    chosen = [list_pools_of(node_id, describe(), config) for node_id in nodes]
    assert set(chosen) == {frozenset({"b"}), frozenset({"c"})}
    assert chosen == [list_pools_of(node_id, describe(), config) for node_id in nodes]
    reseeded = msgspec.structs.replace(config, rules=PoolRules(auto_language=False, hash_seed=1))
    assert chosen != [list_pools_of(node_id, describe(), reseeded) for node_id in nodes]
    only_asr = describe(types=("asr",))
    assert list_pools_of("node-1", only_asr, config) == {"a"}


@pytest.mark.req("P13")
def test_without_configured_pools_every_node_has_one_bucket() -> None:
    config = PoolConfig(rules=PoolRules(auto_language=False, pool_count=4))
    assert [pool.pool_id for pool in config.list_pools()] == [
        "bucket-0",
        "bucket-1",
        "bucket-2",
        "bucket-3",
    ]
    seen = {list_pools_of(f"n-{number}", describe(), config) for number in range(100)}
    assert seen == {frozenset({f"bucket-{number}"}) for number in range(4)}
    assert list_pools_of("n-1", describe(), config) == {pick_bucket("n-1", count=4, seed=0)}


@pytest.mark.req("P9")
def test_generation_keeps_the_pairs_most_nodes_serve() -> None:
    codes = [f"l{number}" for number in range(61)]
    nodes = [
        describe(f"en {code}", semantic=f"en {code}")
        for number, code in enumerate(codes)
        for _ in range(number + 1)
    ]
    made = generate_pairs(nodes, PoolRules(max_pools=50, min_nodes_per_pool=2))
    assert len(made) == 50
    served = {language for pool in made for language in pool.languages} - {"en"}
    assert served == set(codes[-25:])
    both = generate_pairs(nodes, PoolRules(max_pools=50, naming="bidirectional"))
    assert len(both) == 50
    assert all(pool.both_ways for pool in both)


@pytest.mark.req("P10")
def test_the_next_document_drops_only_pools_known_to_be_empty() -> None:
    gone, kept, unread = (
        language_pool(PoolKind.SET, pair) for pair in (("a", "b"), ("c", "d"), ("e", "f"))
    )
    config = PoolConfig(pools=tuple(sorted((gone, kept, unread), key=lambda pool: pool.pool_id)))
    following = merge(
        config=config,
        owned=Owned(),
        wishes=(),
        generated=None,
        sizes={gone.pool_id: 0, kept.pool_id: 3},
        generated_by="i-1",
    )
    assert set(following.pools) == {kept, unread}
    again = merge(
        config=following, owned=Owned(), wishes=(kept,), generated=None, sizes={}, generated_by="x"
    )
    assert again is following


@pytest.mark.req("P8")
def test_sets_beyond_the_limit_are_not_made() -> None:
    wishes = [language_pool(PoolKind.SET, ("en", f"l{number}")) for number in range(60)]
    following = merge(
        config=PoolConfig(),
        owned=Owned(rules=PoolRules(max_pools=50)),
        wishes=wishes,
        generated=None,
        sizes={},
        generated_by="i-1",
    )
    assert len(following.pools) == 50
