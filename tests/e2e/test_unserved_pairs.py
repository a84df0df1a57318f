"""A language pair that nobody can serve is refused at once; what may come is waited for."""

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.peers.frames import AUDIO
from tests.peers.http import ask
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.sessions_app.recorded import pack, speech_as_opus

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]
SILENCE = pack(*[b"\x48" + bytes(10)] * 13)


@pytest.mark.req("ED3", "J15")
async def test_a_pair_that_no_known_node_serves_is_refused_at_once(
    lingua: Lingua, languages: Pair
) -> None:
    src, tgt = languages
    async with (
        FakeNode.open(lingua.url(NODE), (src, "ml")),
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        error = await speaker.next("error")
        missing = await speaker.next("missing_result", utterance_index=0)
        asked = {"src_lang": src, "tgt_lang": tgt, "audio": AUDIO}
        reply = await ask(lingua.instance.address, "/v1/dispatch/f2f", asked)

    assert (error["code"], missing["reason"]) == ("NO_CAPABLE_NODE", "no_capable_node")
    assert error["details"] == {"reason": "no_capable_node"}
    assert "again" not in error["message"]
    assert (reply.status, reply.json["error"]) == (422, "NO_CAPABLE_NODE")


@pytest.mark.req("ED3")
async def test_the_pages_show_pairs_that_were_asked_for_in_vain(
    lingua: Lingua, languages: Pair
) -> None:
    src, tgt = languages
    async with (
        FakeNode.open(lingua.url(NODE), (src, "ml")),
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        await speaker.next("missing_result", utterance_index=0)
        told = await ask(lingua.instance.address, "/api/v1/coverage", method="GET")

    rows = {(row["src"], row["tgt"]): row for row in told.json["pairs"]}
    assert rows[src, tgt]["known_nodes"] == rows[src, tgt]["ready_nodes"] == 0
    assert rows[src, "ml"]["known_nodes"] == 1


@pytest.mark.req("ED3", "J10")
async def test_a_pair_whose_node_is_away_is_waited_for(lingua: Lingua, languages: Pair) -> None:
    src, tgt = languages
    async with Speaker.open(lingua.url(SESSION), languages) as speaker:
        async with FakeNode.open(lingua.url(NODE), languages) as node:
            node_id = node.node_id
        asked = {"src_lang": src, "tgt_lang": tgt, "audio": AUDIO}
        reply = await ask(lingua.instance.address, "/v1/dispatch/f2f", asked)
        await speaker.say(0)
        async with FakeNode.open(lingua.url(NODE), languages, node_id=node_id) as back:
            for _ in range(2):
                await back.finish(await back.job())
            await speaker.result(0)

    assert (reply.status, reply.json["state"]) == (202, "SELECTING")


@pytest.mark.req("ED3")
async def test_a_node_that_comes_makes_its_pair_possible(lingua: Lingua, languages: Pair) -> None:
    async with Speaker.open(lingua.url(SESSION), languages) as speaker:
        async with FakeNode.open(lingua.url(NODE), (languages[0], "ml")):
            await speaker.say(0)
            await speaker.next("error", code="NO_CAPABLE_NODE")
        async with FakeNode.open(lingua.url(NODE), languages) as node:
            await speaker.say(1)
            await node.finish(await node.job())
            await speaker.result(1)


@pytest.mark.req("ED5", "SP2")
async def test_one_sentence_of_the_page_without_any_node_is_one_job_and_one_error(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    # A refusal is waited for; each marker cuts at once, as the page's do that are 256 ms apart.
    spans = {"LINGUA_PENDING_TIMEOUT_S": "0.5", "LINGUA_SEGMENT_HANGOVER_MANUAL_MS": "0"}
    lingua = servers.start(server_name, **spans)
    async with Speaker.open(lingua.url(SESSION), languages) as speaker:
        await speaker.chunk(pack(*speech_as_opus()), final=True)
        for _ in range(8):
            await speaker.chunk(SILENCE, final=True)
        await speaker.next("missing_result", utterance_index=0)
        await speaker.send(
            {"type": "session_close", "session_id": speaker.session_id, "reason": "t"}
        )
        await speaker.next("session_close_ack")

        assert len(speaker.told("error")) == 1
        assert len(speaker.told("missing_result")) == 1
    lingua.stop()
