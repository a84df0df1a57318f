"""An utterance for several languages at nodes that know utterances by their number (J18)."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import ClientConnection

from tests.e2e.servers import Lingua
from tests.peers.desktop_node import DesktopNode
from tests.peers.frames import Frame, draw_languages, heartbeat_frame, register_frame
from tests.peers.member import Member
from tests.peers.speaker import Speaker

pytestmark = pytest.mark.req("J18")

SESSION, NODE = "/ws/session", "/ws/node"


class ManyTongued(DesktopNode):
    """A desktop node of three languages, which answers at once."""

    async def on_frame(self, frame: Frame) -> None:
        seen = len(self.had)
        refused_before = len(self.refused)
        await super().on_frame(frame)
        if len(self.had) > seen and len(self.refused) == refused_before:
            await self.finish(frame, text_translated=f"{frame['tgt_lang']} {len(self.had)}")

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__(socket)
        self.refused: list[Frame] = []

    async def fail(self, job: Frame, code: str, **error: object) -> None:
        self.refused.append(job)
        await super().fail(job, code, **error)


@contextlib.asynccontextmanager
async def node_of(lingua: Lingua, langs: tuple[str, ...]) -> AsyncIterator[ManyTongued]:
    tongues = {
        kind: list(langs) for kind in ("asr_languages", "tts_languages", "semantic_languages")
    }
    async with ManyTongued.connect(lingua.url(NODE)) as node:
        said = register_frame((langs[0], langs[1]))["language_capabilities"] | tongues
        await node.register((langs[0], langs[1]), language_capabilities=said)
        await node.send(heartbeat_frame(node.node_id) | {"language_capabilities": said})
        await node.next("node_status", status="ready")
        yield node


async def test_a_desktop_node_answers_one_utterance_in_each_language(lingua: Lingua) -> None:
    langs = (*draw_languages(), *draw_languages())
    async with (
        node_of(lingua, langs) as node,
        Speaker.open(
            lingua.url(SESSION), (langs[0], langs[1]), tgt_langs=list(langs[2:])
        ) as speaker,
    ):
        for index in range(3):
            await speaker.say(index)
            told = [
                await speaker.next("translation_result", utterance_index=index) for _ in range(3)
            ]
            assert {each["tgt_lang"] for each in told} == set(langs[1:])
            assert {each["session_id"] for each in told} == {speaker.session_id}
    assert not node.refused
    assert speaker.session_id in {job["session_id"] for job in node.told("job_assign")}


@pytest.mark.req("RM3")
async def test_a_desktop_node_serves_a_room_of_several_languages(lingua: Lingua) -> None:
    langs = (*draw_languages(), draw_languages()[1])
    async with (
        node_of(lingua, langs) as node,
        Member.open(lingua.url(SESSION), (langs[0], langs[1])) as ann,
        Member.open(lingua.url(SESSION), (langs[0], langs[1])) as bob,
        Member.open(lingua.url(SESSION), (langs[0], langs[2])) as cid,
    ):
        await ann.create_room(display_name="Ann")
        await bob.join_room(ann.code, display_name="Bob")
        await cid.join_room(ann.code, display_name="Cid")
        for index in range(3):
            await ann.say(index)
            for member in (bob, cid):
                shown = await member.next("translation_result")
                assert shown["session_id"] == ann.session_id
    assert not node.refused


async def test_whoever_asks_for_one_language_is_named_as_ever(lingua: Lingua) -> None:
    langs = draw_languages()
    async with (
        node_of(lingua, langs) as node,
        Speaker.open(lingua.url(SESSION), langs) as speaker,
    ):
        for index in range(2):
            await speaker.say(index)
            await speaker.result(index)
    assert {job["session_id"] for job in node.told("job_assign")} == {speaker.session_id}
