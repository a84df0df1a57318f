"""Rooms: who is in one, what is said there, and what its members are told (RM)."""

from enum import StrEnum

import msgspec

CODE_LENGTH = 6
SPEAKER_LEFT = "speaker_left"
"""Why there will be no text of what somebody began to say."""


class MemberKind(StrEnum):
    """Who speaks in a room, and who only listens."""

    SPEAKER = "speaker"
    LISTENER = "listener"


class Member(msgspec.Struct, frozen=True, omit_defaults=True):
    """One seat of a room; of a speaker `member_id` is the session's.

    `lang` is what it listens in; `named_lang` says that it asked for that, `instance_id` where its
    socket is, `may_return` that it may come back after that closed; of two sockets the one with the
    higher `conn_epoch` has the seat. `raw_voice` says by session id
    whose own voice it wants; who is missing it wants.
    """

    member_id: str
    joined_at_ms: int
    lang: str
    instance_id: str
    kind: MemberKind = MemberKind.SPEAKER
    display_name: str = ""
    named_lang: bool = False
    may_return: bool = False
    conn_epoch: int = 0
    raw_voice: dict[str, bool] = {}

    def hears(self, session_id: str) -> bool:
        """Say whether it wants a speaker's own voice."""
        return self.raw_voice.get(session_id, True)


class Room(msgspec.Struct, frozen=True):
    """A room as it stands; `members` are its speakers, in the order they came.

    `version` grows with each change: what is told of a room may come in another order.
    """

    code: str
    room_id: str
    host_id: str
    members: tuple[Member, ...]
    version: int = 0
    listeners: int = 0
    next_index: int = 0

    def find(self, member_id: str) -> Member | None:
        """Return a speaker's seat."""
        return next((one for one in self.members if one.member_id == member_id), None)


class RoomStanding(msgspec.Struct, frozen=True):
    """A room as operators see it: who is in it, and which languages are wanted."""

    code: str
    host_id: str
    members: tuple[Member, ...]
    listeners: int
    languages: tuple[str, ...]
    active_at_ms: int


class Audience(msgspec.Struct, frozen=True):
    """Who an utterance is for: its index in the room, and the languages that others listen in."""

    utterance_index: int
    langs: tuple[str, ...]


class SaidPlace(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where an utterance is in its room, and in which languages it was asked for.

    `own_index` is its number in its session. Who listens in `own_lang` reads it as it was said.
    """

    own_index: int
    room_code: str
    index: int
    langs: tuple[str, ...]
    speaker_name: str = ""
    own_lang: str = ""


class Seat(msgspec.Struct, frozen=True, array_like=True):
    """Where a session that may move sits, what it said that is not answered, and what it was shown.

    `shown` is the last caption it had when its socket was lost.
    """

    code: str
    member: Member
    said: tuple[SaidPlace, ...] = ()
    shown: str = ""


class Caption(msgspec.Struct, frozen=True, omit_defaults=True, tag="caption"):
    """To who listens in `lang`: what a member said, or a part of it that may still change.

    `caption_id` is its entry in the room's stream, ``""`` where it is not kept. One with a `reason`
    says that there will be no text. `audio` is base64 in `audio_format`. `langs` are all it was
    asked for in: who chose another since then hears it in the one it listened in before.
    """

    room_code: str
    lang: str
    speaker_id: str
    speaker_name: str
    utterance_index: int
    at_ms: int
    text: str = ""
    source_text: str = ""
    is_final: bool = True
    reason: str = ""
    caption_id: str = ""
    job_id: str = ""
    trace_id: str = ""
    audio: str = ""
    audio_format: str = ""
    langs: tuple[str, ...] = ()
    # Of a part: what is committed of it, and which clause it speaks.
    attempt: int = 0
    tail: str = ""
    clause: int = -1


class MembersChanged(msgspec.Struct, frozen=True, tag="members_changed"):
    """To everybody in a room: who speaks in it now."""

    room: Room


class RoomEnded(msgspec.Struct, frozen=True, tag="room_ended"):
    """To everybody in a room: it is over; `reason` is ``expired`` or ``ended``."""

    room_code: str
    reason: str


ToRoom = Caption | MembersChanged | RoomEnded
