"""What a process at rest has not loaded: modules that it has no use for, tens of MB of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.manage import NO_REDIS, ROOT, clear_environment

_WRITER = """
import sys
from lingua.composition import write_job_history
from operators.db.history_table import TableConfiguration, HistoryTable
HistoryTable(TableConfiguration(file="any"))
print(*sys.modules)
"""
_NOT_IN_WRITER = {
    *("django", "asgiref", "channels", "rest_framework", "prometheus_client", "psycopg"),
    *("langcodes", "uvicorn", "daphne", "websockets", "segno"),
    *("lingua.settings", "lingua.composition.configuration", "scheduling.store.stores"),
    *("scheduling.jobs", "scheduling.access", "sessions_app", "nodes", "operators.console"),
    *("channels_streams.layer", "cryptography.fernet"),
}


def list_loaded(program: str, **variables: str) -> set[str]:
    """Return the modules that a program of Python has loaded in the end, as it says itself."""
    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=clear_environment(**variables),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(told.stdout.split())


@pytest.mark.req("PF13")
def test_the_writer_of_the_history_loads_nothing_of_django_or_of_an_instance() -> None:
    loaded = list_loaded(_WRITER)

    assert "redis.asyncio" in loaded
    assert not loaded & _NOT_IN_WRITER


_MIGRATIONS = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "lingua.settings"
import django
django.setup()
import sys
from lingua.serving.pending_migrations import count_missing_migrations
missing = count_missing_migrations()
loaded = {name for name in sys.modules if ".migrations." in name and name[:7] != "django."}
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
executor = MigrationExecutor(connection)
planned = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
print(missing > 0, missing == planned, not loaded)
"""


@pytest.mark.req("PF13")
def test_what_a_new_database_lacks_is_counted_without_loading_a_migration(tmp_path: Path) -> None:
    variables = {"LINGUA_VAR_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/new"}

    assert list_loaded(_MIGRATIONS, **variables, REDIS_URL=NO_REDIS) == {"True"}
