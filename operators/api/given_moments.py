"""Moments as people give them."""

import datetime as dt

from django.utils.dateparse import parse_datetime


def read(text: str) -> dt.datetime | None:
    """Return a moment in UTC; one without a time zone is UTC; None for what is none."""
    try:
        moment = parse_datetime(text)
        if moment is None:
            return None
        if moment.tzinfo is None:
            return moment.replace(tzinfo=dt.UTC)
        return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
