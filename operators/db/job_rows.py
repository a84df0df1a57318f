"""Rows of the history, made of what Redis knew of a job.

Nothing of Django on purpose: what writes the history starts without it.
"""

import datetime as dt
from collections.abc import Mapping

import msgspec

from operators.db import datetimes

# A job's values, then when it was created, then when it ended.
Row = tuple[tuple[str | int, ...], dt.datetime, dt.datetime]

# How a job may have ended, as rows and filters name it.
STATES = ("DONE", "FAILED", "CANCELLED")

TABLE = "operators_endedjob"
# Moments stand last: each driver takes them otherwise.
COLUMNS = (
    *("job_id", "session_id", "tenant_id", "node_id", "state", "reason"),
    *("attempts", "utterance_index", "src_lang", "tgt_lang", "trace_id"),
    *("duration_ms", "record", "created_at", "ended_at"),
)


class _Languages(msgspec.Struct, gc=False):
    """What a row keeps of a job's need."""

    src: str
    tgt: str


_decode_languages = msgspec.json.Decoder(_Languages).decode
_encode = msgspec.json.Encoder().encode


def make_row(fields: Mapping[str, str]) -> Row:
    """Return a job's row, its values in the order of `COLUMNS`.

    :raises KeyError: it has not ended, or is no job's record
    """
    ended_as = fields["ended_as"]
    if ended_as not in STATES:
        raise KeyError(ended_as)
    created_ms, ended_ms = int(fields["created_at_ms"]), int(fields["ended_at_ms"])
    languages = _decode_languages(fields["need"])
    values = (
        fields["job_id"],
        fields["session_id"],
        fields["tenant_id"],
        fields["node_id"],
        ended_as,
        fields.get("reason", "")[:64],
        int(fields["attempt"]),
        int(fields["utterance_index"]),
        languages.src[:16],
        languages.tgt[:16],
        fields["trace_id"][:64],
        max(ended_ms - created_ms, 0),
        _encode(fields).decode(),
    )
    return values, datetimes.from_ms(created_ms), datetimes.from_ms(ended_ms)
