"""Rooms in Redis: one script a transition, so that members on any instances see one room."""

import contextlib
from asyncio import Future
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from scheduling.model import errors
from scheduling.model.limits import RoomLimits
from scheduling.model.rooms import Audience, Caption, Member, MemberKind, Room
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import is_done
from scheduling.store.seals import Seal, make_reader

T = TypeVar("T")
# Preferences of one member; a stranger's id counts as well as a member's.
_MOST_PREFERENCES = 100
# Keys outlive the timer that ends a room, which tells its members.
_SLACK_MS = 120_000

_encode = msgspec.json.encode
_read_member = msgspec.json.Decoder(Member).decode
_decode_caption = msgspec.json.Decoder(Caption).decode


class RoomChange(msgspec.Struct, frozen=True):
    """A room after a change, or the word for why there was none."""

    room: Room | None
    why_not: str = ""


class RoomStore:
    """The only reader and writer of ``{room:<code>}`` keys."""

    def __init__(
        self, connection: Connection, *, keys: Keys, limits: RoomLimits, seal: Seal | None = None
    ) -> None:
        self._connection = connection
        self._seal = seal
        self._read_caption = make_reader(_decode_caption, seal)
        self._keys = keys.room
        self._limits = limits
        self._life_ms = limits.idle_ms + _SLACK_MS
        self.test_clock = ""

    def create(self, room: Room, member: Member) -> "Future[bool]":
        """Open a room as it is described, with one member; False where the code is another's.

        One that is open already stays as it is.
        """
        return self._connection.run_script(
            "create_room",
            keys=[self._keys.state(room.code), self._keys.members(room.code)],
            args=[
                room.room_id,
                member.member_id,
                _encode(member),
                member.lang,
                room.host_id,
                room.next_index,
                room.version,
                self._life_ms,
                self.test_clock,
            ],
            read=is_done,
        )

    def join(self, code: str, member: Member, *, takes_over: bool = False) -> "Future[RoomChange]":
        """Seat somebody; ``unknown``, ``already``, ``full`` … say why not.

        With `takes_over` a seat that it has is this one from now on.
        """
        is_listener = member.kind is MemberKind.LISTENER
        most = self._limits.most_listeners if is_listener else self._limits.most_members
        return self._connection.run_script(
            "join_room",
            keys=self._all_keys(code)[:3],
            args=[
                member.member_id,
                member.kind,
                _encode(member),
                member.lang,
                most,
                "1" if takes_over else "",
                self._life_ms,
                self.test_clock,
                self._limits.most_languages,
            ],
            read=_make_reader(code),
        )

    def leave(
        self, code: str, *, member_id: str, kind: MemberKind, instance_id: str = ""
    ) -> "Future[RoomChange]":
        """Free a seat; ``unknown`` or, where it is at another instance than named, ``elsewhere``.

        Whoever is in no seat changes nothing, and is answered alike.
        """
        return self._connection.run_script(
            "leave_room",
            keys=self._all_keys(code),
            args=[member_id, kind, instance_id],
            read=_make_reader(code),
        )

    def drop_listeners(self, code: str, *, instance_id: str) -> "Future[int]":
        """Free the seats of all who listened at an instance; return how many those were."""
        return self._connection.run_script(
            "drop_listeners",
            keys=[self._keys.state(code), self._keys.listeners(code)],
            args=[instance_id],
            read=lambda raw: int(raw[1]),
        )

    def prefer(
        self, code: str, *, member_id: str, target_id: str, wanted: bool
    ) -> "Future[RoomChange]":
        """Note whose own voice a member wants; ``unknown``, ``stranger`` or ``full``."""
        return self._connection.run_script(
            "prefer_raw_voice",
            keys=self._all_keys(code)[:3],
            args=[member_id, target_id, "1" if wanted else "", _MOST_PREFERENCES],
            read=_make_reader(code),
        )

    def choose_language(
        self, code: str, *, member_id: str, kind: MemberKind, lang: str
    ) -> "Future[RoomChange]":
        """Let somebody listen in another language; ``unknown``, ``stranger`` or ``languages``."""
        return self._connection.run_script(
            "choose_room_language",
            keys=self._all_keys(code)[:3],
            args=[member_id, kind, lang, self._limits.most_languages],
            read=_make_reader(code),
        )

    def say(
        self, code: str, *, member_id: str, own_index: int, draws: bool = True
    ) -> "Future[Audience | None]":
        """Draw the place of an utterance, at least `own_index`; None: not in such a room."""
        return self._connection.run_script(
            "say_in_room",
            keys=self._all_keys(code)[:2],
            args=[member_id, own_index, "1" if draws else ""],
            read=lambda raw: (
                Audience(utterance_index=int(raw[1]), langs=tuple(sorted(raw[2:])))
                if raw[0] == 1
                else None
            ),
        )

    def keep(self, caption: Caption) -> "Future[str | None]":
        """Note what was said; return the caption's id, ``""`` where none are kept.

        None: the room is over.
        """
        text = _encode(msgspec.structs.replace(caption, audio="", audio_format=""))
        limits = self._limits
        return self._connection.run_script(
            "keep_caption",
            keys=self._all_keys(caption.room_code),
            args=[
                text if self._seal is None else self._seal.close(text),
                limits.captions_ms,
                limits.most_captions,
                self._life_ms,
                self.test_clock,
            ],
            read=lambda raw: str(raw[1]) if raw[0] == 1 else None,
        )

    def list_captions(self, code: str, *, after: str = "-") -> "Future[list[Caption]]":
        """Return the captions of the last minutes, those after an id where one is named.

        Without those that no key of ours opens.
        """
        since = after if after == "-" else f"({after}"
        return self._connection.execute(
            "XRANGE", self._keys.captions(code), since, "+", read=self._read_captions
        )

    def drop_captions(self, code: str, *, caption_ids: Sequence[str]) -> "Future[int]":
        """Forget captions; return how many there were."""
        return self._connection.execute("XDEL", self._keys.captions(code), *caption_ids)

    def end(self, code: str, *, idle_ms: int = 0) -> "Future[int | None]":
        """End a room that was idle for so long; return 0, or how many ms it has left.

        None: there is no such room.
        """
        return self._connection.run_script(
            "end_room",
            keys=self._all_keys(code),
            args=[idle_ms, self.test_clock],
            read=_read_end,
        )

    def _read_captions(self, raw: list[Any]) -> list[Caption]:
        captions = []
        for entry, fields in raw:
            with contextlib.suppress(errors.PayloadUnreadable):
                caption = self._read_caption(fields["caption"])
                captions.append(msgspec.structs.replace(caption, caption_id=entry))
        return captions

    def _all_keys(self, code: str) -> list[str]:
        keys = self._keys
        return [keys.state(code), keys.members(code), keys.listeners(code), keys.captions(code)]


def _make_reader(code: str) -> Any:
    def read(raw: list[Any]) -> RoomChange:
        if raw[0] != 1:
            return RoomChange(room=None, why_not=raw[1])
        _, room_id, host_id, next_index, version, listeners, seats = raw
        members = sorted(
            map(_read_member, seats), key=lambda one: (one.joined_at_ms, one.member_id)
        )
        room = Room(
            code=code,
            room_id=room_id,
            host_id=host_id,
            members=tuple(members),
            version=int(version),
            listeners=int(listeners),
            next_index=int(next_index),
        )
        return RoomChange(room=room)

    return read


def _read_end(raw: list[Any]) -> int | None:
    if raw[0] == 1:
        return 0
    return int(raw[2]) if raw[1] == "alive" else None
