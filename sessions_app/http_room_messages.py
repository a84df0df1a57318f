"""What members of rooms without a socket say, and what they are told (RM1)."""

from typing import Annotated

from msgspec import Meta

from sessions_app.message_fields import LanguageCode, RoomCode, ShortText, check_tags
from sessions_app.messages import Spoken
from sessions_app.room_messages import RoomMember
from sockets.reader import MessageReader
from sockets.wire import Message

Proof = Annotated[str, Meta(min_length=1, max_length=256)]


class EnterRoom(Spoken, frozen=True):
    """How somebody speaks, what it listens in, and how it is to be shown.

    `room_code` is the room that it joins; who opens one names none.
    """

    src_lang: LanguageCode
    tgt_lang: LanguageCode
    room_code: RoomCode | None = None
    tenant_id: ShortText | None = None
    display_name: str | None = None
    preferred_lang: LanguageCode | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.preferred_lang is not None:
            check_tags("preferred_lang", (self.preferred_lang,))


class Membership(Message, frozen=True):
    """Whose seat in which room it is about."""

    room_code: RoomCode
    session_id: ShortText
    member_token: Proof


class ChooseLanguage(Membership, frozen=True):
    """What a member listens in from now on."""

    preferred_lang: LanguageCode

    def __post_init__(self) -> None:
        check_tags("preferred_lang", (self.preferred_lang,))


class Seated(Message, frozen=True, omit_defaults=False):
    """Who came into a room, and who is there; `member_token` is told this once."""

    room_code: str
    room_id: str
    session_id: str
    member_token: str
    members: tuple[RoomMember, ...]


class Departed(Message, frozen=True, omit_defaults=False):
    """A room that its member is in no more."""

    room_code: str


class LanguageNoted(Message, frozen=True, omit_defaults=False):
    """What a member listens in, as it is understood."""

    room_code: str
    preferred_lang: str


reader: MessageReader[EnterRoom] = MessageReader(EnterRoom)
membership_reader: MessageReader[Membership] = MessageReader(Membership)
language_reader: MessageReader[ChooseLanguage] = MessageReader(ChooseLanguage)
