"""What a scheduler tells who speaks or listens, as typed values; named as in the web client.

Fields that are not here are passed over, and so are messages of other types.
"""

from typing import Any

import msgspec


class Told(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """One message, told apart by its `type`."""


class SessionOpened(Told, frozen=True, tag="session_init_ack"):
    """The session may be spoken to; `resumed` says that it is the one of before."""

    session_id: str
    resume_token: str = ""
    resumed: bool = False


class TranslationResult(Told, frozen=True, tag="translation_result"):
    """What one utterance became; in rooms also those of others, in one's own language."""

    utterance_index: int
    job_id: str
    text_asr: str
    text_translated: str
    tts_audio: bytes
    tts_format: str
    session_id: str = ""  # who spoke
    tgt_lang: str = ""


class MissingResult(Told, frozen=True, tag="missing_result"):
    """What one utterance will not become; `reason` is stable."""

    utterance_index: int
    reason: str
    session_id: str = ""
    tgt_lang: str = ""


class PartialShown(Told, frozen=True, tag="asr_partial"):
    """What has been understood so far."""

    utterance_index: int
    text: str
    is_final: bool = False
    session_id: str = ""


class RoomCreated(Told, frozen=True, tag="room_create_ack"):
    """One sits in this room now."""

    room_code: str
    room_id: str


class RoomMember(msgspec.Struct, frozen=True, kw_only=True):
    """Who speaks in a room, as it is shown there."""

    session_id: str
    joined_at: str
    display_name: str = ""
    preferred_lang: str = ""


class RoomMembers(Told, frozen=True, tag="room_members"):
    """Who speaks in the room, in the order they came; told whenever that changes."""

    room_code: str
    members: list[RoomMember]


class RoomRefused(Told, frozen=True, tag="room_error"):
    """What was asked of a room cannot be."""

    code: str
    message: str


class RoomExpired(Told, frozen=True, tag="room_expired"):
    """The room is over."""

    room_code: str
    message: str


class ErrorFrame(Told, frozen=True, tag="error"):
    """What was said cannot be taken; `code` is stable."""

    code: str
    message: str = ""
    details: Any = None
    trace_id: str = ""


class Listening(Told, frozen=True, tag="listening"):
    """Captions come in this language from here on, those of the last minutes first."""

    room_code: str
    lang: str


class CaptionShown(Told, frozen=True, tag="caption"):
    """What somebody said in a room, in the language that is listened in.

    Until `is_final` it grows: `text` stands, `tail` may be taken back.
    """

    room_code: str
    lang: str
    speaker_id: str
    utterance_index: int
    text: str
    is_final: bool
    at_ms: int
    caption_id: str = ""
    speaker_name: str = ""
    source_text: str = ""
    tail: str = ""


class CaptionMissed(Told, frozen=True, tag="caption_missing"):
    """What somebody said and this language does not get; `reason` is stable."""

    room_code: str
    lang: str
    speaker_id: str
    utterance_index: int
    reason: str
    at_ms: int
    caption_id: str = ""
    speaker_name: str = ""


class Behind(Told, frozen=True, tag="behind"):
    """So many captions were left out here, because they were read too slowly."""

    captions: int


class Reconnecting(msgspec.Struct, frozen=True, kw_only=True):
    """The socket is gone and will be opened anew; no message of the scheduler's."""

    attempt: int
    in_s: float
    why: str


ToSpeaker = (
    SessionOpened
    | TranslationResult
    | MissingResult
    | PartialShown
    | RoomCreated
    | RoomMembers
    | RoomRefused
    | RoomExpired
    | ErrorFrame
)
ToListener = Listening | CaptionShown | CaptionMissed | Behind | RoomExpired | ErrorFrame
SpeakerEvent = ToSpeaker | Reconnecting
ListenerEvent = ToListener | Reconnecting

Frame = ToSpeaker | ToListener

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Frame)


def decode(frame: str | bytes) -> Any:
    """Read one frame; None where it is of no type that is known here, or cannot be read."""
    try:
        return _decoder.decode(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
