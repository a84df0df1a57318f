"""Captions as listeners are told of them: encoded once, however many listen."""

import functools

from scheduling.model.rooms import Caption
from sessions_app.listening.messages import CaptionMissed, CaptionShown, ToListener
from sockets.wire import ErrorFrame, Message, encode_text


class ShownCaption:
    """A caption for all who listen in its language, by WebSocket and by server-sent events."""

    def __init__(self, caption: Caption) -> None:
        self.caption = caption

    @functools.cached_property
    def frame(self) -> str:
        return encode_text(self._message)

    @functools.cached_property
    def event(self) -> str:
        return write_event(self._message)

    @functools.cached_property
    def _message(self) -> CaptionShown | CaptionMissed:
        caption = self.caption
        if caption.reason:
            return CaptionMissed(
                room_code=caption.room_code,
                lang=caption.lang,
                speaker_id=caption.speaker_id,
                speaker_name=caption.speaker_name,
                utterance_index=caption.utterance_index,
                reason=caption.reason,
                at_ms=caption.at_ms,
                caption_id=caption.caption_id,
            )
        return CaptionShown(
            room_code=caption.room_code,
            lang=caption.lang,
            speaker_id=caption.speaker_id,
            speaker_name=caption.speaker_name,
            utterance_index=caption.utterance_index,
            text=caption.text,
            source_text=caption.source_text,
            is_final=caption.is_final,
            tail=caption.tail,
            at_ms=caption.at_ms,
            caption_id=caption.caption_id,
        )


def write_event(message: ToListener | ErrorFrame) -> str:
    """Return a message as a server-sent event, named by its type; a caption's id is the event's."""
    caption_id = getattr(message, "caption_id", "")
    head = f"id: {caption_id}\n" if caption_id else ""
    return f"{head}event: {_name(message)}\ndata: {encode_text(message)}\n\n"


def _name(message: Message) -> str:
    return str(type(message).__struct_config__.tag)
