"""What a node's declared languages make of a pair: rules, exceptions, regions, older offers."""

import pytest

from scheduling.model.languages import (
    LanguageOffer,
    Nmt,
    NmtRule,
    UnreadableLanguage,
    collect,
    has_language,
    normalize,
    read_language,
    spell,
)

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


@pytest.mark.req("ED3")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("zh", "zh-CN"), ("zh-Hans", "zh-CN"), ("zh-Hans", "zh-SG"), ("zh_Hans_CN", "zh-cn")),
        *(("zh-Hant", "zh-TW"), ("zh-Hant-HK", "zh-HK"), ("cmn", "zh"), ("zho", "zh-Hant")),
        *(("chi", "cmn-Hans"), ("zh-cmn", "zh"), ("zh-yue", "yue"), ("eng", "en"), ("spa", "es")),
        *(("deu", "ger"), ("fre", "fr-CA"), ("iw", "he"), ("in", "id"), ("ji", "yi")),
        *(("no", "nb"), ("nob", "no"), ("mo", "ro"), ("tl", "fil"), ("arb", "ar-EG")),
        *(("sr", "sr-Latn"), ("sh", "sr-Latn"), ("en-Latn", "en-GB"), ("en-UK", "en-GB")),
        *(("pt", "pt-BR"), ("eng_Latn", "en"), ("en-001", "en-US"), ("de-1996", "de")),
    ],
)
def test_tags_that_may_mean_the_same_match_both_ways(one: str, other: str) -> None:
    first, second = read_language(one), read_language(other)

    assert has_language(frozenset({first}), second)
    assert has_language(frozenset({second}), first)


@pytest.mark.req("ED3")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("zh-CN", "zh-TW"), ("zh-Hans", "zh-TW"), ("zh-Hant", "zh-CN"), ("zh", "yue")),
        *(("en-US", "en-GB"), ("pt-PT", "pt-BR"), ("nn", "nb"), ("nn", "no"), ("en", "zh")),
        *(("sr-Latn", "sr-Cyrl"), ("id", "ms"), ("de", "gsw"), ("hr", "sr"), ("x-one", "x-two")),
    ],
)
def test_tags_that_name_different_languages_scripts_or_regions_never_match(
    one: str, other: str
) -> None:
    first, second = read_language(one), read_language(other)

    assert not has_language(frozenset({first}), second)
    assert not has_language(frozenset({second}), first)


@pytest.mark.req("ED3")
@pytest.mark.parametrize(
    "tag",
    ["", " ", "english", "zh CN", "zh--CN", "-en", "%%", "a", "中文", "en_US.UTF-8", "*", "\0"],
)
def test_what_is_no_tag_is_refused_by_its_own_words(tag: str) -> None:
    with pytest.raises(UnreadableLanguage) as refused:
        read_language(tag)
    assert repr(tag) in str(refused.value)


@pytest.mark.req("ED3")
def test_an_unknown_language_is_auto_in_the_words_of_bcp_47_too() -> None:
    assert {read_language(tag) for tag in ("auto", "AUTO", "und", "mul")} == {"auto"}


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
        ("de", "en", True),
    ],
)
def test_each_side_of_a_pair_is_compared_by_itself(
    src: str,
    tgt: str,
    expected: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    serves = Nmt(rule="specific_pairs", languages=KNOWN, supported=frozenset({("de", "en-gb")}))

    assert serves.translates(src=src, tgt=tgt) is expected


@pytest.mark.parametrize(
    ("src", "tgt", "expected"),
    [
        ("de", "en-gb", True),
        ("de-at", "en-gb", True),
        ("de-at", "en-us", False),
        ("de", "en", False),
    ],
)
def test_an_exception_takes_away_what_it_names_and_nothing_wider(
    src: str,
    tgt: str,
    expected: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    blocks = Nmt(rule="any_to_any", languages=KNOWN, blocked=frozenset({("de", "en-gb")}))

    assert blocks.translates(src=src, tgt=tgt) is not expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [("zh_CN", "zh-cn"), (" EN ", "en"), ("pt-BR", "pt-br"), ("not a tag", "not a tag")],
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


def test_a_declared_pair_into_a_region_is_one_into_the_language_at_large() -> None:
    offer = LanguageOffer(pairs=frozenset({("de", "en-gb")}))

    assert offer.translates(src="auto", tgt="en-gb")
    assert offer.translates(src="auto", tgt="en")
    assert not offer.translates(src="auto", tgt="en-us")


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


@pytest.mark.req("ED3")
@pytest.mark.parametrize(
    ("tag", "written"),
    [
        *[(auto, "auto") for auto in ("AUTO", "Auto", " auto", "und", "MUL")],
        ("EN_us", "en-US"),
        ("zh-hANS_cn", "zh-Hans-CN"),
        ("ES-419", "es-419"),
        ("CMN", "cmn"),
        ("de-DE-1996", "de-DE-1996"),
        ("en-X-MINE", "en-x-mine"),
    ],
)
def test_a_tag_is_told_as_bcp_47_writes_it(tag: str, written: str) -> None:
    assert spell(tag) == written
