"""Instances on a Redis and a database of the test's own, and a look into its history."""

from pathlib import Path
from typing import Any

import pytest

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.databases import Database
from tests.instances.conftest import cluster

__all__ = ["cluster"]


class History:
    """The history as the database has it."""

    def __init__(self, var: Path) -> None:
        self._database = Database(var)
        self.take_away, self.bring_back = self._database.take_away, self._database.bring_back

    def read(self) -> dict[str, dict[str, Any]]:
        """Return each job's row; empty while there is no database."""
        rows = self._database.read("SELECT * FROM operators_endedjob")
        return {row["job_id"]: row for row in rows}


@pytest.fixture
def is_durable() -> bool:
    """Whether a Redis that was killed has what it was told: nothing here kills one."""
    return False


@pytest.fixture
def redis_url(own_redis: EmbeddedRedis) -> str:
    return own_redis.url


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "var")
