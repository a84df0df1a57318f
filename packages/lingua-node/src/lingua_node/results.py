"""What a handler gave back: checked, plain, and said so that its author can mend it."""

import inspect
import math
import numbers
import re
import traceback
from collections.abc import Callable
from typing import Any

import msgspec

from lingua_node.jobs import JobFailed, Result

UNREADABLE = "UNREADABLE_RESULT"
TOO_LARGE = "RESULT_TOO_LARGE"
FAILED = "PROCESSING_ERROR"

_FORMATS = ("pcm16", "opus")
_QUALITIES = ("good", "suspect", "bad")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_MOST_LEVELS = 32  # what the scheduler reads
_MOST_WORDS = 4_000  # of a failure's text, in characters
_INT64 = range(-(2**63), 2**64)
_AWAITED = "; was `await` forgotten?"
_YIELDED = "; it must return one Result, not yield"


class ResultUnsendable(JobFailed):
    """What a handler gave back is no result, or none that can be sent."""

    def __init__(self, message: str, *, code: str = UNREADABLE) -> None:
        super().__init__(message, code=code)


def read(returned: Any) -> Result:
    """Return what a handler returned as a result of plain values.

    :raises ResultUnsendable: it is none, or JSON has no word for a part of it
    """
    if not isinstance(returned, Result):
        raise ResultUnsendable(_describe_stranger(returned))
    return Result(
        text_asr=read_text(returned.text_asr, "text_asr of the Result"),
        text_translated=read_text(returned.text_translated, "text_translated of the Result"),
        tts_audio=_read_audio(returned.tts_audio, "tts_audio of the Result"),
        tts_format=_read_choice(returned.tts_format, "tts_format of the Result", _FORMATS),
        extra=_read_extra(returned.extra),
        asr_quality_level=None
        if returned.asr_quality_level is None
        else _read_choice(
            returned.asr_quality_level, "asr_quality_level of the Result", _QUALITIES
        ),
        quality_score=_read_share(returned.quality_score),
    )


def read_text(value: Any, name: str) -> str:
    """Return a text, of whatever class of text it is.

    :raises ResultUnsendable: it is none, or holds half a character
    """
    if not isinstance(value, str):
        raise ResultUnsendable(f"{name} must be text, not {type(value).__name__}")
    text = str.__str__(value)
    if fault := _find_half(text):
        raise ResultUnsendable(f"{name} {fault}")
    return text


def read_clause(audio: Any, tts_format: Any) -> tuple[bytes, str]:
    """Return speech and its format.

    :raises ResultUnsendable: it is none
    """
    clause = _read_audio(audio, "audio of emit_speech")
    if not clause:
        raise ResultUnsendable("audio of emit_speech is empty")
    return clause, _read_choice(tts_format, "tts_format of emit_speech", _FORMATS)


def read_failure(error: JobFailed) -> tuple[JobFailed, list[str]]:
    """Return a failure that can be sent, and what was wrong with how it was raised."""
    faults = []
    # Whoever derives from it may have left out everything.
    code: Any = getattr(error, "code", FAILED)
    details: Any = getattr(error, "details", None)
    words = describe(error, with_kind=False)
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        faults.append(f"code of JobFailed must be one word in capitals, not {code!r:.80}")
        code, words = FAILED, f"{repair(f'{code!s:.80}')}: {words}"
    try:
        details = _make_plain(details, "details of JobFailed")
    except ResultUnsendable as fault:
        faults.append(str(fault))
        details = None
    return JobFailed(words, code=str.__str__(code), details=details), faults


def describe(error: BaseException, *, with_kind: bool = True) -> str:
    """Return an exception's words, even where it cannot say them itself."""
    lines = traceback.format_exception_only(error)
    words = "".join(lines).strip()
    if not with_kind:
        kind, _, rest = words.partition(": ")
        words = rest or kind
    return repair(words[:_MOST_WORDS])


def repair(text: str) -> str:
    """Put the sign for what cannot be shown in the place of half characters."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def find_place(handler: Callable[..., Any]) -> str:
    """Return where a handler is written, such as `node.py:12`; its name where nothing tells."""
    code = getattr(inspect.unwrap(handler), "__code__", None)
    if code is None:
        code = getattr(getattr(type(handler), "__call__", None), "__code__", None)  # noqa: B004 - asked for where it is written
    if code is None:
        return getattr(handler, "__name__", type(handler).__name__)
    return f"{code.co_name}, {code.co_filename}:{code.co_firstlineno}"


def _describe_stranger(returned: Any) -> str:
    kind = "None" if returned is None else type(returned).__name__
    hint = ""
    if inspect.isawaitable(returned):
        hint = _AWAITED
        if inspect.iscoroutine(returned):
            returned.close()  # or Python complains of it in words of its own
    elif inspect.isgenerator(returned) or inspect.isasyncgen(returned):
        hint = _YIELDED
    elif returned is Result:
        hint = ": Result(…), with parentheses"
    return f"the handler returned {kind}; it must return a Result{hint}"


def _read_audio(value: Any, name: str) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise ResultUnsendable(f"{name} must be bytes, not {type(value).__name__}")
    return bytes(value)


def _read_choice(value: Any, name: str, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        among = " or ".join(choices) if isinstance(value, str) else "text"
        told = repr(value) if isinstance(value, str) else type(value).__name__
        raise ResultUnsendable(f"{name} must be {among}, not {told:.80}")
    return str.__str__(value)


def _read_share(value: Any) -> float | None:
    if value is None:
        return None
    share = float(value) if isinstance(value, numbers.Real) else math.nan
    if isinstance(value, bool) or not 0 <= share <= 1:
        raise ResultUnsendable(
            f"quality_score of the Result must be from 0 to 1, not {_show(value)}"
        )
    return share


def _read_extra(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ResultUnsendable(f"extra of the Result must be a dict, not {type(value).__name__}")
    plain: dict[str, Any] = _make_plain(value, "extra of the Result")
    return plain


def _make_plain(value: Any, name: str) -> Any:
    """Return a value in the types of JSON.

    :raises ResultUnsendable: it has none
    """
    try:
        plain = msgspec.to_builtins(value, str_keys=True, enc_hook=_make_number_or_text)
        fault = _find_odd(plain, "", _MOST_LEVELS)
    # What makes a value plain may be its own code.
    except Exception as error:  # noqa: BLE001 - whatever it is, it cannot be sent
        fault = describe(error, with_kind=isinstance(error, RecursionError))
        raise ResultUnsendable(f"{name} cannot be sent: {fault}") from None
    if fault:
        raise ResultUnsendable(f"{name} cannot be sent: {fault}")
    return plain


def _make_number_or_text(value: object) -> object:
    """Take what is derived from text and numbers, as in libraries of arrays, for what it is."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


def _find_odd(value: object, where: str, levels: int) -> str | None:
    """Say what of a plain value cannot be sent, and where it is."""
    if not levels:
        return f"more than {_MOST_LEVELS} levels"
    match value:
        case str():
            fault = _find_half(value)
        case float() if not math.isfinite(value):
            fault = f"is {value}, which JSON has not"
        case int() if value not in _INT64:
            fault = "is a number of more than 64 bits"
        case dict():
            odd = (_find_half(key) for key in value)
            if fault := next(filter(None, odd), None):
                return f"a key {fault}"
            parts = (_find_odd(part, f"{where}.{key}", levels - 1) for key, part in value.items())
            return next(filter(None, parts), None)
        case list():
            parts = (_find_odd(part, f"{where}[{at}]", levels - 1) for at, part in enumerate(value))
            return next(filter(None, parts), None)
        case _:
            fault = None
    return f"{where.lstrip('.')} {fault}".lstrip() if fault else None


def _find_half(text: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ascii(text[error.start])
        return f"holds half a character, {half} at {error.start}, which cannot be sent"
    return None


def _show(value: object) -> str:
    try:
        return f"{value!r:.80}"
    except Exception:  # noqa: BLE001 - a value's own code
        return type(value).__name__
