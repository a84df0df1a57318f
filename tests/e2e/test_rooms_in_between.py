"""What is under way in a room when somebody leaves, moves, or chooses a language (RM3)."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.e2e.servers import Lingua
from tests.e2e.test_room_captions import SESSION, Hall, answer, results, shared_lingua
from tests.e2e.test_streaming import CHUNKS, STREAMS, StreamingNode, say
from tests.peers.frames import draw_languages
from tests.peers.listener import EventReader, ListeningPeer
from tests.peers.member import Member
from tests.peers.streaming import STREAMING_SPEAKER
from tests.waiting import eventually

__all__ = ["shared_lingua"]

pytestmark = pytest.mark.req("RM3")

NODE = "/ws/node"


@pytest.fixture
async def hall(lingua: Lingua) -> AsyncIterator[Hall]:
    async with Hall(lingua) as hall:
        yield hall


async def leave(member: Member) -> None:
    await member.send({"type": "room_leave", "room_code": member.code})


async def test_who_leaves_a_room_does_not_take_along_what_it_said(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.spoken)
    bob, cid = await hall.member("Bob", hall.heard), await hall.member("Cid", hall.other)
    first, second = await hall.node(hall.heard), await hall.node(hall.other)

    await ann.say(0)
    jobs = [await node.job() for node in (first, second)]
    await leave(ann)
    await bob.sees("Bob", "Cid")
    await first.finish(jobs[0], text_translated="for Bob")
    await second.finish(jobs[1], text_translated="for Cid")

    for member, text in ((bob, "for Bob"), (cid, "for Cid")):
        shown = await member.next("translation_result")
        assert (shown["text_translated"], shown["session_id"]) == (text, ann.session_id)
    await ann.check_alive()
    assert not results(ann)


async def test_who_goes_to_another_room_leaves_behind_what_it_said(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.spoken)
    bob = await hall.member("Bob", hall.heard)
    cid = await hall.member("Cid", hall.other)
    first, second = await hall.node(hall.heard), await hall.node(hall.other)

    await ann.say(0)
    jobs = [await node.job() for node in (first, second)]
    await ann.create_room(display_name="Ann")
    await cid.join_room(ann.code, display_name="Cid", preferred_lang=hall.other)
    await first.finish(jobs[0], text_translated="before")
    shown = await bob.next("translation_result")
    await second.finish(jobs[1], text_translated="nobody is left for it")
    await ann.say(1)
    await answer(second, "here")

    assert shown["text_translated"] == "before"
    assert (await cid.next("translation_result"))["text_translated"] == "here"
    await ann.check_alive()
    assert not results(ann)


async def test_what_was_said_is_told_though_its_speaker_vanished(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.spoken)
    bob = await hall.member("Bob", hall.heard)
    node = await hall.node(hall.heard)

    await ann.say(0)
    job = await node.job()
    ann.drop()
    await bob.sees("Bob")
    await node.finish(job, text_translated="her last words")

    assert (await bob.next("translation_result"))["text_translated"] == "her last words"
    assert not node.told("job_cancel")


@pytest.mark.req("RM8")
async def test_what_a_speaker_was_saying_ends_for_the_room_when_it_vanishes(hall: Hall) -> None:
    pair = (hall.spoken, hall.heard)
    url = hall.lingua.url(SESSION)
    async with (
        StreamingNode.open(hall.lingua.url(NODE), pair, **STREAMS) as node,
        Member.open(url, pair, **STREAMING_SPEAKER | {"resume_token": None}) as ann,
        Member.open(url, pair, enable_streaming=True) as bob,
    ):
        await ann.create_room(display_name="Ann")
        await bob.join_room(ann.code, display_name="Bob")
        await say(ann, CHUNKS[:10])
        job = await node.open_job()
        await node.send(
            {key: job[key] for key in ("job_id", "attempt_id", "session_id")}
            | {"type": "translation_partial", "node_id": node.node_id, "seq": 0}
            | {"committed": "half", "tail": ""}
        )
        growing = await bob.next("translation_partial")
        ann.drop()
        await bob.sees("Bob")
        await node.next("job_close", job_id=job["job_id"])
        await node.finish(job, text_translated="half of it")
        shown = await bob.next("translation_result")

    assert shown["utterance_index"] == growing["utterance_index"]
    assert shown["text_translated"] == "half of it"


async def test_a_member_who_chooses_a_language_still_hears_what_was_under_way(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.spoken)
    bob = await hall.member("Bob", hall.heard)
    cid = await hall.member("Cid", hall.other)
    first, second = await hall.node(hall.heard), await hall.node(hall.other)

    await ann.say(0)
    jobs = [await node.job() for node in (first, second)]
    for member, lang in ((bob, hall.unserved), (cid, hall.heard)):
        choose = {"type": "room_language", "room_code": ann.code, "preferred_lang": lang}
        await member.send(choose)
        await ann.next(
            lambda frame, lang=lang: (
                frame["type"] == "room_members"
                and lang in [each["preferred_lang"] for each in frame["members"][1:]]
            )
        )
    await second.finish(jobs[1], text_translated="in what Cid heard before")
    await first.finish(jobs[0], text_translated="in what Bob heard before")

    for member in (bob, cid):
        shown = await member.next("translation_result")
        assert shown["text_translated"] == "in what Bob heard before"
        await member.check_alive()
        assert len(results(member)) == 1


@pytest.mark.req("RM6")
async def test_a_listener_who_chooses_a_language_still_hears_what_was_under_way(
    hall: Hall,
) -> None:
    ann = await hall.member("Ann", hall.spoken)
    node, other = await hall.node(hall.heard), await hall.node(hall.other)
    listen = hall.lingua.url("/ws/listen")
    async with ListeningPeer.open(listen, ann.code, hall.heard) as eve:
        await ann.say(0)
        job = await node.job()
        await eve.send({"type": "set_language", "lang": hall.other})
        await eve.next("listening", lang=hall.other)
        await node.finish(job, text_translated="before")
        assert (await eve.caption())["text"] == "before"
        await ann.say(1)
        await answer(other, "after")
        assert (await eve.caption())["text"] == "after"


async def test_a_language_nobody_serves_silences_nobody_who_understands_the_speaker(
    hall: Hall,
) -> None:
    ann = await hall.member("Ann", hall.spoken)
    bob = await hall.member("Bob", hall.spoken)
    eve = await hall.member("Eve", hall.unserved)
    node = await hall.node(hall.heard)

    for index in range(2):
        await ann.say(index)
        job = await answer(node, "")
        assert job["pipeline"]["use_asr"]
        assert not any(job["pipeline"][kind] for kind in ("use_nmt", "use_tts"))
        shown = await bob.next("translation_result")
        assert shown["text_translated"] == shown["text_asr"] == f"heard {job['utterance_index']}"
        assert (await eve.next("missing_result"))["reason"] == "no_capable_node"
    await ann.check_alive()
    assert not any(ann.told(kind) for kind in ("missing_result", "error", "translation_result"))
    assert not bob.told("missing_result")


async def test_who_speaks_where_its_own_target_is_served_by_nobody_is_read_all_the_same(
    hall: Hall,
) -> None:
    hall.heard, served = hall.unserved, hall.heard
    ann = await hall.member("Ann", hall.spoken)
    bob = await hall.member("Bob", hall.spoken)
    node = await hall.node(served)

    await ann.say(0)
    await answer(node, "")

    assert (await bob.next("translation_result"))["text_asr"] == "heard 0"


async def test_rooms_that_are_over_are_listed_no_more(lingua: Lingua, hall: Hall) -> None:
    ann = await hall.member("Ann", hall.spoken)

    def is_listed(code: str) -> bool:
        return code in str(lingua.dump("{rooms}:opened"))

    await eventually(lambda: is_listed(ann.code))
    first = ann.code
    await ann.create_room(display_name="Ann")
    await eventually(lambda: not is_listed(first))
    second = ann.code
    await ann.send({"type": "room_end", "room_code": second})
    await eventually(lambda: not is_listed(second))


@pytest.mark.req("RM6")
async def test_one_language_too_many_is_refused_by_name_and_costs_nobody_his(hall: Hall) -> None:
    ann = await hall.member("Ann", hall.spoken)
    await hall.member("Bob", hall.heard)
    node = await hall.node(hall.heard)
    listen, address = hall.lingua.url("/ws/listen"), hall.lingua.instance.address
    langs = [lang for _ in range(15) for lang in draw_languages()]
    path = f"/rooms/{ann.code}/captions?lang="
    async with contextlib.AsyncExitStack() as stack:
        for lang in langs:
            opened = ListeningPeer.open(listen, ann.code, lang)
            last = await stack.enter_async_context(opened)
        late = await stack.enter_async_context(ListeningPeer.connect(listen))
        await late.send({"type": "listen", "room_code": ann.code, "lang": "aa"})
        assert (await late.next("error"))["code"] == "TOO_MANY_LANGUAGES"
        cid = await stack.enter_async_context(Member.open(hall.lingua.url(SESSION), ("aa", "ab")))
        assert await cid.refused({"type": "room_join", "room_code": ann.code}) == (
            "TOO_MANY_LANGUAGES"
        )
        other = await stack.enter_async_context(EventReader.open(address, f"{path}ac"))
        assert other.status == 409
        await last.send({"type": "set_language", "lang": "aa"})
        await last.next("listening", lang="aa")
        opened = EventReader.open(address, path + hall.heard)
        events = await stack.enter_async_context(opened)
        await ann.say(0)
        await answer(node, "told")
        assert (await events.next("caption"))[1]["text"] == "told"
