"""What a program asks for with OpenAI's forms, read field by field."""

import io
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.core.exceptions import (
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from scheduling.model.errors import BadInput
from scheduling.model.languages import AUTO, UnreadableLanguage, read_language
from sessions_app.audio import ForeignAudio
from sessions_app.openai_audio.problems import WrongField
from sessions_app.whole_audio import PcmAudio, unpack_wav

FORMATS = ("json", "text", "verbose_json", "srt", "vtt")
# Whatever it says changes nothing here: which model works is the node's choice.
_UNHEEDED = ("model", "prompt", "chunking_strategy")
_LONGEST_LANGUAGE = 35
_MOST_FIELDS = 20


class AudioRequest(NamedTuple):
    """An upload, and how it is to be answered; `language` may be ``auto``."""

    samples: PcmAudio
    language: str
    response_format: str
    wants_segments: bool


def read_form(body: bytes, *, content_type: str) -> AudioRequest:
    """Return what is asked for.

    :raises WrongField: names the field
    :raises ForeignAudio: the file is none that we take
    :raises BadInput: it is no form
    """
    fields, files = _split(body, content_type)
    if "model" not in fields:
        raise _missing("model")
    _refuse_unknown(fields)
    language = _read_language(fields.get("language", [""])[-1])
    wanted = fields.get("response_format", ["json"])[-1]
    if wanted not in FORMATS:
        raise WrongField(
            f"response_format {wanted[:40]!r} is not given here; there are {', '.join(FORMATS)}.",
            param="response_format",
        )
    _check_temperature(fields.get("temperature", ["0"])[-1])
    granularities = fields.get("timestamp_granularities[]", fields.get("timestamp_granularities"))
    if granularities and set(granularities) != {"segment"}:
        raise WrongField(
            "Only 'segment' is given here: nodes do not tell when each word was said.",
            param="timestamp_granularities",
        )
    if fields.get("stream", ["false"])[-1].lower() not in {"false", "0", ""}:
        raise WrongField(
            "Answers are not streamed here; /ws/session tells what is heard while it is said.",
            param="stream",
        )
    audio = files.get("file")
    if audio is None:
        if "file" in fields:
            raise WrongField("Send the file as a file, with a name.", param="file")
        raise _missing("file")
    return AudioRequest(
        samples=_read_audio(audio),
        language=language,
        response_format=wanted,
        wants_segments=granularities is None or "segment" in granularities,
    )


class _InMemory(MemoryFileUploadHandler):
    """Keeps a file of any size: the body was bounded before it was read."""

    def handle_raw_input(self, *args: Any, **kwargs: Any) -> None:
        self.activated = True


def _split(body: bytes, content_type: str) -> tuple[Mapping[str, list[str]], dict[str, bytes]]:
    headers = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
    try:
        parser = MultiPartParser(headers, io.BytesIO(body), [_InMemory()], "utf-8")
        fields, files = parser.parse()
    # What Django says of these names its settings, or repeats what came.
    except RequestDataTooBig as error:
        raise BadInput("The fields of the form are too long.", code="INVALID_MESSAGE") from error
    except (TooManyFieldsSent, TooManyFilesSent) as error:
        raise BadInput("The form has too many fields.", code="INVALID_MESSAGE") from error
    except (MultiPartParserError, SuspiciousOperation, ValueError) as error:
        raise BadInput("The form cannot be read.", code="INVALID_MESSAGE") from error
    if len(fields) > _MOST_FIELDS:
        raise BadInput("The form has too many fields.", code="INVALID_MESSAGE")
    read: dict[str, bytes] = {name: sent[-1].read() for name, sent in files.lists()}
    return dict(fields.lists()), read


def _refuse_unknown(fields: Mapping[str, list[str]]) -> None:
    taken = {
        *_UNHEEDED,
        *("file", "language", "response_format", "temperature", "stream"),
        *("timestamp_granularities", "timestamp_granularities[]"),
    }
    for name in fields:
        if name not in taken:
            known = name.removesuffix("[]")[:60]
            raise WrongField(
                f"Unsupported parameter: {known!r}.", param=known, code="unsupported_parameter"
            )


def _missing(name: str) -> WrongField:
    return WrongField(
        f"Missing required parameter: {name!r}.", param=name, code="missing_required_parameter"
    )


def _read_language(tag: str) -> str:
    if not tag:
        return AUTO
    if len(tag) > _LONGEST_LANGUAGE:
        raise WrongField("Invalid language: the tag is too long.", param="language")
    try:
        read_language(tag)
    except UnreadableLanguage as error:
        raise WrongField(f"Invalid language: {error}.", param="language") from error
    return tag


def _check_temperature(text: str) -> None:
    """Refuse what no model takes; what it says changes nothing here."""
    try:
        is_right = 0 <= float(text) <= 1
    except ValueError:
        is_right = False
    if not is_right:
        raise WrongField("temperature is a number from 0 to 1.", param="temperature")


def _read_audio(audio: bytes) -> PcmAudio:
    try:
        return unpack_wav(audio)
    except ForeignAudio as error:
        raise WrongField(
            f"Invalid file format: {error.what} is not taken. Send WAV with PCM of one channel"
            " and 16 bits.",
            param="file",
            code="invalid_audio",
        ) from error
