"""Those who listen in a room: seated, told, moved to another language, and gone (RM6)."""

import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from lingua.composition.rooms import RoomParts, build_rooms
from scheduling.access.admissions import Admission
from scheduling.model.credentials import Principal, Scope
from scheduling.model.errors import AccessDenied, BadInput, Refusal, RoomFull, RoomUnknown
from scheduling.model.limits import RoomLimits
from scheduling.model.metrics import Metrics
from scheduling.model.rooms import Caption, MemberKind, Room, ToRoom
from scheduling.rooms.rooms import make_member
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.timers import TimerStore
from sessions_app.listening.caption_queue import CaptionQueue
from sessions_app.listening.listener import Listener
from sessions_app.listening.listener_seats import ListenerSeats
from sockets.outbound import OutboundLimits
from sockets.socket_auth import Peer
from tests.redis_under_test import OwnRedis, open_redis
from tests.waiting import eventually

pytestmark = pytest.mark.req("RM6")

NOBODY = Peer(sender="10.0.0.7")


@dataclasses.dataclass(kw_only=True)
class Scene:
    """One instance's rooms and audience, and what its listeners were told."""

    parts: RoomParts
    seats: ListenerSeats
    redis: Any
    keys: Keys

    async def open_room(self) -> Room:
        member = make_member("s-00000001", lang="en", instance_id="here")
        return await self.parts.rooms.create(member, sender="host")

    async def listen(
        self, code: str, lang: str = "es", *, after: str = "", peer: Peer = NOBODY
    ) -> "Ear":
        ear = Ear()
        await self.seats.listen(ear.listener, room_code=code, lang=lang, after=after, peer=peer)
        return ear

    async def say(self, code: str, index: int, lang: str = "es", **fields: Any) -> None:
        caption = Caption(
            room_code=code,
            lang=lang,
            speaker_id="s-00000001",
            speaker_name="Ana",
            utterance_index=index,
            at_ms=index,
            text=f"frase {index}",
        )
        await self.parts.captions.show(msgspec.structs.replace(caption, **fields))

    async def find_wanted(self, code: str) -> set[str]:
        """Return the languages that somebody other than the host listens in."""
        found = await self.parts.captions.find_audience(
            code, member_id="s-00000001", own_index=0, draws=False
        )
        return set(found.langs) if found else set()

    async def find_room(self, code: str) -> Room | None:
        """Return a room as Redis has it."""
        left = await self.parts.rooms._store.leave(
            code, member_id="nobody", kind=MemberKind.LISTENER
        )
        return left.room


class Everything:
    """Notes all that a room is told."""

    def __init__(self, told: list[ToRoom]) -> None:
        self._told = told

    def hear(self, event: ToRoom) -> None:
        self._told.append(event)


class Ear:
    """A listener whose queue writes at once."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.listener = Listener(
            CaptionQueue(self._send, limits=OutboundLimits(), write=self._write)
        )

    def texts(self) -> list[str]:
        return [one["text"] for one in self.told if one["type"] == "caption"]

    def kinds(self) -> list[str]:
        return [one["type"] for one in self.told]

    def _write(self, text: str) -> bool:
        self.told.append(json.loads(text))
        return True

    async def _send(self, message: dict[str, Any]) -> None:
        raise AssertionError("everything is written at once")


async def open_scene(redis_server: OwnRedis, prefix: str, **limits: Any) -> Scene:
    redis = open_redis(redis_server.url)
    connection = Connection(redis, metrics=Metrics())
    keys = Keys(prefix)
    parts = build_rooms(
        connection,
        RoomLimits(**limits),
        instance_id="here",
        keys=keys,
        timers=TimerStore(connection, keys=keys, shards=4),
        metrics=Metrics(),
        seal=None,
    )
    seats = ListenerSeats(linger_s=0, rooms=parts.rooms, captions=parts.captions, metrics=Metrics())
    return Scene(parts=parts, seats=seats, redis=connection, keys=keys)


@pytest.fixture
async def scene(redis_server: OwnRedis, prefix: str) -> AsyncIterator[Scene]:
    scene = await open_scene(redis_server, prefix)
    yield scene
    await scene.redis.close()


def hold_ticket(room: Room, **fields: Any) -> Peer:
    principal = Principal(
        principal_id="listeners",
        credential="lat_1",
        scopes=(Scope.LISTEN,),
        room_code=room.code,
        room_id=room.room_id,
    )
    principal = msgspec.structs.replace(principal, **fields)
    return Peer(admission=Admission(principal=principal, connection_id="c"), sender="listeners")


async def refuse(awaitable: Any) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await awaitable
    return refused.value


async def test_a_listener_hears_its_language_and_no_other(scene: Scene) -> None:
    room = await scene.open_room()
    spanish, french = await scene.listen(room.code, "es"), await scene.listen(room.code, "fr")

    await scene.say(room.code, 1, "es")
    await scene.say(room.code, 1, "fr", text="phrase 1")

    assert spanish.texts() == ["frase 1"]
    assert french.texts() == ["phrase 1"]


async def test_a_hundred_listeners_of_one_language_are_one_language_of_the_room(
    scene: Scene,
) -> None:
    room = await scene.open_room()
    ears = [await scene.listen(room.code, "es") for _ in range(100)]

    assert await scene.find_wanted(room.code) == {"es"}
    await scene.say(room.code, 1)
    assert [ear.texts() for ear in ears] == [["frase 1"]] * 100


async def test_the_last_of_a_language_takes_it_along(scene: Scene) -> None:
    room = await scene.open_room()
    first, second = await scene.listen(room.code, "es"), await scene.listen(room.code, "es")

    await scene.seats.leave(first.listener)
    assert await scene.find_wanted(room.code) == {"es"}
    await scene.seats.leave(second.listener)

    assert await scene.find_wanted(room.code) == set()


async def test_who_joins_late_hears_the_last_minutes(scene: Scene) -> None:
    room = await scene.open_room()
    await scene.say(room.code, 1)
    await scene.say(room.code, 1, "fr")
    await scene.say(room.code, 2)

    late = await scene.listen(room.code, "es")
    await scene.say(room.code, 3)

    assert late.kinds()[0] == "listening"
    assert late.texts() == ["frase 1", "frase 2", "frase 3"]


async def test_who_comes_back_hears_what_it_missed(scene: Scene) -> None:
    room = await scene.open_room()
    ear = await scene.listen(room.code, "es")
    await scene.say(room.code, 1)
    await scene.seats.leave(ear.listener)
    await scene.say(room.code, 2)

    back = await scene.listen(room.code, "es", after=ear.told[-1]["caption_id"])

    assert back.texts() == ["frase 2"]


@pytest.mark.parametrize("after", ["nothing", "$", "(1-0", "9" * 60, "9" * 20 + "-0", "-", "1-0\n"])
async def test_who_says_nothing_of_use_about_its_last_caption_hears_all(
    scene: Scene, after: str
) -> None:
    room = await scene.open_room()
    await scene.say(room.code, 1)

    back = await scene.listen(room.code, "es", after=after)

    assert back.texts() == ["frase 1"]


async def test_a_listener_changes_its_language_at_any_time(scene: Scene) -> None:
    room = await scene.open_room()
    ear = await scene.listen(room.code, "es")
    await scene.say(room.code, 1, "fr", text="phrase 1")

    await scene.seats.change_language(ear.listener, lang="fr")
    await scene.say(room.code, 2)
    await scene.say(room.code, 2, "fr", text="phrase 2")

    assert await scene.find_wanted(room.code) == {"fr"}
    assert [one["lang"] for one in ear.told if one["type"] == "listening"] == ["es", "fr"]
    assert ear.texts() == ["phrase 1", "phrase 2"]


async def test_a_language_is_the_same_however_it_is_spelled(scene: Scene) -> None:
    room = await scene.open_room()
    ears = [await scene.listen(room.code, lang) for lang in ("es", "ES", "spa", "es ")]

    assert await scene.find_wanted(room.code) == {"es"}
    await scene.say(room.code, 1, "es")
    assert [ear.texts() for ear in ears] == [["frase 1"]] * 4


async def test_a_language_that_nobody_serves_is_told_to_its_listeners_alone(scene: Scene) -> None:
    room = await scene.open_room()
    spanish, basque = await scene.listen(room.code, "es"), await scene.listen(room.code, "eu")

    await scene.say(room.code, 1, "eu", text="", reason="NO_CAPABLE_NODE")
    await scene.say(room.code, 1, "es")

    (missing,) = [one for one in basque.told if one["type"] == "caption_missing"]
    assert (missing["reason"], missing["utterance_index"]) == ("NO_CAPABLE_NODE", 1)
    assert spanish.kinds() == ["listening", "caption"]


@pytest.mark.parametrize("code", ["000000", "12345", "", "abcdef", "1" * 64])
async def test_a_room_that_is_none_is_refused(scene: Scene, code: str) -> None:
    refusal = await refuse(scene.listen(code))

    assert refusal.code == ("ROOM_NOT_FOUND" if code else "INVALID_MESSAGE")


async def test_a_ticket_is_for_its_room_whether_that_is_named_or_not(scene: Scene) -> None:
    room, other = await scene.open_room(), await scene.open_room()
    ticket = hold_ticket(room)

    named = await scene.listen(room.code, peer=ticket)
    unnamed = await scene.listen("", peer=ticket)
    refusal = await refuse(scene.listen(other.code, peer=ticket))

    assert named.kinds() == unnamed.kinds() == ["listening"]
    assert isinstance(refusal, AccessDenied)
    assert refusal.code == "FORBIDDEN"


async def test_a_ticket_is_not_for_a_later_room_of_the_same_code(scene: Scene) -> None:
    room = await scene.open_room()

    refusal = await refuse(scene.listen(room.code, peer=hold_ticket(room, room_id="before")))

    assert isinstance(refusal, RoomUnknown)
    found = await scene.find_room(room.code)
    assert found is not None
    assert found.listeners == 0


async def test_a_room_has_room_for_so_many(redis_server: OwnRedis, prefix: str) -> None:
    scene = await open_scene(redis_server, prefix, most_listeners=2)
    room = await scene.open_room()
    for _ in range(2):
        await scene.listen(room.code)

    refusal = await refuse(scene.listen(room.code))

    assert isinstance(refusal, RoomFull)
    await scene.redis.close()


async def test_who_listens_elsewhere_has_left_here(scene: Scene) -> None:
    first, second = await scene.open_room(), await scene.open_room()
    ear = await scene.listen(first.code)

    await scene.seats.listen(ear.listener, room_code=second.code, lang="es", after="", peer=NOBODY)
    await scene.say(first.code, 1)
    await scene.say(second.code, 2)

    assert ear.texts() == ["frase 2"]
    assert await scene.find_wanted(first.code) == set()


async def test_who_finds_no_other_room_stays_in_its_own(scene: Scene) -> None:
    room = await scene.open_room()
    ear = await scene.listen(room.code)

    await refuse(
        scene.seats.listen(ear.listener, room_code="000000", lang="es", after="", peer=NOBODY)
    )
    await scene.say(room.code, 1)

    assert ear.texts() == ["frase 1"]


async def test_a_language_before_a_room_is_refused(scene: Scene) -> None:
    refusal = await refuse(scene.seats.change_language(Ear().listener, lang="es"))

    assert isinstance(refusal, BadInput)
    assert refusal.code == "NOT_LISTENING"


async def test_the_end_of_a_room_is_told_and_leaves_nothing(scene: Scene) -> None:
    room = await scene.open_room()
    ear = await scene.listen(room.code)
    await scene.say(room.code, 1)

    assert await scene.parts.upkeep.end(room.code)

    assert ear.kinds() == ["listening", "caption", "room_expired"]
    assert ear.listener.room_code == ""
    assert await scene.redis.execute("EXISTS", *scene.parts.rooms._store._all_keys(room.code)) == 0
    assert (await refuse(scene.listen(room.code))).code == "ROOM_NOT_FOUND"


async def test_listeners_have_their_seats_again_after_redis_lost_its_data(scene: Scene) -> None:
    room = await scene.open_room()
    ears = [await scene.listen(room.code, lang) for lang in ("es", "fr", "es")]
    await scene.redis.execute("DEL", *scene.parts.rooms._store._all_keys(room.code))

    known = scene.parts.broadcast.find(room.code)
    assert known is not None
    restored = await scene.parts.upkeep.restore(known, room.members[0])
    assert restored is not None
    await scene.parts.rooms.tell_members(restored)

    async def has_all() -> bool:
        found = await scene.find_room(room.code)
        return found is not None and found.listeners == 3

    await eventually(has_all)
    assert await scene.find_wanted(room.code) == {"es", "fr"}
    await scene.say(room.code, 1)
    assert ears[0].texts() == ["frase 1"]


async def test_the_seats_of_an_instance_that_died_are_free(scene: Scene) -> None:
    room = await scene.open_room()
    for lang, place in (("es", "there"), ("fr", "there"), ("fr", "elsewhere")):
        member = make_member(lang + place, lang=lang, instance_id=place, kind=MemberKind.LISTENER)
        await scene.parts.rooms.join(room.code, member, sender="10.0.0.7")
    await scene.listen(room.code, "de")

    scene.parts.upkeep.retire_instance("there")

    async def find_wanted() -> set[str]:
        return await scene.find_wanted(room.code)

    await eventually(find_wanted, fits=lambda wanted: wanted == {"fr", "de"})


async def test_nobody_is_told_when_a_listener_leaves(scene: Scene) -> None:
    room = await scene.open_room()
    told: list[ToRoom] = []
    scene.parts.broadcast.attach(room, Everything(told))
    ears = [await scene.listen(room.code) for _ in range(5)]

    for ear in ears:
        await scene.seats.leave(ear.listener)

    assert told == []


async def test_guessing_codes_has_an_end_and_hurts_nobody_else(scene: Scene) -> None:
    room = await scene.open_room()
    told = [
        (await refuse(scene.listen(f"{number:06d}"))).code
        for number in range(30)
        if f"{number:06d}" != room.code
    ]

    assert "RATE_LIMITED" in told
    other = await scene.listen(room.code, peer=Peer(sender="10.0.0.8"))
    assert other.kinds() == ["listening"]
