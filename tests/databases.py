"""The database that belongs to each directory of a server: SQLite in it, or one on PostgreSQL.

`LINGUA_TEST_POSTGRES`, set by `make test-postgres`, is the address of a PostgreSQL on which tests
may make databases; a template with every table is there.
"""

import contextlib
import hashlib
import os
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier
from psycopg.types.json import set_json_loads

POSTGRES = os.environ.get("LINGUA_TEST_POSTGRES", "")
TEMPLATE = "lingua_template"
_FILE = "lingua.sqlite3"


def describe(var: Path) -> dict[str, str]:
    """Return what leads a program to the database of a directory, beside that directory."""
    return {"DATABASE_URL": f"{POSTGRES}/{_name(var)}"} if POSTGRES else {}


def is_laid(var: Path) -> bool:
    """Say whether the directory has its database."""
    if not POSTGRES:
        return (var / _FILE).exists()
    with _as_owner() as server:
        found = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_name(var),))
        return found.fetchone() is not None


def lay_copy(var: Path) -> None:
    """Make the directory's database on PostgreSQL: every table, as after migrations."""
    with _as_owner() as server:
        made = SQL("CREATE DATABASE {} TEMPLATE {}")
        server.execute(made.format(Identifier(_name(var)), Identifier(TEMPLATE)))


class Database:
    """A look from outside into the database of a server's directory."""

    def __init__(self, var: Path) -> None:
        self._var = var
        self._file = var / _FILE
        self._away = self._file.with_suffix(".away")

    def change(self, statement: str) -> None:
        """Run one statement of SQL that both databases understand."""
        if POSTGRES:
            with psycopg.connect(f"{POSTGRES}/{_name(self._var)}") as connection:
                connection.execute(statement.encode())
            return
        with contextlib.closing(sqlite3.connect(self._file)) as connection, connection:
            connection.execute(statement)

    def read(self, query: str) -> list[dict[str, Any]]:
        """Return the rows; none where there is no such table, or no database at all."""
        if POSTGRES:
            try:
                with psycopg.connect(f"{POSTGRES}/{_name(self._var)}", row_factory=dict_row) as one:
                    # SQLite keeps JSON as text, and that is what tests read.
                    set_json_loads(lambda text: bytes(text).decode(), one)
                    return one.execute(query.encode()).fetchall()
            except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
                return []
        try:
            with sqlite3.connect(f"file:{self._file}?mode=ro", uri=True) as database:
                database.row_factory = sqlite3.Row
                return [dict(row) for row in database.execute(query).fetchall()]
        except sqlite3.OperationalError:
            return []

    def take_away(self) -> None:
        """Let nobody find the database: connections end, and no other begins."""
        if POSTGRES:
            self._allow_connections("false")
            with _as_owner() as server:
                server.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    (_name(self._var),),
                )
            return
        with sqlite3.connect(self._file) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        # Where its file was there is a directory.
        self._file.rename(self._away)
        self._file.mkdir()

    def bring_back(self) -> None:
        if POSTGRES:
            self._allow_connections("true")
            return
        self._file.rmdir()
        self._away.rename(self._file)

    def _allow_connections(self, word: str) -> None:
        with _as_owner() as server:
            changed = SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
            server.execute(changed.format(Identifier(_name(self._var)), SQL(word)))


def _as_owner() -> "psycopg.Connection[tuple[Any, ...]]":
    return psycopg.connect(f"{POSTGRES}/postgres", autocommit=True)


def _name(var: Path) -> str:
    return f"t{hashlib.sha256(str(var).encode()).hexdigest()[:24]}"
