"""Language tags as we compare them, which a node can take and give, and what pairs follow.

Tags are read once, where they come in, by what BCP 47 and CLDR know of them; from there on a key
stands for each: ``zh_Hans_CN`` and ``cmn-CN`` are ``zh-cn``, ``eng`` is ``en``. Keys are not equal
where one says more than the other, so they are compared by `is_same` and `covers`.
"""

import functools
import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

import langcodes
import msgspec
from langcodes.data_dicts import MACROLANGUAGES

AUTO = "auto"

NmtRule = Literal["any_to_any", "any_to_en", "en_to_any", "specific_pairs"]

# BCP 47 for a language that is not known, or is several.
_NO_LANGUAGE = frozenset({"und", "mul"})
_WORLD = "001"
# CLDR: what one reads who knows the other calls the same, `no` and `nb`.
_ALIAS_DISTANCE = 1
_MOST_REMEMBERED = 4096
_REGION_LETTERS, _SCRIPT_LETTERS = 2, 4


class UnreadableLanguage(ValueError):
    """A text that is no language tag."""

    def __init__(self, tag: str) -> None:
        super().__init__(f"{tag!r} is no language tag such as en, pt-BR or zh-Hans")


class _Parts(NamedTuple):
    """What a key says: `script` also where only its region tells."""

    language: str
    script: str | None
    region: str | None


@functools.lru_cache(maxsize=_MOST_REMEMBERED)
def read_language(tag: str) -> str:
    """Return the key of a tag as a peer spells it; ``auto`` stays what it is.

    Three-letter and old codes, and a script that follows from the region, are aliases; variants
    and extensions say nothing of who understands whom.

    :raises UnreadableLanguage: it is no tag of BCP 47
    """
    text = tag.strip()
    if text.lower() == AUTO:
        return AUTO
    try:
        read = langcodes.Language.get(langcodes.standardize_tag(text, macro=True))
        language = _find_common_name(read.language) if read.language else text.lower()
        if language in _NO_LANGUAGE:
            return AUTO
        region = read.territory if read.territory != _WORLD else None
        script = read.script
        if script and region and _find_script(language, region) == script:
            script = None
    except ValueError as error:
        raise UnreadableLanguage(tag) from error
    return "-".join(part for part in (language, script, region) if part).lower()


@functools.lru_cache(maxsize=_MOST_REMEMBERED)
def normalize(tag: str) -> str:
    """Return the key of a tag; of what is none, its own lower-case text, which nobody has."""
    try:
        return read_language(tag)
    except UnreadableLanguage:
        return tag.strip().lower()


@functools.lru_cache(maxsize=_MOST_REMEMBERED)
def spell(tag: str) -> str:
    """Return a tag as BCP 47 writes it, for a node to read: ``en-US`` for ``EN_us``.

    Whatever it says stays: an alias is another word for the same, and may be the node's own.
    """
    if normalize(tag) == AUTO:
        return AUTO
    language, *rest = re.split("[-_]", tag.strip().lower())
    written = [language]
    for number, part in enumerate(rest):
        if len(part) == 1:  # what follows are letters of somebody's own
            return "-".join([*written, *rest[number:]])
        is_region = len(part) == _REGION_LETTERS
        is_script = len(part) == _SCRIPT_LETTERS and part.isalpha()
        written.append(part.upper() if is_region else part.title() if is_script else part)
    return "-".join(written)


@functools.lru_cache(maxsize=65_536)
def is_same(one: str, other: str) -> bool:
    """Say whether two keys may mean the same: a script or region counts where both name one."""
    if one == other:
        return True
    mine, theirs = _take_apart(one), _take_apart(other)
    return mine.language == theirs.language and all(
        None in both or both[0] == both[1]
        for both in ((mine.script, theirs.script), (mine.region, theirs.region))
    )


def covers(general: str, special: str) -> bool:
    """Say whether all that `special` means is meant by `general` too."""
    if general == special:
        return True
    wide, narrow = _take_apart(general), _take_apart(special)
    return (
        wide.language == narrow.language
        and wide.script in (None, narrow.script)
        and wide.region in (None, narrow.region)
    )


def has_language(offered: frozenset[str], wanted: str) -> bool:
    """Say whether `wanted` is among what is offered, whichever of the two says more."""
    return wanted in offered or any(is_same(known, wanted) for known in offered)


def _is_english(key: str) -> bool:
    return _take_apart(key).language == "en"


def _find_common_name(language: str) -> str:
    """Return the wider of two names for one language: `no` for `nb`."""
    wider = MACROLANGUAGES.get(language)
    if wider and langcodes.tag_distance(language, wider) <= _ALIAS_DISTANCE:
        return wider
    return language


@functools.lru_cache(maxsize=_MOST_REMEMBERED)
def _find_script(language: str, region: str) -> str | None:
    return langcodes.Language.make(language=language, territory=region).maximize().script


@functools.lru_cache(maxsize=_MOST_REMEMBERED)
def _take_apart(key: str) -> _Parts:
    try:
        read = langcodes.Language.get(key, normalize=False)
    except ValueError:
        return _Parts(key, None, None)
    if not read.language:
        return _Parts(key, None, None)
    script = read.script or (read.territory and _find_script(read.language, read.territory))
    return _Parts(read.language, script or None, read.territory)


class Nmt(msgspec.Struct, frozen=True):
    """One translation model: a rule over its languages, with exceptions either way."""

    rule: NmtRule
    languages: frozenset[str]
    supported: frozenset[tuple[str, str]] = frozenset()
    blocked: frozenset[tuple[str, str]] = frozenset()

    def translates(self, *, src: str, tgt: str) -> bool:
        """Say whether the model goes from `src` (or ``auto``) to `tgt`."""
        if src == AUTO:
            return any(
                self.translates(src=known, tgt=tgt)
                for known in self._sources()
                if not is_same(known, tgt)
            )
        if any(covers(one, src) and covers(other, tgt) for one, other in self.blocked):
            return False
        if self.rule == "specific_pairs":
            return _has_pair(self.supported, src, tgt)
        known = has_language(self.languages, src) and has_language(self.languages, tgt)
        return known and (
            (self.rule != "any_to_en" or _is_english(tgt))
            and (self.rule != "en_to_any" or _is_english(src))
        )

    def _sources(self) -> frozenset[str]:
        if self.rule == "specific_pairs":
            return frozenset(src for src, _ in self.supported)
        return self.languages


def _has_pair(pairs: frozenset[tuple[str, str]], src: str, tgt: str) -> bool:
    return (src, tgt) in pairs or any(
        is_same(one, src) and is_same(other, tgt) for one, other in pairs
    )


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


def collect(tags: Iterable[str] | None) -> frozenset[str]:
    """Return the keys of the tags that can be read; ``auto`` is never a language."""
    keys = (normalize(tag) for tag in tags or () if is_readable(tag))
    return frozenset(keys) - {AUTO}


def is_readable(tag: str) -> bool:
    """Say whether a text is a language tag, or ``auto``."""
    try:
        read_language(tag)
    except UnreadableLanguage:
        return False
    return True
