"""A database with every table and no row, made once and copied for each server."""

import functools
import shutil
import tempfile
from pathlib import Path

from tests import databases
from tests.manage import NO_REDIS, manage

_NAME = "lingua.sqlite3"


def lay_database(var: Path) -> None:
    """Put an empty, migrated database under `var`, if there is none: migrating takes a second."""
    if databases.is_laid(var):
        return
    var.mkdir(parents=True, exist_ok=True)
    if databases.POSTGRES:
        databases.lay_copy(var)
    else:
        (var / _NAME).write_bytes(_make_template())


@functools.cache
def _make_template() -> bytes:
    directory = Path(tempfile.mkdtemp(prefix="lingua-template-"))
    try:
        manage("migrate", "--verbosity", "0", LINGUA_VAR_DIR=str(directory), REDIS_URL=NO_REDIS)
        return (directory / _NAME).read_bytes()
    finally:
        shutil.rmtree(directory)
