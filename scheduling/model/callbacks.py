"""What callers without a socket leave with us: recordings, and where to tell outcomes."""

import msgspec


class Hook(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a job's outcome is told; `tries` counts the attempts that failed.

    `owner` is the principal whose job it is; empty while authentication is off.
    """

    url: str
    secret: str
    tries: int = 0
    owner: str = ""


class Recording(msgspec.Struct, frozen=True, omit_defaults=True):
    """Audio in base64, and the principal who sent it; empty while authentication is off."""

    audio: str
    owner: str = ""
