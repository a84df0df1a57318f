"""Instances on a Redis and a database of the test's own, and a look into its history."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.instances.conftest import cluster

__all__ = ["cluster"]


class History:
    """The history as the database has it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._away = file.with_suffix(".away")

    def read(self) -> dict[str, dict[str, Any]]:
        """Return each job's row; empty while there is no database."""
        try:
            with sqlite3.connect(f"file:{self.file}?mode=ro", uri=True) as database:
                database.row_factory = sqlite3.Row
                rows = database.execute("SELECT * FROM operators_endedjob").fetchall()
        except sqlite3.OperationalError:
            return {}
        return {row["job_id"]: dict(row) for row in rows}

    def take_away(self) -> None:
        """Let nobody find the database: where its file was there is a directory."""
        with sqlite3.connect(self.file) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.file.rename(self._away)
        self.file.mkdir()

    def bring_back(self) -> None:
        self.file.rmdir()
        self._away.rename(self.file)


@pytest.fixture
def is_durable() -> bool:
    """Whether a Redis that was killed has what it was told: nothing here kills one."""
    return False


@pytest.fixture
def redis_url(own_redis: EmbeddedRedis) -> str:
    return own_redis.url


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "var" / "lingua.sqlite3")
