"""The messages of rooms: first what members say, then what they are told."""

import msgspec

from sessions_app.message_fields import LanguageCode, Moment, ShortText, check_tags
from sockets.wire import Message

# Of what browsers tell each other, in bytes; a session description has some thousands.
LONGEST_SIGNAL = 65_536


class _Seated(Message, frozen=True, kw_only=True):
    """How somebody is to be shown in a room, and what it listens in."""

    display_name: str | None = None
    preferred_lang: LanguageCode | None = None

    def __post_init__(self) -> None:
        if self.preferred_lang is not None:
            check_tags("preferred_lang", (self.preferred_lang,))


class CreateRoom(_Seated, frozen=True, tag="room_create"):
    client_ts: Moment


class JoinRoom(_Seated, frozen=True, tag="room_join"):
    room_code: str


class LeaveRoom(Message, frozen=True, tag="room_leave"):
    room_code: str


class PreferRawVoice(Message, frozen=True, tag="room_raw_voice_preference"):
    room_code: str
    target_session_id: ShortText
    receive_raw_voice: bool


class ChangeLanguageInRoom(Message, frozen=True, tag="room_language"):
    """Listen in another language from now on."""

    room_code: str
    preferred_lang: LanguageCode

    def __post_init__(self) -> None:
        check_tags("preferred_lang", (self.preferred_lang,))


class EndRoom(Message, frozen=True, tag="room_end"):
    """End a room for everybody in it; whoever opened it may."""

    room_code: str


class OfferWebRtc(Message, frozen=True, tag="webrtc_offer"):
    """In a room: for another's browser; on its way out `to` names who sends it."""

    room_code: str
    to: ShortText
    sdp: msgspec.Raw

    def __post_init__(self) -> None:
        _check_signal("sdp", self.sdp)


class AnswerWebRtc(Message, frozen=True, tag="webrtc_answer"):
    room_code: str
    to: ShortText
    sdp: msgspec.Raw

    def __post_init__(self) -> None:
        _check_signal("sdp", self.sdp)


class ConnectWebRtc(Message, frozen=True, tag="webrtc_ice"):
    room_code: str
    to: ShortText
    candidate: msgspec.Raw

    def __post_init__(self) -> None:
        _check_signal("candidate", self.candidate)


def _check_signal(field: str, value: msgspec.Raw) -> None:
    """Check that what is passed on from browser to browser is no parcel.

    :raises ValueError: names the field; while decoding it becomes a validation error
    """
    if len(memoryview(value)) > LONGEST_SIGNAL:
        raise ValueError(f"{field}: longer than {LONGEST_SIGNAL} bytes")


Signal = OfferWebRtc | AnswerWebRtc | ConnectWebRtc
InRoom = (
    CreateRoom | JoinRoom | LeaveRoom | PreferRawVoice | ChangeLanguageInRoom | EndRoom | Signal
)


class RoomCreated(Message, frozen=True, tag="room_create_ack"):
    """The room is there; also to who joins, before its members are named."""

    room_code: str
    room_id: str


class RoomMember(msgspec.Struct, frozen=True, omit_defaults=True):
    """A member of a room who speaks, as its pages show it."""

    participant_id: str
    session_id: str
    joined_at: str
    display_name: str | None = None
    preferred_lang: str | None = None
    raw_voice_preferences: dict[str, bool] = {}


class RoomMembers(Message, frozen=True, tag="room_members"):
    """Who speaks in the room, in the order they came."""

    room_code: str
    members: tuple[RoomMember, ...]


class RoomExpired(Message, frozen=True, tag="room_expired"):
    room_code: str
    message: str


class RoomRefused(Message, frozen=True, tag="room_error"):
    code: str
    message: str


OfRoom = RoomCreated | RoomMembers | RoomExpired | RoomRefused | Signal
