"""How a log record becomes a line: JSON for programs that collect logs, text for a terminal.

Every line passes through `lingua.settings.redaction`. Audio and texts are never handed to a logger,
and a long value is cut all the same.
"""

import datetime as dt
import logging
import re
from typing import Any

import msgspec

from lingua.settings.redaction import mask_secrets

# What ties a line to a job, in this order; absent where it does not apply (O7).
ID_FIELDS = (
    *("job_id", "attempt_id", "session_id", "request_id", "trace_id"),
    *("node_id", "reason", "instance_id"),
)
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LONGEST_VALUE = 300
_LONGEST_MESSAGE = 4_000
_MOST_KINDS = 1_000
_OUR_FAULT = 500
# Controls, marks that turn the direction of a text, halves of characters; then what ends a value.
_UNSEEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff\\ud800-\\udfff]"
)
_OURS = re.compile(r'[ "=]')
_process: dict[str, str] = {}
_beside_others: set[str] = set()


def name_instance(instance_id: str) -> None:
    """Let every later line of this process say which instance it is."""
    _process["instance_id"] = instance_id


def tell_instances_apart() -> None:
    """Let lines for people say it, too: other instances write to the same place."""
    _beside_others.add("instance_id")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``at``, ``level``, ``logger``, ``message``, ids, whatever else."""

    def format(self, record: logging.LogRecord) -> str:
        at = dt.datetime.fromtimestamp(record.created, tz=dt.UTC)
        line: dict[str, Any] = {
            "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": _make_encodable(record.getMessage()[:_LONGEST_MESSAGE]),
        }
        extra = _read_extra(record)
        ids = {name: extra.pop(name, None) for name in ID_FIELDS}
        line |= {name: str(value) for name, value in ids.items() if value not in {None, ""}}
        line |= extra
        if record.exc_info:
            line["exception"] = _make_encodable(self.formatException(record.exc_info))
        return mask_secrets(msgspec.json.encode(line, enc_hook=repr).decode())


class TextFormatter(logging.Formatter):
    """A line for people: moment, level, logger, message, then what else is known.

    Whatever peers say stays within its line and its field, and moves no cursor: what is not to be
    seen is escaped, and a value with spaces or signs of ours is quoted.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        told = " ".join(
            f"{name}={_quote(value)}"
            for name, value in _read_extra(record).items()
            if (name != "instance_id" or name in _beside_others) and value not in {None, ""}
        )
        line = _escape(super().formatMessage(record))
        return f"{line} {told}" if told else line

    def format(self, record: logging.LogRecord) -> str:
        return mask_secrets(_escape_all_but_lines(super().format(record)))


class RefusalFilter(logging.Filter):
    """Makes what Django refused a warning in one line: whoever asked caused it, no fault of ours.

    Django logs some of it as errors, with a traceback, under a message that the asker chose.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass; one of a refusal loses its traceback."""
        status: int = getattr(record, "status_code", 0)
        if record.name.startswith("django.") and 0 < status < _OUR_FAULT:
            record.exc_info = record.exc_text = None
            if record.levelno >= logging.ERROR:
                record.levelno, record.levelname = logging.WARNING, "WARNING"
                record.msg, record.args = "refused: %s", (record.getMessage(),)
        return True


class LogRateFilter(logging.Filter):
    """Lets a message through `most_per_s` times a second, whatever its ids; errors always.

    What peers cause must not fill a disk, nor cost a line each: the first line of a later second
    says in ``left_out`` how many like it were not written.
    """

    def __init__(self, *, most_per_s: int) -> None:
        super().__init__()
        self._most = most_per_s
        self._seconds: dict[tuple[str, object], tuple[int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether to write a line; tell it what was left out before it."""
        if not self._most or record.levelno >= logging.ERROR:
            return True
        second, kind = int(record.created), (record.name, record.msg)
        since, seen = self._seconds.get(kind, (second, 0))
        if since != second:
            if seen > self._most:
                record.left_out = seen - self._most
            seen = 0
        elif len(self._seconds) >= _MOST_KINDS:
            self._seconds.clear()
        self._seconds[kind] = (second, seen + 1)
        return seen < self._most


def _escape(text: str) -> str:
    """Return a text with what is not to be seen, ends of lines included, written as escapes."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _escape_all_but_lines(text: str) -> str:
    """Do so for the lines of a traceback."""
    return "\n".join(_escape(line) for line in text.split("\n"))


def _quote(value: Any) -> str:
    text = str(value)
    if _UNSEEN.search(text) or _OURS.search(text):
        text = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{_escape(text)}"'
    return text


def _make_encodable(text: str) -> str:
    """Return a text that UTF-8 can carry."""
    return text.encode("utf-8", "backslashreplace").decode()


def _read_extra(record: logging.LogRecord) -> dict[str, Any]:
    """Return what the caller added, cut to a length no audio fits in; and this process' id."""
    extra: dict[str, Any] = dict(_process)
    for name, value in vars(record).items():
        if name not in _OWN:
            extra[name] = _shorten(value)
    return extra


def _shorten(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = _make_encodable(value if isinstance(value, str) else repr(value))
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
