"""The settings of several instances behind one port: a part of `lingua.settings`."""

import os

from lingua.settings.env import env_int, env_str, refuse

_MOST = 256


def parse_workers(text: str) -> int:
    """Return how many workers; `auto` is one for each core this process may use.

    :raises ValueError: it is neither that nor a number from 1 to 256
    """
    if text == "auto":
        return len(os.sched_getaffinity(0))
    if text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST:
        return int(text)
    raise ValueError(f"auto or a whole number from 1 to {_MOST}")


def _read_workers() -> int:
    text = env_str("LINGUA_WORKERS", default="1")
    try:
        return parse_workers(text)
    except ValueError as error:
        raise refuse("LINGUA_WORKERS", text, str(error)) from None


# Instances that `serve` starts behind one port, each a process of its own; auto is one a core.
LINGUA_WORKERS = _read_workers()
# The first worker's own port, for its /metrics; the next ones' follow it. 0 is none.
LINGUA_WORKER_PORT = env_int("LINGUA_WORKER_PORT", default=0, maximum=65535)
