"""Which languages a node can take and give, and whether it serves a pair (N16, J-29)."""

import functools
from collections.abc import Iterable
from typing import Literal

import msgspec

AUTO = "auto"

NmtRule = Literal["any_to_any", "any_to_en", "en_to_any", "specific_pairs"]


@functools.lru_cache(maxsize=4096)
def normalize(code: str) -> str:
    """Return `code` as we compare it: lower-case, ``-`` between parts (``zh_CN`` → ``zh-cn``)."""
    return code.strip().lower().replace("_", "-")


@functools.lru_cache(maxsize=4096)
def _primary(code: str) -> str:
    return code.partition("-")[0]


def has_language(offered: frozenset[str], wanted: str) -> bool:
    """Say whether `wanted` is offered; a region falls back to its language, never the other way."""
    return wanted in offered or _primary(wanted) in offered


class Nmt(msgspec.Struct, frozen=True):
    """One translation model: a rule over its languages, with exceptions either way."""

    rule: NmtRule
    languages: frozenset[str]
    supported: frozenset[tuple[str, str]] = frozenset()
    blocked: frozenset[tuple[str, str]] = frozenset()

    def translates(self, *, src: str, tgt: str) -> bool:
        """Say whether the model goes from `src` (or ``auto``) to `tgt`."""
        if src == AUTO:
            return any(self.translates(src=known, tgt=tgt) for known in self._sources() - {tgt})
        if _has_pair(self.blocked, src, tgt):
            return False
        if self.rule == "specific_pairs":
            return _has_pair(self.supported, src, tgt)
        known = has_language(self.languages, src) and has_language(self.languages, tgt)
        return known and (
            (self.rule != "any_to_en" or _primary(tgt) == "en")
            and (self.rule != "en_to_any" or _primary(src) == "en")
        )

    def _sources(self) -> frozenset[str]:
        if self.rule == "specific_pairs":
            return frozenset(src for src, _ in self.supported)
        return self.languages


def _has_pair(pairs: frozenset[tuple[str, str]], src: str, tgt: str) -> bool:
    return any((s, t) in pairs for s in (src, _primary(src)) for t in (tgt, _primary(tgt)))


class LanguageOffer(msgspec.Struct, frozen=True):
    """Everything one node declared about languages; equal offers compare and hash equal."""

    asr: frozenset[str] = frozenset()
    tts: frozenset[str] = frozenset()
    semantic: frozenset[str] = frozenset()
    nmt: tuple[Nmt, ...] = ()
    pairs: frozenset[tuple[str, str]] | None = None

    def hears(self, src: str) -> bool:
        """Say whether speech in `src` is understood; ``auto`` needs any language at all."""
        return bool(self.asr) if src == AUTO else has_language(self.asr, src)

    def speaks(self, tgt: str) -> bool:
        return has_language(self.tts, tgt)

    def repairs(self, language: str) -> bool:
        return bool(self.semantic) if language == AUTO else has_language(self.semantic, language)

    def translates(self, *, src: str, tgt: str) -> bool:
        """Say whether the pair is served.

        Nodes of the newer generation declare no translation models: their pairs are the
        languages they hear, into the languages they repair.
        """
        if self.pairs is not None and src != AUTO:
            return _has_pair(self.pairs, src, tgt)
        if self.pairs is not None:
            return has_language(frozenset(known for _, known in self.pairs), tgt)
        if self.nmt:
            return any(model.translates(src=src, tgt=tgt) for model in self.nmt)
        return has_language(self.semantic or self.tts, tgt)


def collect(codes: Iterable[str] | None) -> frozenset[str]:
    """Return the set of normalized codes; ``auto`` is never a language."""
    return frozenset(normalize(code) for code in codes or ()) - {AUTO, ""}
