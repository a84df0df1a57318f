"""Takes from this process what Python does not have on Windows, as far as it can be taken.

Loops there take no signal handlers, and modules and names that are about Unix do not exist.
"""

import asyncio
import os
import signal
import subprocess  # noqa: F401 - the library itself may know where it runs
import sys

import psutil  # noqa: F401 - as above
import websockets.asyncio.client  # noqa: F401 - as above

_MODULES = ("fcntl", "grp", "pwd", "pty", "resource", "syslog", "termios", "tty", "uvloop")
_OF_OS = (
    *("chown", "fork", "forkpty", "geteuid", "getgid", "getuid", "getloadavg", "getpgid"),
    *("killpg", "mkfifo", "nice", "setsid", "uname"),
)
_OF_SIGNAL = ("SIGALRM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "sigwait", "pause")


def pretend() -> None:
    """Take it all."""
    loop = asyncio.SelectorEventLoop
    for name in ("add_signal_handler", "remove_signal_handler"):
        setattr(loop, name, getattr(asyncio.AbstractEventLoop, name))
    for name in _MODULES:
        sys.modules[name] = None  # type: ignore[assignment]  # importing it fails
    for name in (*_OF_OS, *(name for name in dir(os) if name.startswith("EX_"))):
        delattr(os, name)
    for name in _OF_SIGNAL:
        delattr(signal, name)
