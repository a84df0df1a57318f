"""Pools: named sets of nodes, which nodes enter each, and what they are called (A2)."""

import enum
from collections.abc import Iterable, Sequence

import msgspec

from scheduling.model.languages import AUTO, LanguageOffer, has_language, is_same
from scheduling.model.nodes import NodeDescription

_FNV_OFFSET = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3
_64_BITS = 0xFFFFFFFFFFFFFFFF
_CORE = ("asr", "nmt", "tts")


class PoolKind(enum.StrEnum):
    """What a pool's members have in common."""

    PAIR = "pair"
    SET = "set"
    MIXED = "mixed"
    CAPABILITY = "capability"
    TENANT = "tenant"
    BUCKET = "bucket"


LANGUAGE_KINDS = frozenset({PoolKind.PAIR, PoolKind.SET, PoolKind.MIXED})


class Pool(msgspec.Struct, frozen=True, omit_defaults=True):
    """An index of nodes, never a capacity (P1); `pool_id` means nothing, the other fields do.

    `languages` are source and target of a pair, the sorted members of a set, the target of a
    mixed pool, and what nodes must know beside in the other kinds. `both_ways` makes a pair serve
    both directions. `required` are service types, `nodes` the ids a tenant pool is limited to.
    """

    pool_id: str
    kind: PoolKind
    languages: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    name: str = ""
    both_ways: bool = False
    nodes: tuple[str, ...] = ()

    @property
    def shown_name(self) -> str:
        """Return the name people and older tools know: ``zh-en``, ``*-en``, ``de-en-zh``."""
        if self.name:
            return self.name
        match self.kind:
            case PoolKind.MIXED:
                return f"*-{self.languages[0]}"
            case PoolKind.PAIR | PoolKind.SET:
                return "-".join(self.languages)
            case _:
                return self.pool_id


def hash_key(key: str, *, seed: int = 0) -> int:
    """Return FNV-1a, 64 bits, of the key's bytes and then the seed's eight, lowest first (P12)."""
    value = _FNV_OFFSET
    for byte in (*key.encode(), *(seed & _64_BITS).to_bytes(8, "little")):
        value = ((value ^ byte) * _FNV_PRIME) & _64_BITS
    return value


def language_pool(
    kind: PoolKind, languages: Sequence[str], *, both_ways: bool = False, semantic: bool = True
) -> Pool:
    """Return the pool of a pair, a set or a target.

    Its id follows from what it is, so that two who make the same pool make one (P8).
    """
    named = tuple(sorted(set(languages))) if kind is PoolKind.SET or both_ways else tuple(languages)
    word = f"{kind}|{','.join(named)}|{'both' if both_ways else ''}"
    required: tuple[str, ...] = (*_CORE, "semantic") if semantic else _CORE
    if kind is PoolKind.MIXED:
        required = ("nmt", "tts")
    return Pool(
        pool_id=f"p-{hash_key(word):016x}",
        kind=kind,
        languages=named,
        required=required,
        both_ways=both_ways,
    )


def bucket_pool(number: int) -> Pool:
    """Return the pool that stands for one hash bucket (P13)."""
    return Pool(pool_id=f"bucket-{number}", kind=PoolKind.BUCKET)


def enters(pool: Pool, description: NodeDescription, *, require_semantic: bool) -> bool:
    """Say whether a node with `description` belongs into a language pool (P5, P6, P7, P18)."""
    languages = description.languages
    if require_semantic and not languages.semantic:
        return False
    match pool.kind:
        case PoolKind.PAIR:
            src, tgt = pool.languages
            return _serves(languages, src, tgt, require_semantic=require_semantic) and (
                not pool.both_ways
                or _serves(languages, tgt, src, require_semantic=require_semantic)
            )
        case PoolKind.SET:
            return pool.languages == list_set(languages, require_semantic=require_semantic)
        case PoolKind.MIXED:
            tgt = pool.languages[0]
            return languages.speaks(tgt) and languages.translates(src=AUTO, tgt=tgt)
        case _:
            return False


def list_set(languages: LanguageOffer, *, require_semantic: bool) -> tuple[str, ...]:
    """Return the one set a node stands for: what it repairs, else what it hears or speaks."""
    if require_semantic or languages.semantic:
        return tuple(sorted(languages.semantic))
    return tuple(sorted(languages.asr | languages.tts))


def list_pairs(languages: LanguageOffer, *, require_semantic: bool) -> list[tuple[str, str]]:
    """Return every pair the node serves in whole, both its languages spelled as it spells them."""
    return [
        (src, tgt)
        for src in sorted(languages.asr)
        for tgt in sorted(languages.tts)
        if not is_same(src, tgt) and _serves(languages, src, tgt, require_semantic=require_semantic)
    ]


def pick_capability_pool(
    pools: Iterable[Pool], node_id: str, description: NodeDescription, *, seed: int
) -> str | None:
    """Return the one capability pool a node enters: the most specific it satisfies (P12).

    Of several equally specific ones the hash of the node's id decides, the same way everywhere.
    """
    fitting = [
        pool
        for pool in pools
        if pool.kind is PoolKind.CAPABILITY and has_installed(pool, description)
    ]
    if not fitting:
        return None
    longest = max(len(set(pool.required)) for pool in fitting)
    most_specific = sorted(pool.pool_id for pool in fitting if len(set(pool.required)) == longest)
    return most_specific[hash_key(node_id, seed=seed) % len(most_specific)]


def has_installed(pool: Pool, description: NodeDescription) -> bool:
    """Say whether a node has installed what the pool requires, and knows its languages."""
    installed = {service.type for service in description.services} | description.ready_types
    languages = description.languages
    known = languages.asr | languages.tts | languages.semantic
    return installed.issuperset(pool.required) and all(
        has_language(known, language) for language in pool.languages
    )


def pick_bucket(node_id: str, *, count: int, seed: int) -> str:
    """Return the id of the hash bucket a key falls into."""
    return bucket_pool(hash_key(node_id, seed=seed) % count).pool_id


def _serves(offer: LanguageOffer, src: str, tgt: str, *, require_semantic: bool) -> bool:
    return (
        offer.hears(src)
        and offer.speaks(tgt)
        and offer.translates(src=src, tgt=tgt)
        and (not require_semantic or (offer.repairs(src) and offer.repairs(tgt)))
    )
