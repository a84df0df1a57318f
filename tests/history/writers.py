"""The process beside an instance that writes the history, seen from outside."""

from pathlib import Path

from tests.server.launcher import Instance


def list_writers(instance: Instance) -> list[int]:
    """Return the living processes that an instance started and keeps."""
    tasks = Path(f"/proc/{instance.process.pid}/task").iterdir()
    children = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    return [pid for pid in children if is_alive(pid)]


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that ended and was not asked about does not."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "State:\tZ" not in status
