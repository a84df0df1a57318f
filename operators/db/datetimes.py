"""Moments as the database has them, from the one clock of this process."""

import datetime as dt

from scheduling.model import clock


def now() -> dt.datetime:
    """Return the moment, aware, UTC."""
    return from_ms(clock.now_ms())


def from_ms(moment_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(moment_ms / 1000, tz=dt.UTC)


def to_ms(moment: dt.datetime | None) -> int:
    """Return milliseconds since the Unix epoch; 0 for no moment."""
    return 0 if moment is None else round(moment.timestamp() * 1000)
