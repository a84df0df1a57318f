"""`lingua-node dev`: runs a node's file, and again whenever a file beside it changes."""

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

_LOOK_EVERY_S = 0.3
_STOPS_WITHIN_S = 3.0
_MOST_FILES = 5_000
_LEFT_OUT = {"node_modules", "__pycache__", "site-packages", "venv", "env", "build", "dist"}

Snapshot = dict[str, tuple[int, int]]


def take_snapshot(folder: Path) -> Snapshot:
    """Return what each Python file below a folder looks like from outside."""
    found: Snapshot = {}
    for file in _list_files(folder):
        try:
            about = file.stat()
        except OSError:
            continue
        found[str(file)] = (about.st_mtime_ns, about.st_size)
    return found


def _list_files(folder: Path) -> list[Path]:
    files, folders = list[Path](), [folder]
    while folders and len(files) < _MOST_FILES:
        try:
            entries = sorted(folders.pop().iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _LEFT_OUT:
                continue
            if entry.is_dir() and not (entry / "pyvenv.cfg").exists():
                folders.append(entry)
            elif entry.suffix == ".py":
                files.append(entry)
    return files[:_MOST_FILES]


class ReloadingRunner:
    """Keeps one process of the node's, and a new one after each change."""

    def __init__(self, file: Path, *, arguments: Sequence[str]) -> None:
        self._folder = file.resolve().parent
        self._command = [sys.executable, "-m", "lingua_node", "run", str(file), *arguments]
        self._ending = threading.Event()

    def run(self) -> int:
        """Run until SIGINT or SIGTERM; return the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._ending.set())
        while not self._ending.is_set():
            seen = take_snapshot(self._folder)
            process = subprocess.Popen(self._command)
            try:
                self._wait_for_change(process, seen)
            finally:
                _stop(process)
        return 0

    def _wait_for_change(self, process: "subprocess.Popen[bytes]", seen: Snapshot) -> None:
        has_told = False
        while not self._ending.wait(_LOOK_EVERY_S):
            if process.poll() is not None and not has_told:
                has_told = True
                _say("the node has ended; it is started again when a file changes")
            now = take_snapshot(self._folder)
            if now != seen:
                changed = sorted(
                    name for name in now.keys() | seen.keys() if now.get(name) != seen.get(name)
                )
                _say(f"{Path(changed[0]).name} has changed: starting again")
                return


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End it: in order, then at once."""
    for stop in (process.terminate, process.terminate, process.kill):
        if process.poll() is not None:
            return
        stop()
        try:
            process.wait(timeout=_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            continue


def _say(words: str) -> None:
    sys.stderr.write(f"lingua-node: {words}\n")
    sys.stderr.flush()
