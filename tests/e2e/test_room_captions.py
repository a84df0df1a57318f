"""What is said in rooms (RM3, RM5): one job a language, and each listener's own words."""

import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest
from lingua_node import opus

from tests.e2e.servers import Lingua, Servers
from tests.e2e.test_rooms import MANY
from tests.peers.frames import Frame, draw_languages
from tests.peers.member import Member
from tests.peers.node import FakeNode
from tests.peers.streaming import CLIP
from tests.waiting import eventually

SESSION, NODE = "/ws/session", "/ws/node"


@pytest.fixture(scope="module")
def shared_lingua(e2e_redis, tmp_path_factory, server_name):
    servers = Servers(directory=tmp_path_factory.mktemp(server_name), redis_url=e2e_redis.url)
    try:
        lingua = servers.start(server_name, **MANY)
        yield lingua
        lingua.stop()
    finally:
        servers.end()


class Hall:
    """A room whose members speak and listen in languages of their own."""

    def __init__(self, lingua: Lingua) -> None:
        self.lingua = lingua
        self._stack = contextlib.AsyncExitStack()
        self.host: Member | None = None
        self.spoken, self.heard = draw_languages()
        self.other, self.unserved = draw_languages()
        self.names: list[str] = []

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._stack.__aexit__(*raised)

    async def member(self, name: str, lang: str, *, speaks: str = "") -> Member:
        """Let somebody come who listens in a language; all who were there see it."""
        pair = (speaks or self.spoken, self.heard)
        opened = Member.open(self.lingua.url(SESSION), pair)
        member = await self._stack.enter_async_context(opened)
        named = {"display_name": name, "preferred_lang": lang}
        if self.host is None:
            self.host = member
            await member.create_room(**named)
        else:
            await member.join_room(self.host.code, **named)
        self.names.append(name)
        await self.host.find(
            lambda frame: (
                frame["type"] == "room_members" and len(frame["members"]) == len(self.names)
            )
        )
        return member

    async def node(self, target: str, *, source: str = "", slots: int = 4) -> FakeNode:
        """Let a node come that translates to a language."""
        pair = (source or self.spoken, target)
        offer = {"max_concurrent_jobs": slots}
        opened = FakeNode.open(self.lingua.url(NODE), pair, **offer)
        return await self._stack.enter_async_context(opened)


@pytest.fixture
async def hall(lingua: Lingua) -> AsyncIterator[Hall]:
    async with Hall(lingua) as hall:
        yield hall


def results(member: Member) -> list[Frame]:
    return member.told("translation_result")


async def answer(node: FakeNode, text: str, **changes: Any) -> Frame:
    """Let a node answer its next job."""
    job = await node.job()
    await node.finish(job, text_translated=text, tts_format="pcm16", **changes)
    return job


@pytest.mark.req("RM3", "RM5")
async def test_each_language_is_one_job_and_each_listener_gets_its_own(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.spoken)
    bob, bill = [await hall.member(name, hall.heard) for name in ("Bob", "Bill")]
    cid = await hall.member("Cid", hall.other)
    to_heard, to_other = await hall.node(hall.heard), await hall.node(hall.other)

    await ann.say(0)
    job = await answer(to_heard, "for Bob")
    await answer(to_other, "for Cid")
    told = [await each.next("translation_result") for each in (bob, bill, cid)]

    assert [frame["text_translated"] for frame in told] == ["for Bob", "for Bob", "for Cid"]
    assert {frame["session_id"] for frame in told} == {ann.session_id}
    assert {frame["tts_format"] for frame in told} == {"pcm16"}
    assert {frame["tts_audio"] for frame in told} == {"AgD4/w=="}
    assert told[0]["text_asr"] == f"heard {job['utterance_index']}"
    assert len(to_heard.told("job_assign")) == len(to_other.told("job_assign")) == 1
    await ann.check_alive()
    assert results(ann) == []


@pytest.mark.req("RM3")
async def test_the_speakers_own_language_is_shown_without_a_job(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.heard)
    dan = await hall.member("Dan", hall.spoken)
    bob = await hall.member("Bob", hall.heard)
    node = await hall.node(hall.heard)

    await ann.say(0)
    await answer(node, "for Bob")
    shown = await dan.next("translation_result")
    await bob.next("translation_result")

    assert shown["text_translated"] == shown["text_asr"] == "heard 0"
    assert shown["tts_audio"] == ""
    assert len(node.told("job_assign")) == 1


@pytest.mark.req("RM3")
async def test_where_all_understand_the_speaker_they_see_its_words_and_it_is_answered(
    hall: Hall,
) -> None:
    ann = await hall.member("Ann", hall.spoken)
    dan = await hall.member("Dan", hall.spoken)
    node = await hall.node(hall.heard)

    await ann.say(0)
    await answer(node, "for nobody else")

    assert (await dan.next("translation_result"))["text_translated"] == "heard 0"
    assert (await ann.next("translation_result"))["text_translated"] == "for nobody else"


@pytest.mark.req("RM3")
async def test_who_is_alone_in_a_room_is_answered_as_ever(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.spoken)
    node = await hall.node(hall.heard)

    await ann.say(0)
    await answer(node, "for Ann")

    assert (await ann.result(0))["text_translated"] == "for Ann"


@pytest.mark.req("RM3")
async def test_a_language_nobody_serves_is_told_to_its_listeners_alone(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.spoken)
    bob = await hall.member("Bob", hall.heard)
    eve = await hall.member("Eve", hall.unserved)
    node = await hall.node(hall.heard)

    await ann.say(0)
    await answer(node, "for Bob")
    missing = await eve.next("missing_result")
    await bob.next("translation_result")
    await ann.check_alive()

    assert missing["reason"] == "no_capable_node"
    assert missing["session_id"] == ann.session_id
    assert not bob.told("missing_result")
    assert not ann.told("missing_result")
    assert not ann.told("error")


@pytest.mark.req("RM3")
async def test_a_speaker_whom_nobody_can_be_translated_is_told(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.spoken)
    eve = await hall.member("Eve", hall.unserved)
    await hall.node(hall.heard)

    await ann.say(0)

    assert (await ann.next("missing_result"))["reason"] == "no_capable_node"
    assert (await eve.next("missing_result"))["reason"] == "no_capable_node"


@pytest.mark.req("RM3")
async def test_who_understands_a_speaker_is_told_where_nobody_recognized_it(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.heard)
    bob = await hall.member("Bob", hall.spoken)
    await hall.member("Eve", hall.unserved)
    await hall.node(hall.heard, source=hall.other)

    await ann.say(0)

    missing = await bob.next("missing_result")
    assert (missing["reason"], missing["session_id"]) == ("no_capable_node", ann.session_id)


@pytest.mark.req("RM3")
async def test_who_waits_for_a_slow_language_holds_up_no_other(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.spoken)
    bob = await hall.member("Bob", hall.heard)
    cid = await hall.member("Cid", hall.other)
    quick, slow = await hall.node(hall.heard), await hall.node(hall.other)

    for index in range(2):
        await ann.say(index)
        await answer(quick, f"for Bob {index}")
    shown = [await bob.next("translation_result") for _ in range(2)]
    held = [await slow.job() for _ in range(2)]
    for job in reversed(held):
        await slow.finish(job, text_translated=f"for Cid {job['utterance_index']}")
    late = [await cid.next("translation_result") for _ in range(2)]

    assert [frame["text_translated"] for frame in shown] == ["for Bob 0", "for Bob 1"]
    assert [frame["text_translated"] for frame in late] == ["for Cid 0", "for Cid 1"]


@pytest.mark.req("RM3")
async def test_no_index_comes_twice_in_a_room_whoever_speaks(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.spoken)
    bob = await hall.member("Bob", hall.spoken)
    cid = await hall.member("Cid", hall.heard)
    node = await hall.node(hall.heard)

    for index in range(3):
        for speaker in (ann, bob):
            await speaker.say(index)
            await answer(node, f"{index}")
    shown = [await cid.next("translation_result") for _ in range(6)]

    indices = [frame["utterance_index"] for frame in shown]
    assert len(set(indices)) == len(indices)
    for speaker in (ann, bob):
        own = [
            frame["utterance_index"] for frame in shown if frame["session_id"] == speaker.session_id
        ]
        assert own == sorted(own)
        assert len(own) == 3


@pytest.mark.req("RM5")
async def test_opus_comes_as_pcm16_to_pages_that_would_play_it_as_noise(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.spoken)
    bob = await hall.member("Bob", hall.heard)
    node = await hall.node(hall.heard)
    speech = {"good": base64.b64encode(opus.encode(CLIP)).decode(), "bad": "BAABAgME"}

    for index, kind in enumerate(speech):
        await ann.say(index)
        job = await node.job()
        await node.finish(job, text_translated=kind, tts_audio=speech[kind], tts_format="opus")
    good, bad = [await bob.next("translation_result") for _ in range(2)]

    assert [frame["text_translated"] for frame in (good, bad)] == ["good", "bad"]
    assert {frame["tts_format"] for frame in (good, bad)} == {"pcm16"}
    assert abs(len(base64.b64decode(good["tts_audio"])) - len(CLIP)) <= 640
    assert bad["tts_audio"] == ""


@pytest.mark.req("RM3", "J4")
async def test_an_utterance_said_twice_is_shown_once(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.spoken)
    bob = await hall.member("Bob", hall.heard)
    node = await hall.node(hall.heard)

    await ann.say(0)
    await ann.say(0)
    await answer(node, "for Bob")
    await ann.say(1)
    await answer(node, "then")
    shown = [await bob.next("translation_result") for _ in range(2)]

    assert [frame["text_translated"] for frame in shown] == ["for Bob", "then"]
    assert len(node.told("job_assign")) == 2


@pytest.mark.req("RM3")
async def test_who_joins_in_a_language_is_asked_for_with_the_next_utterance(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.spoken)
    bob = await hall.member("Bob", hall.heard)
    first, second = await hall.node(hall.heard), await hall.node(hall.other)
    await ann.say(0)
    cid = await hall.member("Cid", hall.other)
    await ann.say(1)
    for _ in range(2):
        await answer(first, "for Bob")
        await bob.next("translation_result")
    await answer(second, "for Cid")

    assert (await cid.next("translation_result"))["text_translated"] == "for Cid"
    assert len(second.told("job_assign")) == 1


@pytest.mark.req("RM3")
async def test_who_has_left_hears_no_more_and_its_language_is_asked_for_no_more(
    lingua: Lingua, hall: Hall
) -> None:
    ann = await hall.member("Ann", hall.spoken)
    bob = await hall.member("Bob", hall.heard)
    cid = await hall.member("Cid", hall.other)
    node, other = await hall.node(hall.heard), await hall.node(hall.other)
    await cid.send({"type": "room_leave", "room_code": ann.code})
    await cid.check_alive()
    state = f"{{room:{ann.code}}}:state"
    await eventually(lambda: f"want:{hall.other}" not in lingua.dump(state)[state])

    await ann.say(0)
    await answer(node, "for Bob")
    await bob.next("translation_result")

    assert not results(cid)
    assert not other.told("job_assign")
