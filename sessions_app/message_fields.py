"""What fields of the session socket's messages have in common."""

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from scheduling.model.languages import AUTO, UnreadableLanguage, read_language

ShortText = Annotated[str, Meta(max_length=256)]
LanguageCode = Annotated[str, Meta(min_length=1, max_length=35)]
RoomCode = Annotated[str, Meta(max_length=64)]
Moment = Annotated[int, Meta(ge=0, le=2**53)]
_MAY_BE_AUTO = ("src_lang", "auto_langs")


def check_tags(field: str, tags: Iterable[str]) -> None:
    """Check that languages can be read, and that each to translate to is one.

    :raises ValueError: names the field, and the tag; while decoding it becomes a validation error
    """
    for tag in tags:
        try:
            key = read_language(tag)
        except UnreadableLanguage as error:
            raise ValueError(f"{field}: {error}") from error
        if key == AUTO and field not in _MAY_BE_AUTO:
            raise ValueError(f"{field}: {tag!r} names no language")
