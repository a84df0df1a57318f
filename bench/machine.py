"""What a run was made on: versions, kind of machine, commit; nothing that names the machine."""

import importlib.metadata
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

from bench.processes import ROOT

_PACKAGES = ("django", "channels", "daphne", "uvicorn", "uvloop", "redis", "hiredis", "msgspec")


def describe_run() -> dict[str, Any]:
    """Return commit, moment, machine, versions and how busy the machine is now."""
    return {
        "commit": _read_commit(),
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {
            "cores": os.cpu_count(),
            "processor": _read_processor(),
            "system": f"{platform.system()} {platform.release().partition('-')[0]}",
            "python": platform.python_version(),
            "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        },
        "load_average": os.getloadavg()[0],
    }


def _read_processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _read_commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
