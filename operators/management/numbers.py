"""Numbers that commands are given; one that cannot be meant is refused before anything is done."""

import math
from argparse import ArgumentTypeError


def parse_span(text: str) -> float:
    """Return days, hours or seconds, none or more.

    :raises ArgumentTypeError: they are negative, or no number
    """
    return _parse(text, "a number from 0 up", least=0)


def parse_lifetime(text: str) -> float:
    """Return days or more of them than none.

    :raises ArgumentTypeError: what lives so long is over already, or it is no number
    """
    return _parse(text, "a number above 0", least=math.ulp(0))


def parse_count(text: str) -> int:
    """Return how many there may be, one or more.

    :raises ArgumentTypeError: it is no whole number, or none
    """
    if text.isdecimal() and int(text):
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not allowed: it must be a whole number from 1 up")


def _parse(text: str, allowed: str, *, least: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if least <= number < math.inf:
        return number
    raise ArgumentTypeError(f"{text!r} is not allowed: it must be {allowed}")
