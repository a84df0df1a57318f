"""What a node's declared languages make of a pair: rules, exceptions, regions, older offers."""

import pytest

from scheduling.model.languages import LanguageOffer, Nmt, NmtRule, collect, has_language, normalize

pytestmark = pytest.mark.req("N16")
KNOWN = frozenset({"en", "de", "zh"})
PAIRS = [(src, tgt) for src in ("en", "de", "zh", "fr") for tgt in ("en", "de", "zh", "fr")]


def serves(rule: NmtRule, src: str, tgt: str) -> bool:
    """The rule as its name says it, for a model of English, German and Chinese."""
    known = {src, tgt} <= KNOWN
    return {
        "any_to_any": known,
        "any_to_en": known and tgt == "en",
        "en_to_any": known and src == "en",
        "specific_pairs": (src, tgt) in {("de", "en"), ("en", "zh")},
    }[rule]


def make_model(rule: NmtRule, **other: frozenset[tuple[str, str]]) -> Nmt:
    supported = frozenset({("de", "en"), ("en", "zh")})
    return Nmt(
        rule=rule,
        languages=KNOWN,
        supported=supported if rule == "specific_pairs" else frozenset(),
        **other,
    )


@pytest.mark.parametrize(("src", "tgt"), [(src, tgt) for src, tgt in PAIRS if src != tgt])
@pytest.mark.parametrize("rule", ["any_to_any", "any_to_en", "en_to_any", "specific_pairs"])
def test_each_rule_serves_its_pairs_unless_they_are_blocked(
    rule: NmtRule, src: str, tgt: str
) -> None:
    free, blocked, otherwise = (
        make_model(rule, blocked=pairs)
        for pairs in (frozenset(), frozenset({(src, tgt)}), frozenset({(tgt, src)}))
    )

    assert free.translates(src=src, tgt=tgt) == serves(rule, src, tgt)
    assert not blocked.translates(src=src, tgt=tgt)
    assert otherwise.translates(src=src, tgt=tgt) == serves(rule, src, tgt)


@pytest.mark.parametrize("tgt", ["en", "de", "zh", "fr"])
@pytest.mark.parametrize("rule", ["any_to_any", "any_to_en", "en_to_any", "specific_pairs"])
def test_an_unknown_source_needs_one_source_that_is_served(rule: NmtRule, tgt: str) -> None:
    others = KNOWN - {tgt}

    served = make_model(rule).translates(src="auto", tgt=tgt)

    assert served == any(serves(rule, src, tgt) for src in others)


def test_an_unknown_source_is_not_served_when_all_its_pairs_are_blocked() -> None:
    model = make_model("any_to_any", blocked=frozenset({("de", "en"), ("zh", "en")}))

    assert not model.translates(src="auto", tgt="en")
    assert model.translates(src="auto", tgt="zh")


@pytest.mark.parametrize(
    ("offered", "wanted", "expected"),
    [
        ("zh", "zh", True),
        ("zh", "zh-cn", True),
        ("zh-cn", "zh-cn", True),
        ("zh-cn", "zh", False),
        ("zh-cn", "zh-tw", False),
        ("en", "zh", False),
    ],
)
def test_a_region_falls_back_to_its_language_never_the_other_way(
    offered: str,
    wanted: str,
    expected: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    assert has_language(frozenset({offered}), wanted) is expected


@pytest.mark.parametrize(
    ("src", "tgt", "expected"),
    [("de-at", "en-gb", True), ("de", "zh", False), ("en-gb", "zh-cn", True), ("zh", "en", False)],
)
def test_pairs_with_regions_fall_back_too(
    src: str,
    tgt: str,
    expected: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    assert make_model("specific_pairs").translates(src=src, tgt=tgt) is expected


@pytest.mark.parametrize(
    ("src", "tgt", "expected"),
    [
        ("de", "en-gb", True),
        ("de-at", "en-gb", True),
        ("de-at", "en-us", False),
        ("de", "en", False),
    ],
)
def test_each_side_of_a_pair_falls_back_by_itself(
    src: str,
    tgt: str,
    expected: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    pairs = frozenset({("de", "en-gb")})
    serves = Nmt(rule="specific_pairs", languages=KNOWN, supported=pairs)
    blocks = Nmt(rule="any_to_any", languages=KNOWN, blocked=pairs)

    assert serves.translates(src=src, tgt=tgt) is expected
    assert blocks.translates(src=src, tgt=tgt) is not expected


@pytest.mark.parametrize(
    ("code", "expected"), [("zh_CN", "zh-cn"), (" EN ", "en"), ("pt-BR", "pt-br")]
)
def test_codes_are_compared_in_one_form(code: str, expected: str) -> None:
    assert normalize(code) == expected


def test_auto_is_never_a_language_a_node_has() -> None:
    assert collect(["EN", "auto", "Auto", "", "zh_CN"]) == {"en", "zh-cn"}
    assert collect(None) == frozenset()


def test_declared_pairs_outrank_the_models() -> None:
    offer = LanguageOffer(nmt=(make_model("any_to_any"),), pairs=frozenset({("de", "en")}))

    assert offer.translates(src="de", tgt="en")
    assert not offer.translates(src="en", tgt="de")
    assert offer.translates(src="auto", tgt="en")
    assert not offer.translates(src="auto", tgt="zh")


def test_a_declared_pair_into_a_region_is_none_into_the_language_at_large() -> None:
    offer = LanguageOffer(pairs=frozenset({("de", "en-gb")}))

    assert offer.translates(src="auto", tgt="en-gb")
    assert not offer.translates(src="auto", tgt="en")


def test_any_model_that_serves_the_pair_is_enough() -> None:
    offer = LanguageOffer(nmt=(make_model("en_to_any"), make_model("any_to_en")))

    assert offer.translates(src="de", tgt="en")
    assert offer.translates(src="en", tgt="de")
    assert not offer.translates(src="de", tgt="zh")


def test_without_models_the_target_is_among_what_is_repaired_or_else_spoken() -> None:
    repairs = LanguageOffer(semantic=frozenset({"en"}), tts=frozenset({"de"}))
    speaks = LanguageOffer(tts=frozenset({"de"}))

    assert (repairs.translates(src="zh", tgt="en"), repairs.translates(src="zh", tgt="de")) == (
        True,
        False,
    )
    assert (speaks.translates(src="zh", tgt="de"), speaks.translates(src="zh", tgt="en")) == (
        True,
        False,
    )


def test_an_unknown_source_is_heard_by_whoever_hears_at_all() -> None:
    assert LanguageOffer(asr=frozenset({"en"})).hears("auto")
    assert not LanguageOffer().hears("auto")
    assert LanguageOffer(semantic=frozenset({"en"})).repairs("auto")
    assert not LanguageOffer().repairs("auto")
