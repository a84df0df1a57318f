"""Rows of the history: made of what Redis knew of a job, written many at a time."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from django.db import connection, transaction

from operators import moments
from operators.job_models import STATES, EndedJob
from scheduling.jobs import Need

Value = str | int | dt.datetime
Row = tuple[Value, ...]
_COLUMNS = tuple(str(field.column) for field in EndedJob._meta.concrete_fields)  # noqa: SLF001 - Django's public name for it is this one
_decode_need = msgspec.json.Decoder(Need).decode


def make_row(fields: Mapping[str, str]) -> Row:
    """Return a job's row, in the order of the model's columns.

    :raises KeyError: it has not ended, or is no job's record
    """
    ended_as = fields["ended_as"]
    if ended_as not in STATES:
        raise KeyError(ended_as)
    created_ms, ended_ms = int(fields["created_at_ms"]), int(fields["ended_at_ms"])
    need = _decode_need(fields["need"])
    return (
        fields["job_id"],
        fields["session_id"],
        fields["tenant_id"],
        fields["node_id"],
        ended_as,
        fields.get("reason", "")[:64],
        int(fields["attempt"]),
        int(fields["utterance_index"]),
        need.src[:16],
        need.tgt[:16],
        fields["trace_id"][:64],
        moments.from_ms(created_ms),
        moments.from_ms(ended_ms),
        max(ended_ms - created_ms, 0),
        msgspec.json.encode(fields).decode(),
    )


def write_rows(rows: Sequence[Row]) -> None:
    """Write rows in one transaction; a job that has its row keeps it.

    Through the cursor: a row costs a quarter of what a model's instance does, and jobs share this
    process.

    :raises DatabaseError: none of them is written
    """
    names = ", ".join(connection.ops.quote_name(name) for name in _COLUMNS)
    table = connection.ops.quote_name(EndedJob._meta.db_table)  # noqa: SLF001 - Django's public name for it is this one
    places = ", ".join(["%s"] * len(_COLUMNS))
    insert = f"INSERT INTO {table} ({names}) VALUES ({places}) ON CONFLICT (job_id) DO NOTHING"  # noqa: S608 - names are the model's own
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(insert, [_adapt(row) for row in rows])


def delete_older(*, before: dt.datetime, most: int) -> int:
    """Delete up to `most` of the jobs that ended before a moment; return how many that were."""
    oldest = EndedJob.objects.filter(ended_at__lt=before).order_by("ended_at")
    return EndedJob.objects.filter(
        pk__in=list(oldest.values_list("pk", flat=True)[:most])
    ).delete()[0]


def _adapt(row: Iterable[Value]) -> list[str | int | None]:
    """Return a row as the database's driver takes it."""
    adapt = connection.ops.adapt_datetimefield_value
    return [adapt(value) if isinstance(value, dt.datetime) else value for value in row]
