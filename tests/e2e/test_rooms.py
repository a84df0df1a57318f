"""Rooms (RM1): each rule of what members say to a room, seen from outside."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.peers.member import Member, list_names

PATH = "/ws/session"
PAIR = ("zh", "en")
# All speakers of a test come from one address, and open rooms as fast as they can.
MANY = {"LINGUA_ROOMS_PER_MINUTE": "100000", "LINGUA_ROOM_GUESSES_PER_MINUTE": "100000"}


@pytest.fixture(scope="module")
def shared_lingua(e2e_redis, tmp_path_factory, server_name):
    servers = Servers(directory=tmp_path_factory.mktemp(server_name), redis_url=e2e_redis.url)
    try:
        lingua = servers.start(server_name, **MANY)
        yield lingua
        lingua.stop()
    finally:
        servers.end()


@contextlib.asynccontextmanager
async def three(lingua: Lingua) -> AsyncIterator[tuple[Member, Member, Member]]:
    """Ann, who hosts a room, and Bob in it; Cid is in none."""
    async with (
        Member.open(lingua.url(PATH), PAIR) as ann,
        Member.open(lingua.url(PATH), PAIR) as bob,
        Member.open(lingua.url(PATH), PAIR) as cid,
    ):
        await ann.create_room(display_name="Ann")
        await bob.join_room(ann.code, display_name="Bob")
        await ann.sees("Ann", "Bob")
        yield ann, bob, cid


@pytest.mark.req("RM1")
async def test_a_room_is_opened_by_frames_sent_back_to_back_with_the_session(
    lingua: Lingua,
) -> None:
    async with Member.connect(lingua.url(PATH)) as ann:
        ack = await ann.init(PAIR)
        await ann.send({"type": "room_create", "client_ts": 1})
        told = await ann.take_until("room_members")

    assert [frame["type"] for frame in told] == ["room_create_ack", "room_members"]
    created, members = told
    assert len(created["room_code"]) == 6
    assert created["room_code"].isdigit()
    assert members["room_code"] == created["room_code"]
    (host,) = members["members"]
    joined_at = host.pop("joined_at")
    assert joined_at.endswith("Z")
    assert host == {"participant_id": ack["session_id"], "session_id": ack["session_id"]}


@pytest.mark.req("RM1")
async def test_who_joins_is_told_the_room_before_its_members(lingua: Lingua) -> None:
    async with (
        Member.open(lingua.url(PATH), PAIR) as ann,
        Member.open(lingua.url(PATH), PAIR) as bob,
    ):
        await ann.create_room(display_name="Ann", preferred_lang="zh")
        await bob.send({"type": "room_join", "room_code": ann.code, "display_name": "Bob"})
        told = await bob.take_until("room_members")
        seen = await ann.next("room_members")

    assert [frame["type"] for frame in told] == ["room_create_ack", "room_members"]
    assert told[0]["room_code"] == ann.code
    assert list_names(told[1]) == list_names(seen) == ["Ann", "Bob"]
    assert [one.get("preferred_lang") for one in seen["members"]] == ["zh", None]


@pytest.mark.req("RM1")
@pytest.mark.parametrize("kind", ["room_join", "room_leave", "room_raw_voice_preference"])
@pytest.mark.parametrize("code", ["000000x", "abc", "", "１２３４５６", "12345{", "9" * 5_000])  # noqa: RUF001 - digits of another script
async def test_a_code_of_no_room_is_not_found(lingua: Lingua, kind: str, code: str) -> None:
    frame = {"type": kind, "room_code": code}
    if kind == "room_raw_voice_preference":
        frame |= {"target_session_id": "s-00000000", "receive_raw_voice": True}
    async with Member.open(lingua.url(PATH), PAIR) as cid:
        assert await cid.refused(frame) == "ROOM_NOT_FOUND"


@pytest.mark.req("RM1")
@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ({"type": "room_join"}, "room_code"),
        ({"type": "room_leave"}, "room_code"),
        ({"type": "room_create"}, "client_ts"),
        ({"type": "room_join", "room_code": 482913}, "room_code"),
        ({"type": "room_join", "room_code": "482913", "preferred_lang": "!!"}, "preferred_lang"),
        ({"type": "room_create", "client_ts": 1, "preferred_lang": "auto"}, "preferred_lang"),
        ({"type": "webrtc_offer", "room_code": "482913", "to": "s-00000000"}, "sdp"),
        (
            {"type": "webrtc_answer", "room_code": "1", "to": "s-1", "sdp": "v" * 1_000_000},
            "sdp",
        ),
        (
            {"type": "webrtc_ice", "room_code": "1", "to": "s-1", "candidate": "c" * 65_536},
            "candidate",
        ),
    ],
    ids=str,
)
async def test_a_frame_that_is_none_is_refused_with_the_name_of_its_field(
    lingua: Lingua, frame: dict[str, object], field: str
) -> None:
    async with Member.open(lingua.url(PATH), PAIR) as cid:
        await cid.send(frame)
        error = await cid.next("error", code="INVALID_MESSAGE")
        await cid.check_alive()

    assert field in error["message"]
    assert len(error["message"]) < 500


@pytest.mark.req("RM1")
@pytest.mark.parametrize(
    "frame",
    [
        {"type": "room_create", "client_ts": 1},
        {"type": "room_join", "room_code": "482913"},
        {"type": "room_leave", "room_code": "482913"},
        {"type": "webrtc_offer", "room_code": "482913", "to": "s-00000000", "sdp": {}},
    ],
    ids=lambda frame: frame["type"],
)
async def test_before_a_session_is_opened_nothing_is_said_in_rooms(
    lingua: Lingua, frame: dict[str, object]
) -> None:
    async with Member.connect(lingua.url(PATH)) as cid:
        await cid.send(frame)
        error = await cid.next("error")

    assert error["code"] == "INTERNAL_ERROR"
    assert error["message"] == "Failed to process message: Session not initialized"


@pytest.mark.req("RM1")
async def test_nobody_joins_twice(lingua: Lingua) -> None:
    async with three(lingua) as (ann, bob, _):
        for member in (bob, ann):
            join = {"type": "room_join", "room_code": ann.code}
            assert await member.refused(join) == "ALREADY_IN_ROOM"
        assert not ann.told("room_expired")


@pytest.mark.req("RM1")
async def test_two_sockets_of_one_person_are_two_members(lingua: Lingua) -> None:
    async with three(lingua) as (ann, _, cid):
        await cid.join_room(ann.code, display_name="Bob")
        await ann.sees("Ann", "Bob", "Bob")


@pytest.mark.req("RM1")
async def test_who_leaves_is_told_nothing_and_the_others_are(lingua: Lingua) -> None:
    async with three(lingua) as (ann, bob, _):
        await bob.send({"type": "room_leave", "room_code": ann.code})
        told = await bob.check_alive()
        await ann.sees("Ann")

    assert told == []


@pytest.mark.req("RM1")
async def test_a_stranger_who_leaves_lets_members_be_told_again(lingua: Lingua) -> None:
    async with three(lingua) as (ann, _, cid):
        await cid.send({"type": "room_leave", "room_code": ann.code})
        told = await cid.check_alive()
        await ann.sees("Ann", "Bob")

    assert told == []


@pytest.mark.req("RM1")
@pytest.mark.parametrize("how", ["close", "drop", "session_close"])
async def test_a_socket_that_is_gone_leaves_its_room(lingua: Lingua, how: str) -> None:
    async with three(lingua) as (ann, bob, _):
        if how == "close":
            await bob.close()
        elif how == "drop":
            bob.drop()
        else:
            await bob.send({"type": how, "session_id": bob.session_id, "reason": "done"})
        await ann.sees("Ann")


@pytest.mark.req("RM1")
async def test_a_room_goes_on_without_its_host(lingua: Lingua) -> None:
    async with three(lingua) as (ann, bob, cid):
        ann.drop()
        await bob.sees("Bob")
        assert list_names(await cid.join_room(ann.code, display_name="Cid")) == ["Bob", "Cid"]


@pytest.mark.req("RM1")
async def test_a_room_that_everybody_left_is_over_and_leaves_nothing(lingua: Lingua) -> None:
    async with three(lingua) as (ann, bob, cid):
        for member in (ann, bob):
            await member.send({"type": "room_leave", "room_code": ann.code})
            await member.check_alive()
        join = {"type": "room_join", "room_code": ann.code}

        assert await cid.refused(join) == "ROOM_NOT_FOUND"
        assert lingua.dump(f"{{room:{ann.code}}}*") == {}


@pytest.mark.req("RM1")
async def test_joining_another_room_leaves_the_first(lingua: Lingua) -> None:
    async with three(lingua) as (ann, bob, cid):
        await cid.create_room(display_name="Cid")
        await bob.join_room(cid.code, display_name="Bob")
        await cid.sees("Cid", "Bob")
        await ann.sees("Ann")


@pytest.mark.req("RM1")
async def test_who_changes_rooms_while_others_come_is_told_who_is_there(lingua: Lingua) -> None:
    async with (
        three(lingua) as (ann, bob, cid),
        Member.open(lingua.url(PATH), PAIR) as dan,
    ):
        await dan.create_room(display_name="Dan")
        for name, member in (("Bob", bob), ("Cid", cid)):
            await member.send({"type": "room_join", "room_code": dan.code, "display_name": name})

        for member in (bob, cid, dan):
            await member.next(
                lambda frame: (
                    frame["type"] == "room_members"
                    and sorted(list_names(frame)) == ["Bob", "Cid", "Dan"]
                )
            )
        await ann.sees("Ann")


@pytest.mark.req("RM1")
async def test_a_preference_is_kept_and_told_to_all(lingua: Lingua) -> None:
    async with three(lingua) as (ann, bob, _):
        await bob.prefer(ann.session_id, wanted=False)
        await bob.prefer("s-NOBODY00", wanted=False)
        await bob.prefer("s-NOBODY01", wanted=True)
        wanted = {ann.session_id: False, "s-NOBODY00": False, "s-NOBODY01": True}
        for member in (ann, bob):
            await member.next(
                lambda frame: (
                    frame["type"] == "room_members"
                    and frame["members"][1].get("raw_voice_preferences") == wanted
                )
            )


@pytest.mark.req("RM1")
@pytest.mark.parametrize(
    ("kind", "field"),
    [("webrtc_offer", "sdp"), ("webrtc_answer", "sdp"), ("webrtc_ice", "candidate")],
)
async def test_what_browsers_tell_each_other_comes_with_who_sends_it(
    lingua: Lingua, kind: str, field: str
) -> None:
    value = {"sdp": "v=0\r\n", "type": "offer", "more": [1.5, None, "\u202e<b>"]}
    async with three(lingua) as (ann, bob, _):
        frame = {"type": kind, "room_code": ann.code, "to": ann.session_id, field: value}
        await bob.send(frame)
        assert await ann.next(kind) == frame | {"to": bob.session_id}


@pytest.mark.req("RM1")
async def test_nothing_is_passed_on_but_among_members_who_want_it(lingua: Lingua) -> None:
    async with three(lingua) as (ann, bob, cid):
        await bob.prefer(ann.session_id, wanted=False)
        await bob.next("room_members")
        cid.code = ann.code
        await cid.offer(ann.session_id)  # no member
        await ann.offer(cid.session_id)  # to no member
        await ann.offer(bob.session_id)  # who does not want Ann's own voice
        await ann.offer("s-NOBODY00")
        await bob.offer(ann.session_id, room_code="000000")
        await bob.offer(ann.session_id)

        assert (await ann.next("webrtc_offer"))["to"] == bob.session_id
        assert not any(frame["type"] == "error" for frame in ann.seen + bob.seen + cid.seen)
        assert not bob.told("webrtc_offer")
        assert not cid.told("webrtc_offer")


@pytest.mark.req("RM1")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<b onclick=x>&amp;", "<b onclick=x>&amp;"),
        ("A" * 10_000, "A" * 64),
        ("مرحبا", "مرحبا"),
        ("a\u202eb\n\n\tc\x00", "a b c"),
        ("  ", ""),
    ],
)
async def test_a_name_is_one_short_line_of_text(lingua: Lingua, name: str, shown: str) -> None:
    async with Member.open(lingua.url(PATH), PAIR) as ann:
        await ann.send({"type": "room_create", "client_ts": 1, "display_name": name})
        members = await ann.next("room_members")

    assert list_names(members) == [shown]
