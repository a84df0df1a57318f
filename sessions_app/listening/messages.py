"""The listeners' messages: first what they say, then what they are told."""

from typing import Annotated, get_args

from msgspec import Meta

from scheduling.model.languages import AUTO, UnreadableLanguage, read_language
from sessions_app.message_fields import RoomCode
from sessions_app.messages import FromSpeaker
from sessions_app.room_messages import RoomExpired
from sockets.reader import MessageReader
from sockets.wire import Message, find_type

LanguageCode = Annotated[str, Meta(min_length=1, max_length=35)]
CaptionId = Annotated[str, Meta(max_length=64)]


class _Wish(Message, frozen=True, kw_only=True):
    """A language to hear a room in."""

    lang: LanguageCode

    def __post_init__(self) -> None:
        check_language(self.lang)


class Listen(_Wish, frozen=True, tag="listen"):
    """Begin to listen; a ticket names the room by itself."""

    room_code: RoomCode | None = None
    # The last caption that was had, by whoever comes back.
    after: CaptionId | None = None


class SetLanguage(_Wish, frozen=True, tag="set_language"):
    """Go on in another language."""


class Listening(Message, frozen=True, tag="listening"):
    """From here on come captions in this language, those of the last minutes first."""

    room_code: str
    lang: str


class CaptionShown(Message, frozen=True, tag="caption"):
    """What somebody said; one that may still change (`is_final` false) has no id."""

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
    # Of one that may still change: what follows `text`, and may be taken back.
    tail: str = ""


class CaptionMissed(Message, frozen=True, tag="caption_missing"):
    """What somebody said and this language does not get; `reason` is stable."""

    room_code: str
    lang: str
    speaker_id: str
    utterance_index: int
    reason: str
    at_ms: int
    caption_id: str = ""
    speaker_name: str = ""


class Behind(Message, frozen=True, tag="behind"):
    """So many captions were left out here, because they were read too slowly."""

    captions: int


FromListener = Listen | SetLanguage
ToListener = Listening | CaptionShown | CaptionMissed | Behind | RoomExpired

# What speakers say on a socket of their own.
_SPEAKERS_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in get_args(FromSpeaker))

reader: MessageReader[FromListener] = MessageReader(*get_args(FromListener))


def check_language(tag: str) -> str:
    """Return the key of a language to be heard.

    :raises ValueError: it is none; while decoding that becomes a validation error
    """
    try:
        key = read_language(tag)
    except UnreadableLanguage as error:
        raise ValueError(f"lang: {error}") from error
    if key == AUTO:
        raise ValueError(f"lang: {tag!r} names no language")
    return key


def is_of_speakers(frame: str) -> bool:
    """Say whether a frame is one that only a speaker's socket takes."""
    return find_type(frame) in _SPEAKERS_TYPES
