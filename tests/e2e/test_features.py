"""Features that a session asks for choose nodes, over the wire."""

import functools
from contextlib import AsyncExitStack

import pytest

from tests.e2e.servers import Lingua
from tests.peers.frames import AUDIO
from tests.peers.http import ask
from tests.peers.node import FakeNode, take_job
from tests.peers.speaker import Speaker
from tests.waiting import eventually

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]
_ASKED = {"features": {"speech_rate_control": True, "persona_adaptation": False}}


async def _find_in_pools(lingua: Lingua, pair: Pair, node_id: str) -> bool:
    src, tgt = pair
    query = f"/api/v1/phase3/simulate?src_lang={src}&tgt_lang={tgt}&required=asr,nmt,tts"
    told = (await ask(lingua.instance.address, query, method="GET")).json
    is_known = node_id in {row["node_id"] for row in told["looked_at"]}
    return is_known and not told["debug"]["fallback_used"]


async def _open_nodes(stack: AsyncExitStack, lingua: Lingua, pair: Pair) -> list[FakeNode]:
    """Open four nodes; the first supports what is asked for, and is in its pools before others."""
    declared = [{"speech_rate_control": True}] + [{"persona_adaptation": True}] * 3
    nodes: list[FakeNode] = []
    for features in declared:
        node = await stack.enter_async_context(
            FakeNode.open(lingua.url(NODE), pair, features_supported=features)
        )
        await eventually(functools.partial(_find_in_pools, lingua, pair, node.node_id))
        nodes.append(node)
    return nodes


@pytest.mark.req("ND12")
async def test_a_session_that_asks_for_a_feature_is_served_by_the_node_that_has_it(
    lingua: Lingua, languages: Pair
) -> None:
    async with AsyncExitStack() as stack:
        nodes = await _open_nodes(stack, lingua, languages)
        speaker = await stack.enter_async_context(
            Speaker.open(lingua.url(SESSION), languages, **_ASKED)
        )
        for index in range(4):
            await speaker.say(index)
            node, job = await take_job(*nodes)
            assert node is nodes[0]
            assert job["features"] == _ASKED["features"]
            await node.finish(job)
            await speaker.result(index)


@pytest.mark.req("ND12")
async def test_once_that_node_is_full_any_other_serves(lingua: Lingua, languages: Pair) -> None:
    async with AsyncExitStack() as stack:
        nodes = await _open_nodes(stack, lingua, languages)
        speaker = await stack.enter_async_context(
            Speaker.open(lingua.url(SESSION), languages, **_ASKED)
        )
        held = []
        for index in range(5):
            await speaker.say(index)
            held.append(await take_job(*nodes))
        for node, job in held:
            await node.finish(job)
        for index in range(5):
            await speaker.result(index)

    assert [node is nodes[0] for node, _ in held].count(True) == 2


@pytest.mark.req("ND12")
async def test_an_utterance_over_http_asks_for_features_too(
    lingua: Lingua, languages: Pair
) -> None:
    async with AsyncExitStack() as stack:
        nodes = await _open_nodes(stack, lingua, languages)
        src, tgt = languages
        asked = {"src_lang": src, "tgt_lang": tgt, "audio": AUDIO} | _ASKED
        await ask(lingua.instance.address, "/v1/dispatch/f2f", asked)
        node, job = await take_job(*nodes)
        await node.finish(job)

    assert node is nodes[0]
