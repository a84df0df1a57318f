"""Whatever is done to a room, in any order and twice: the scripts do what the model does."""

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from scheduling.model.rooms import Member, MemberKind, Room
from scheduling.store.rooms import RoomChange
from tests.properties.machine import StoreMachine, search
from tests.properties.room_model import RoomModel, Seat
from tests.redis_under_test import OwnRedis
from tests.scripts.fixtures import ROOM_LIMITS

CODE = "482913"
members = st.sampled_from(["s-1", "s-2", "s-3", "s-4"])
langs = st.sampled_from(["en", "es", "zh-tw"])
instances = st.sampled_from(["i1", "i2"])
listening = st.booleans()


def make_seat(member_id: str, lang: str, instance_id: str, *, listens: bool = False) -> Member:
    return Member(
        member_id=member_id,
        joined_at_ms=int(member_id[2:]),
        lang=lang,
        instance_id=instance_id,
        kind=MemberKind.LISTENER if listens else MemberKind.SPEAKER,
    )


class RoomAgainstModel(StoreMachine):
    """One code; the scripts and the model hear the same, and say the same."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.model = RoomModel(
            most_members=ROOM_LIMITS.most_members,
            most_listeners=ROOM_LIMITS.most_listeners,
            idle_ms=ROOM_LIMITS.idle_ms,
        )
        self.version = 0

    def _compare(self, change: RoomChange, why_not: str) -> None:
        assert change.why_not == why_not
        if change.room is None:
            return
        room, model = change.room, self.model
        shown = {one.member_id: (one.lang, one.instance_id, one.raw_voice) for one in room.members}
        meant = {
            key: (seat.lang, seat.instance_id, seat.wants) for key, seat in model.members.items()
        }
        assert shown == meant
        assert room.listeners == len(model.listeners)
        assert room.version > self.version
        self.version = room.version

    @rule(member_id=members, lang=langs, room_id=st.sampled_from(["r1", "r2"]))
    def create(self, member_id: str, lang: str, room_id: str) -> None:
        member = make_seat(member_id, lang, "i1")
        room = Room(code=CODE, room_id=room_id, host_id=member_id, members=(member,))
        meant = self.model.create(room_id, member_id, Seat(lang, "i1"), self.now_ms)
        assert self.call(self.stores.rooms.create, room=room, member=member) == meant
        if not self.model.members:
            self.version = 0

    @rule(
        member_id=members,
        lang=langs,
        instance_id=instances,
        listens=listening,
        takes_over=st.booleans(),
    )
    def join(self, **seat: Any) -> None:
        listens, takes_over = seat.pop("listens"), seat.pop("takes_over")
        change = self.call(
            self.stores.rooms.join,
            code=CODE,
            member=make_seat(listens=listens, **seat),
            takes_over=takes_over,
        )
        had = self._find_seat(seat["member_id"], listens=listens)
        same = Seat(seat["lang"], seat["instance_id"])
        why_not = self.model.join(
            seat["member_id"],
            same,
            self.now_ms,
            listens=listens,
            # The same call, sent twice, is one.
            takes_over=takes_over or had == same,
        )
        self._compare(change, why_not)

    @rule(member_id=members, instance_id=st.sampled_from(["", "i1", "i2"]), listens=listening)
    def leave(self, **who: Any) -> None:
        kind = MemberKind.LISTENER if who["listens"] else MemberKind.SPEAKER
        change = self.call(
            self.stores.rooms.leave,
            code=CODE,
            member_id=who["member_id"],
            kind=kind,
            instance_id=who["instance_id"],
        )
        self._compare(change, self.model.leave(**who))
        if not self.model.room_id:
            self.version = 0

    @rule(member_id=members, target_id=members, wanted=st.booleans())
    def prefer(self, **said: Any) -> None:
        change = self.call(self.stores.rooms.prefer, code=CODE, **said)
        self._compare(change, self.model.prefer(**said))

    @rule(member_id=members, lang=langs, listens=listening)
    def choose(self, **said: Any) -> None:
        listens = said["listens"]
        change = self.call(
            self.stores.rooms.choose_language,
            code=CODE,
            member_id=said["member_id"],
            kind=MemberKind.LISTENER if listens else MemberKind.SPEAKER,
            lang=said["lang"],
        )
        self._compare(change, self.model.choose(**said))

    @rule(member_id=members, own_index=st.integers(0, 5))
    def say(self, member_id: str, own_index: int) -> None:
        audience = self.call(
            self.stores.rooms.say, code=CODE, member_id=member_id, own_index=own_index
        )
        meant = self.model.say(member_id, own_index)
        found = audience and (audience.utterance_index, list(audience.langs))
        assert found == meant

    @rule(span_ms=st.sampled_from([0, 1, ROOM_LIMITS.idle_ms - 1, ROOM_LIMITS.idle_ms]))
    def wait_and_look(self, span_ms: int) -> None:
        """Time passes, and the room's timer is due."""
        self.pass_time(span_ms)
        left_ms = self.call(self.stores.rooms.end, code=CODE, idle_ms=ROOM_LIMITS.idle_ms)
        assert left_ms == self.model.end(self.now_ms)
        if not self.model.room_id:
            self.version = 0

    @invariant()
    def nothing_is_left_of_a_room_that_is_over(self) -> None:
        keys = self.stores.keys.room
        each = [keys.state(CODE), keys.members(CODE), keys.listeners(CODE), keys.captions(CODE)]
        left = self.wait(self.stores.connection.execute_all([("PTTL", key) for key in each]))
        if not self.model.room_id:
            assert left == [-2] * 4
        else:
            assert -1 not in left, "a key that never ends"

    def _find_seat(self, member_id: str, *, listens: bool) -> Seat | None:
        seats = self.model.listeners if listens else self.model.members
        return seats.get(member_id)


@pytest.mark.req("RM1", "RM2", "RM3")
def test_a_room_does_what_its_model_does(redis_server: OwnRedis) -> None:
    search(RoomAgainstModel, redis_server.url)
