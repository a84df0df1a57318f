"""Starts a real server in a process of its own, serving the probe application."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.manage import NO_REDIS, ROOT, clear_environment
from tests.server.database import lay_database
from tests.waiting import wait_until

# A hang, not slowness: a machine with much to do takes its time to start a server.
_DEADLINE_S = 60.0


@dataclass(kw_only=True)
class Instance:
    """One started `manage.py serve`; its files live in a directory of the test."""

    process: subprocess.Popen[str]
    notes_file: Path
    errors_file: Path
    address: str = ""
    ready_line: str = ""

    def url(self, path: str) -> str:
        return f"ws://{self.address}{path}"

    @property
    def notes(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return self.notes_file.read_text().splitlines()
        return []

    @property
    def errors(self) -> str:
        return self.errors_file.read_text()

    def await_note(self, line: str) -> None:
        """Wait until the application has noted `line`."""
        try:
            wait_until(lambda: line in self.notes, within_s=_DEADLINE_S)
        except AssertionError:
            raise AssertionError(f"no {line!r} in {self.notes}: {self.errors}") from None

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return self.process.wait(timeout=_DEADLINE_S)

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


StartInstance = Callable[..., Instance]


class Launcher:
    """Starts servers whose files live under `directory`, and ends them."""

    def __init__(self, *, directory: Path) -> None:
        self._directory = directory
        self._started: list[Instance] = []

    def start(self, *arguments: str, awaiting_ready: bool = True, **variables: str) -> Instance:
        """Start a server; unless told otherwise, return when it has printed its ready line."""
        name = f"{len(self._started)}"
        notes_file, errors_file = (
            self._directory / f"notes{name}",
            self._directory / f"errors{name}",
        )
        ours = {
            "LINGUA_VAR_DIR": str(self._directory / "var"),
            "LINGUA_APPLICATION": "tests.server.probe.build_application",
            "PROBE_NOTES": str(notes_file),
            # Nothing is sent to it: the embedded Redis has tests of its own.
            "REDIS_URL": NO_REDIS,
        }
        environment = clear_environment(**(ours | variables))
        if "DATABASE_URL" not in variables:
            lay_database(Path(environment["LINGUA_VAR_DIR"]))
        with errors_file.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", "0", *arguments],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        instance = Instance(process=process, notes_file=notes_file, errors_file=errors_file)
        self._started.append(instance)
        if awaiting_ready:
            assert process.stdout is not None
            instance.ready_line = process.stdout.readline()
            assert instance.ready_line, instance.errors
            instance.address = instance.ready_line.split("http://")[1].split()[0]
        return instance

    def end(self) -> None:
        for instance in self._started:
            instance.process.kill()
            instance.process.communicate()
