"""The workers of a started server, looked at from outside."""

import contextlib
import os
import signal
import urllib.request
from pathlib import Path

from tests.server.launcher import Instance

WITHIN_S = 60.0


def list_workers(instance: Instance) -> set[int]:
    """Return the processes that the parent has started and that run."""
    pid = instance.process.pid
    with contextlib.suppress(FileNotFoundError):
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    return set()


def is_running(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


def read_name(pid: int) -> str:
    """Return what a worker is told to call itself, "" for one that is not there."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for pair in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if pair.startswith(b"LINGUA_INSTANCE_ID="):
                return pair.partition(b"=")[2].decode()
    return ""


def send(pid: int, number: signal.Signals) -> None:
    """Signal this process, and no later one of its number."""
    signal.pidfd_send_signal(os.pidfd_open(pid), number)


def ask(address: str) -> bytes:
    with urllib.request.urlopen(f"http://{address}/health", timeout=WITHIN_S) as answer:
        body: bytes = answer.read()
    return body
