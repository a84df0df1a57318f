"""The scripts of rooms: what each leaves behind, sent once or twice (RM1, RM2)."""

import msgspec
import pytest

from scheduling.model.limits import RoomLimits
from scheduling.model.rooms import Caption, Member, MemberKind, Room
from scheduling.store.rooms import RoomStore
from tests.scripts.fixtures import ROOM_LIMITS, START_MS, Stores

CODE = "482913"
SPEAKER, LISTENER = MemberKind.SPEAKER, MemberKind.LISTENER


def make_member(
    member_id: str = "s-1", *, lang: str = "en", kind: MemberKind = SPEAKER, instance_id: str = "i1"
) -> Member:
    return Member(
        member_id=member_id, joined_at_ms=START_MS, lang=lang, instance_id=instance_id, kind=kind
    )


def make_room(room_id: str = "r1", **other: int) -> Room:
    return Room(code=CODE, room_id=room_id, host_id="s-1", members=(), **other)


def make_caption(text: str) -> Caption:
    return Caption(
        room_code=CODE,
        lang="es",
        speaker_id="s-1",
        speaker_name="Ann",
        utterance_index=0,
        at_ms=START_MS,
        text=text,
        audio="AAAA",
        audio_format="pcm16",
    )


async def read(stores: Stores, kind: str) -> dict[str, str]:
    found: dict[str, str] = await stores.connection.execute(
        "HGETALL", getattr(stores.keys.room, kind)(CODE)
    )
    return found


@pytest.mark.req("RM1")
async def test_a_code_is_one_rooms(stores: Stores) -> None:
    made = [await stores.rooms.create(make_room(), make_member()) for _ in range(2)]

    assert made == [True, True]
    assert not await stores.rooms.create(make_room("r2"), make_member("s-2"))
    state = await read(stores, "state")
    assert state == {
        "room_id": "r1",
        "host": "s-1",
        "next_index": "0",
        "version": "0",
        "active_at_ms": str(START_MS),
        "want:en": "1",
    }
    assert list(await read(stores, "members")) == ["s-1"]


@pytest.mark.req("RM2")
async def test_a_room_that_redis_lost_goes_on_from_what_was_known_of_it(stores: Stores) -> None:
    known = make_room(next_index=7, version=40)
    await stores.rooms.create(known, make_member())

    joined = await stores.rooms.join(CODE, make_member("s-2"))

    assert joined.room is not None
    assert (joined.room.next_index, joined.room.version) == (7, 41)


@pytest.mark.req("RM1")
async def test_joining_once_more_is_refused_unless_the_seat_is_taken_over(stores: Stores) -> None:
    await stores.rooms.create(make_room(), make_member())
    moved = make_member(lang="es", instance_id="i2")

    assert (await stores.rooms.join(CODE, moved)).why_not == "already"
    taken = await stores.rooms.join(CODE, moved, takes_over=True)

    assert taken.room is not None
    assert taken.room.members == (moved,)
    state = await read(stores, "state")
    assert {key for key in state if key.startswith("want:")} == {"want:es"}


@pytest.mark.req("RM1")
async def test_speakers_and_listeners_have_room_of_their_own(stores: Stores) -> None:
    await stores.rooms.create(make_room(), make_member())
    limits = {SPEAKER: ROOM_LIMITS.most_members - 1, LISTENER: ROOM_LIMITS.most_listeners}
    for kind, most in limits.items():
        came = [
            await stores.rooms.join(CODE, make_member(f"{kind}-{each}", kind=kind))
            for each in range(most + 1)
        ]
        assert [one.why_not for one in came] == [*([""] * most), "full"]
    last = await stores.rooms.leave(CODE, member_id="nobody", kind=SPEAKER)

    assert last.room is not None
    assert len(last.room.members) == ROOM_LIMITS.most_members
    assert last.room.listeners == ROOM_LIMITS.most_listeners


@pytest.mark.req("RM3")
async def test_one_language_too_many_is_refused_wherever_it_comes_from(stores: Stores) -> None:
    limits = RoomLimits(most_languages=2)
    rooms = RoomStore(stores.connection, keys=stores.keys, limits=limits)
    await rooms.create(make_room(), make_member(lang="en"))
    assert (await rooms.join(CODE, make_member("s-2", lang="es"))).room is not None

    for member in (make_member("s-3", lang="fr"), make_member("l-1", lang="fr", kind=LISTENER)):
        assert (await rooms.join(CODE, member)).why_not == "languages"
    assert (await rooms.join(CODE, make_member("l-2", lang="es", kind=LISTENER))).room is not None
    refused = await rooms.choose_language(CODE, member_id="l-2", kind=LISTENER, lang="fr")
    chosen = await rooms.choose_language(CODE, member_id="s-1", kind=SPEAKER, lang="fr")
    moved = await rooms.join(CODE, make_member("s-2", lang="de"), takes_over=True)

    assert (refused.why_not, chosen.why_not, moved.why_not) == ("languages", "", "")
    state = await read(stores, "state")
    wanted = {key: value for key, value in state.items() if key.startswith("want:")}
    assert wanted == {"want:fr": "1", "want:es": "1", "want:de": "1"}


@pytest.mark.req("RM1")
async def test_the_last_who_leaves_takes_all_of_the_room_along(stores: Stores) -> None:
    await stores.rooms.create(make_room(), make_member())
    await stores.rooms.join(CODE, make_member("l-1", kind=LISTENER))
    await stores.rooms.keep(make_caption("hola"))
    await stores.rooms.leave(CODE, member_id="s-1", kind=SPEAKER)
    assert await stores.rooms.list_captions(CODE)

    await stores.rooms.leave(CODE, member_id="l-1", kind=LISTENER)

    keys = stores.keys.room
    for key in (keys.state, keys.members, keys.listeners, keys.captions):
        assert not await stores.connection.execute("EXISTS", key(CODE))
    assert (await stores.rooms.leave(CODE, member_id="l-1", kind=LISTENER)).why_not == "unknown"


@pytest.mark.req("RM2")
async def test_a_seat_that_moved_is_not_freed_for_the_instance_it_was_at(stores: Stores) -> None:
    await stores.rooms.create(make_room(), make_member())
    await stores.rooms.join(CODE, make_member(instance_id="i2"), takes_over=True)

    left = await stores.rooms.leave(CODE, member_id="s-1", kind=SPEAKER, instance_id="i1")

    assert left.why_not == "elsewhere"
    assert list(await read(stores, "members")) == ["s-1"]


@pytest.mark.req("RM2")
async def test_of_two_sockets_of_one_session_the_later_has_the_seat(stores: Stores) -> None:
    first, later, earlier = [
        msgspec.structs.replace(make_member(instance_id=f"i{epoch}"), conn_epoch=epoch)
        for epoch in (1, 3, 2)
    ]
    await stores.rooms.create(make_room(), first)
    assert (await stores.rooms.join(CODE, later, takes_over=True)).room is not None

    assert (await stores.rooms.join(CODE, earlier, takes_over=True)).why_not == "elsewhere"

    left = await stores.rooms.leave(CODE, member_id="nobody", kind=SPEAKER)
    assert left.room is not None
    assert left.room.members == (later,)


@pytest.mark.req("RM3")
async def test_what_is_said_is_for_the_languages_of_others(stores: Stores) -> None:
    rooms = stores.rooms
    await rooms.create(make_room(), make_member(lang="en"))
    await rooms.join(CODE, make_member("s-2", lang="es"))
    first = await rooms.say(CODE, member_id="s-1", own_index=0)
    await rooms.join(CODE, make_member("l-1", lang="en", kind=LISTENER))
    second = await rooms.say(CODE, member_id="s-1", own_index=5)
    third = await rooms.say(CODE, member_id="s-2", own_index=0)

    said = [each and (each.utterance_index, each.langs) for each in (first, second, third)]
    assert said == [(0, ("es",)), (5, ("en", "es")), (6, ("en",))]
    assert await rooms.say(CODE, member_id="l-1", own_index=0) is None
    assert await rooms.say("000000", member_id="s-1", own_index=0) is None


@pytest.mark.req("RM3")
async def test_who_numbers_from_far_on_uses_up_no_numbers_of_others(stores: Stores) -> None:
    await stores.rooms.create(make_room(), make_member())
    said = [
        await stores.rooms.say(CODE, member_id="s-1", own_index=own)
        for own in (2**53 - 1, 0, 2**52, 2**52 - 1, 0)
    ]

    indices = [each.utterance_index for each in said if each]
    assert indices == [0, 1, 2, 2**52 - 1, 2**52]


@pytest.mark.req("RM6")
async def test_captions_are_kept_without_speech_for_who_joins_late(stores: Stores) -> None:
    await stores.rooms.create(make_room(), make_member())
    kept = [await stores.rooms.keep(make_caption(text)) for text in ("uno", "dos")]

    listed = await stores.rooms.list_captions(CODE)
    later = await stores.rooms.list_captions(CODE, after=kept[0] or "")

    assert [each.caption_id for each in listed] == kept
    bare = msgspec.structs.replace(make_caption("dos"), audio="", audio_format="")
    assert later == [msgspec.structs.replace(bare, caption_id=kept[1])]
    left_ms = await stores.connection.execute("PTTL", stores.keys.room.captions(CODE))
    assert 0 < left_ms <= ROOM_LIMITS.captions_ms


@pytest.mark.req("RM6")
async def test_where_no_captions_are_kept_there_are_none(stores: Stores) -> None:
    rooms = RoomStore(stores.connection, keys=stores.keys, limits=RoomLimits(captions_ms=0))
    await rooms.create(make_room(), make_member())

    assert await rooms.keep(make_caption("uno")) == ""
    assert await rooms.list_captions(CODE) == []
    assert await rooms.keep(msgspec.structs.replace(make_caption("x"), room_code="1")) is None


@pytest.mark.req("RM1")
async def test_a_room_ends_when_it_was_idle_for_long(stores: Stores) -> None:
    await stores.rooms.create(make_room(), make_member())
    stores.advance_clock(ROOM_LIMITS.idle_ms - 1)
    assert await stores.rooms.end(CODE, idle_ms=ROOM_LIMITS.idle_ms) == 1
    await stores.rooms.keep(make_caption("uno"))
    stores.advance_clock(1)
    assert await stores.rooms.end(CODE, idle_ms=ROOM_LIMITS.idle_ms) == ROOM_LIMITS.idle_ms - 1
    stores.advance_clock(ROOM_LIMITS.idle_ms)

    ended = [await stores.rooms.end(CODE, idle_ms=ROOM_LIMITS.idle_ms) for _ in range(2)]

    assert ended == [0, None]
    assert await read(stores, "members") == {}


@pytest.mark.req("RM1")
async def test_preferences_of_one_member_are_bounded(stores: Stores) -> None:
    await stores.rooms.create(make_room(), make_member())
    told = [
        await stores.rooms.prefer(CODE, member_id="s-1", target_id=f"s-x{each}", wanted=False)
        for each in range(101)
    ]

    assert [one.why_not for one in told] == [*([""] * 100), "full"]
    again = await stores.rooms.prefer(CODE, member_id="s-1", target_id="s-x7", wanted=True)
    assert again.room is not None
    assert again.room.members[0].hears("s-x7")
    assert not again.room.members[0].hears("s-x8")
    assert again.room.members[0].hears("s-other")
