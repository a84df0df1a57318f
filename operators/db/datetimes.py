"""Moments as the database has them, from the one clock of this process.

Time has two ends here, the years 1 and 9999: what lies beyond them is no moment.
"""

import datetime as dt

from scheduling.model import clock

_END = dt.datetime.max.replace(tzinfo=dt.UTC)


def now() -> dt.datetime:
    """Return the moment, aware, UTC."""
    return from_ms(clock.now_ms())


def from_ms(moment_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(moment_ms / 1000, tz=dt.UTC)


def to_ms(moment: dt.datetime | None) -> int:
    """Return milliseconds since the Unix epoch; 0 for no moment."""
    return 0 if moment is None else round(moment.timestamp() * 1000)


def add(moment: dt.datetime, span: dt.timedelta) -> dt.datetime:
    """Return a moment later, at most the last there is."""
    try:
        return moment + span
    except OverflowError:
        return _END


def shift_days(days: float) -> dt.datetime:
    """Return the moment so many days from now, before it where they are negative.

    :raises ValueError: there is no such moment
    """
    try:
        return now() + dt.timedelta(days=days)
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{days:g} days from now there is no moment") from error
