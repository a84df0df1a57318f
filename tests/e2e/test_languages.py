"""Nodes and speakers who spell one language differently find each other; what is none is told."""

import pytest

from tests.e2e.servers import Lingua
from tests.peers.frames import AUDIO, init_frame
from tests.peers.http import ask
from tests.peers.node import FakeNode
from tests.peers.sockets import Peer
from tests.peers.speaker import Speaker

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]


@pytest.mark.req("ED3")
@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        (("zh-CN", "ml"), ("zh", "mal")),
        (("zh", "ml"), ("zh_Hans_CN", "ml-IN")),
        (("zh-Hans", "ml"), ("zh-CN", "ml")),
        (("cmn", "mal_Mlym"), ("zh-TW", "ml")),
        (("kir", "heb"), ("ky-KG", "iw")),
        (("nob", "in"), ("no", "id")),
    ],
)
async def test_a_language_by_another_name_is_the_same(
    lingua: Lingua, offered: Pair, wanted: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), offered) as node,
        Speaker.open(lingua.url(SESSION), wanted) as speaker,
    ):
        await speaker.say(0)
        await node.finish(await node.job())
        await speaker.result(0)


@pytest.mark.req("ED3")
async def test_a_node_is_told_the_languages_in_its_own_words(lingua: Lingua) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), ("kk", "mal")) as node,
        Speaker.open(lingua.url(SESSION), ("kk-KZ", "ML")) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.finish(job)
        await speaker.result(0)

    assert (job["src_lang"], job["tgt_lang"]) == ("kk-KZ", "mal")


@pytest.mark.req("ED3")
async def test_a_node_is_told_languages_as_bcp_47_writes_them(lingua: Lingua) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), ("kk", "ml")) as node,
        Speaker.open(lingua.url(SESSION), ("KK_kz", "ML-in"), auto_langs=["KK_kz"]) as speaker,
    ):
        for index, (src, told) in enumerate({"KK_kz": "kk-KZ", "AUTO": "auto"}.items()):
            await speaker.say(index, src_lang=src, tgt_lang="ML_in")
            job = await node.job()
            assert (job["src_lang"], job["tgt_lang"]) == (told, "ml-IN")
            assert job["auto_langs"] == ["kk-KZ"]
            await node.finish(job)
            await speaker.result(index)


@pytest.mark.req("ED3", "ED1")
async def test_a_node_is_told_what_it_declares_that_is_no_language(
    lingua: Lingua, languages: Pair
) -> None:
    async with FakeNode.connect(lingua.url(NODE)) as node:
        offer = {"asr_languages": [*languages, "klingonese"], "tts_languages": list(languages)}
        await node.register(languages, language_capabilities=offer)
        error = await node.next("error", code="FIELD_IGNORED")
        assert "language_capabilities.asr_languages" in error["message"]
        assert "'klingonese'" in error["message"]

        await node.make_ready()
        async with Speaker.open(lingua.url(SESSION), languages) as speaker:
            await speaker.say(0, pipeline={"use_asr": True, "use_nmt": True, "use_tts": True})
            await node.finish(await node.job())
            await speaker.result(0)


@pytest.mark.req("ED3")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("src_lang", "english"),
        ("tgt_lang", "zh CN"),
        ("tgt_lang", "auto"),
        ("lang_a", "%%"),
        ("tgt_langs", ["de", "deutsch"]),
        ("auto_langs", ["en", "😀"]),
    ],
)
async def test_a_session_in_no_language_is_refused_by_the_fields_name(
    lingua: Lingua, languages: Pair, field: str, value: object
) -> None:
    async with Peer.connect(lingua.url(SESSION)) as speaker:
        await speaker.send(init_frame(languages) | {field: value})
        error = await speaker.next("error", code="INVALID_MESSAGE")

    assert field in error["message"]


@pytest.mark.req("ED3")
async def test_an_utterance_in_no_language_is_refused_and_the_session_lives(
    lingua: Lingua, languages: Pair
) -> None:
    async with Speaker.open(lingua.url(SESSION), languages) as speaker:
        await speaker.say(0, tgt_lang="en-")
        error = await speaker.next("error", code="INVALID_MESSAGE")
        assert "tgt_lang" in error["message"]
        assert not await speaker.check_alive()


@pytest.mark.req("ED3")
async def test_a_request_in_no_language_is_refused_by_the_fields_name(lingua: Lingua) -> None:
    asked = {"src_lang": "en", "tgt_langs": ["es", "spanish-please"], "audio": AUDIO}
    reply = await ask(lingua.instance.address, "/v1/dispatch/f2f", asked)

    assert reply.status == 400
    assert (reply.json["error"], "tgt_langs" in reply.json["detail"]) == ("INVALID_MESSAGE", True)
