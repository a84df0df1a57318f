"""Addresses we listen on: who can reach one, and which ports there are."""

import ipaddress
from argparse import ArgumentTypeError

_LAST_PORT = 65_535


def is_loopback(host: str) -> bool:
    """Say whether only this machine can connect to `host`; an unknown name counts as open."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def parse_port(text: str) -> int:
    """Return a port that a command was given, 0 for a free one.

    :raises ArgumentTypeError: it is none
    """
    if text.isdecimal() and int(text) <= _LAST_PORT:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not allowed: it must be from 0 to {_LAST_PORT}")
