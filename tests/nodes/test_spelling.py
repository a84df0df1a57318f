"""A node is told languages in its own words, and everything else as it came."""

import msgspec
import pytest

from nodes import job_frames, messages
from nodes.spelling import NodeSpelling, list_unreadable
from scheduling.model.jobs import Assignment
from tests.nodes.test_messages import ASSIGNMENT

pytestmark = pytest.mark.req("ED3")


def make_assignment(**said: object) -> Assignment:
    return msgspec.structs.replace(ASSIGNMENT, **said)


def declare(*tags: str) -> messages.LanguageCapabilities:
    return messages.LanguageCapabilities(asr_languages=list(tags), tts_languages=list(tags))


@pytest.mark.parametrize(
    ("declared", "said", "told"),
    [
        (("en", "es"), "eng", "en"),
        (("en", "es"), "EN", "en"),
        (("eng", "spa"), "en", "eng"),
        (("zh",), "cmn-Hans-CN", "zh"),
        (("zh",), "zh-CN", "zh-CN"),
        (("zh-CN", "zh"), "zh-CN", "zh-CN"),
        (("zh-CN",), "zh", "zh-CN"),
        (("zh-Hans",), "zh-CN", "zh-Hans"),
        (("zh_CN",), "zh-cn", "zh_CN"),
        (("nb",), "no", "nb"),
        (("he",), "iw", "he"),
        (("en",), "auto", "auto"),
        (("en",), "de", "de"),
        ((), "eng", "eng"),
        (("not a tag", "en"), "eng", "en"),
    ],
)
def test_a_language_is_told_in_the_nodes_word_for_it(declared, said, told):
    assert NodeSpelling(declare(*declared)).spell(said) == told


def test_an_assignment_in_the_nodes_words_is_the_very_frame_that_came():
    frame = job_frames.encode_assignment(make_assignment(src_lang="zh", tgt_lang="en"))

    assert NodeSpelling(declare("zh", "en")).spell_frame(frame) is frame


@pytest.mark.parametrize("audio", ["", "AAAA" * 40_000])
def test_every_language_of_an_assignment_is_told_and_nothing_else_changes(audio):
    job = make_assignment(
        src_lang="auto",
        tgt_lang="eng",
        mode="two_way_auto",
        lang_a="cmn",
        lang_b="eng",
        auto_langs=("cmn", "eng"),
        features={"src_lang": "eng", "emotion": True},
        audio=msgspec.Raw(f'"{audio}"'.encode()),
    )
    expected = msgspec.structs.replace(
        job, tgt_lang="en", lang_a="zh", lang_b="en", auto_langs=("zh", "en")
    )

    told = NodeSpelling(declare("zh", "en")).spell_frame(job_frames.encode_assignment(job))

    assert told == job_frames.encode_assignment(expected)


def test_the_languages_of_a_conversation_are_found_behind_the_audio():
    job = make_assignment(
        src_lang="auto", tgt_lang="en", mode="two_way_auto", lang_a="zho", lang_b="en"
    )

    told = NodeSpelling(declare("zh", "en")).spell_frame(job_frames.encode_assignment(job))

    assert '"lang_a":"zh","lang_b":"en"' in told


def test_what_is_no_language_is_listed_once_with_its_field():
    declared = messages.LanguageCapabilities(
        asr_languages=["en", "klingonese", "klingonese", "auto"],
        supported_language_pairs=[messages.LanguagePair(src="en", tgt="e s")],
    )

    assert list_unreadable(declared) == [
        ("asr_languages", "klingonese"),
        ("supported_language_pairs", "e s"),
    ]
