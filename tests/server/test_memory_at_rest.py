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


# What operators' pages need, and nobody who only probes, speaks or serves.
_OF_PAGES = {"rest_framework.views", "drf_spectacular.views", "psycopg", "operators.api.views"}
_PROBED = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "lingua.settings"
import django
django.setup()
import asyncio, sys, threading
from asgiref.testing import ApplicationCommunicator
from lingua.asgi import application

async def ask(path):
    scope = {"type": "http", "path": path, "method": "GET", "headers": [(b"host", b"localhost")]}
    asked = ApplicationCommunicator(application, scope)
    await asked.send_input({"type": "http.request"})
    return (await asked.receive_output(timeout=60))["status"]

async def main():
    statuses = [await ask("/health"), await ask("/ready")]
    print(*(f"before:{name}" for name in sys.modules))
    loading = []
    class Resolver:
        def find_spec(self, name, path=None, target=None):
            if name == "lingua.serving.urls":
                loading.append(threading.current_thread() is threading.main_thread())
    sys.meta_path.insert(0, Resolver())
    statuses += await asyncio.gather(*(ask("/favicon.ico") for _ in range(3)))
    print(f"statuses:{statuses}".replace(" ", ""), f"loading:{loading}")
    print(*sys.modules)

asyncio.run(main())
"""


@pytest.mark.req("PF13")
def test_probes_load_no_page_and_the_first_who_ask_for_one_load_it_beside_the_loop() -> None:
    told = list_loaded(_PROBED, REDIS_URL=NO_REDIS)

    assert not {f"before:{name}" for name in _OF_PAGES} & told
    assert "before:lingua.serving.probes" in told
    assert told >= {*_OF_PAGES, "loading:[False]", "statuses:[200,503,302,302,302]"}


@pytest.mark.req("PF13")
def test_what_a_new_database_lacks_is_counted_without_loading_a_migration(tmp_path: Path) -> None:
    variables = {"LINGUA_VAR_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/new"}

    assert list_loaded(_MIGRATIONS, **variables, REDIS_URL=NO_REDIS) == {"True"}
