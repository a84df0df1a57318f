"""Rows of the history: made of what Redis knew of a job, written many at a time.

Plain SQL on purpose: what writes the history starts without Django's models.
"""

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec
from django.db import connection, transaction

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
_PLACES = ", ".join(["%s"] * len(COLUMNS))
_INSERT = (
    f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({_PLACES}) "  # noqa: S608 - all names are ours
    "ON CONFLICT (job_id) DO NOTHING"
)
_DELETE_OLDEST = (
    f"DELETE FROM {TABLE} WHERE job_id IN "  # noqa: S608 - all names are ours
    f"(SELECT job_id FROM {TABLE} WHERE ended_at < %s ORDER BY ended_at LIMIT %s)"
)


_DELETE_SESSION = f"DELETE FROM {TABLE} WHERE session_id = %s"  # noqa: S608 - all names are ours
_DELETE_TENANT = f"DELETE FROM {TABLE} WHERE tenant_id = %s"  # noqa: S608 - all names are ours


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


def write_rows(rows: Sequence[Row]) -> None:
    """Write rows in one transaction; a job that has its row keeps it.

    :raises DatabaseError: none of them is written
    """
    adapt = connection.ops.adapt_datetimefield_value
    adapted = [(*values, adapt(created), adapt(ended)) for values, created, ended in rows]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(_INSERT, adapted)


def ask_database() -> None:
    """Return when the database has the history.

    :raises DatabaseError: it does not answer
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {TABLE} LIMIT 1")  # noqa: S608 - the name is ours


def delete_of_sessions(session_ids: Sequence[str]) -> int:
    """Delete the rows of some sessions; return how many there were.

    :raises DatabaseError: not all of them are deleted
    """
    deleted = 0
    with connection.cursor() as cursor:
        for session_id in session_ids:
            cursor.execute(_DELETE_SESSION, [session_id])
            deleted += int(cursor.rowcount)
    return deleted


def delete_of_tenant(tenant_id: str) -> int:
    """Delete the rows of a tenant; return how many there were.

    :raises DatabaseError: none of them is deleted
    """
    with connection.cursor() as cursor:
        cursor.execute(_DELETE_TENANT, [tenant_id])
        return int(cursor.rowcount)


def delete_older(*, before: dt.datetime, most: int) -> int:
    """Delete up to `most` of the jobs that ended before a moment; return how many that were.

    :raises DatabaseError: none of them is deleted
    """
    with connection.cursor() as cursor:
        cursor.execute(_DELETE_OLDEST, [connection.ops.adapt_datetimefield_value(before), most])
        return int(cursor.rowcount)
