"""The table of the history as those have it who write it: through the driver alone.

Without Django's database layer the program that writes the history needs 12 MB less for as long as
it runs, and for this table a driver does as well.
"""

import datetime as dt
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from operators.db.job_rows import COLUMNS, TABLE, Row
from scheduling.model import clock

T = TypeVar("T")

_PLACES = ", ".join(["%s"] * len(COLUMNS))
_INSERT = (
    f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({_PLACES}) "  # noqa: S608 - all names are ours
    "ON CONFLICT (job_id) DO NOTHING"
)
_DELETE_OLDEST = (
    f"DELETE FROM {TABLE} WHERE job_id IN "  # noqa: S608 - all names are ours
    f"(SELECT job_id FROM {TABLE} WHERE ended_at < %s ORDER BY ended_at LIMIT %s)"
)
_DELETE_JOB = f"DELETE FROM {TABLE} WHERE job_id = %s"  # noqa: S608 - all names are ours
_ASK = f"SELECT 1 FROM {TABLE} LIMIT 1"  # noqa: S608 - the name is ours


class HistoryAway(Exception):
    """The database did not do what it was asked; nothing of it is done."""


class TableConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """Where the database is: SQLite in `file`, else what PostgreSQL's driver connects with.

    A connection is used again for `kept_s`, and closed after each use where that is 0.
    """

    file: str = ""
    timeout_s: float = 0.0
    first_command: str = ""
    parameters: dict[str, str] = {}
    kept_s: float = 0.0


def describe_database(entry: Mapping[str, Any]) -> TableConfiguration:
    """Return where an entry of Django's DATABASES leads to."""
    options = dict(entry["OPTIONS"])
    if entry["ENGINE"].endswith("sqlite3"):
        return TableConfiguration(
            file=str(entry["NAME"]),
            timeout_s=options.get("timeout", 5.0),
            first_command=options.get("init_command", ""),
        )
    # Of the driver's options; these two are of Django's way to it.
    for name in ("server_side_binding", "pool"):
        options.pop(name, None)
    named = {
        "dbname": entry["NAME"],
        "user": entry["USER"],
        "password": entry["PASSWORD"],
        "host": entry["HOST"],
        "port": str(entry["PORT"]),
    }
    return TableConfiguration(
        first_command=f'SET ROLE "{role}"' if (role := options.pop("assume_role", "")) else "",
        parameters={name: value for name, value in named.items() if value} | options,
        kept_s=entry["CONN_MAX_AGE"] or 0.0,
    )


class HistoryTable:
    """Writes and deletes rows, one caller after the other, from any thread."""

    def __init__(self, database: TableConfiguration) -> None:
        self._driver = _Sqlite(database) if database.file else _Postgres(database)
        self._kept_ms = database.kept_s * 1000
        self._connection: Any = None
        self._connected_at_ms = 0.0
        self._one_at_a_time = threading.Lock()

    def write_rows(self, rows: Sequence[Row]) -> None:
        """Write rows in one transaction; a job that has its row keeps it.

        :raises HistoryAway: none of them is written
        """
        adapt = self._driver.adapt_moment
        adapted = [(*values, adapt(created), adapt(ended)) for values, created, ended in rows]
        self._run(lambda cursor: cursor.executemany(self._driver.spell(_INSERT), adapted))

    def ask(self) -> None:
        """Return when the database has the history.

        :raises HistoryAway: it does not answer, or has no such table
        """
        self._run(lambda cursor: cursor.execute(_ASK))

    def delete_older(self, *, before: dt.datetime, most: int) -> int:
        """Delete up to `most` of the jobs that ended before a moment; return how many that were.

        :raises HistoryAway: none of them is deleted
        """
        values = [self._driver.adapt_moment(before), most]

        def delete(cursor: Any) -> int:
            cursor.execute(self._driver.spell(_DELETE_OLDEST), values)
            return int(cursor.rowcount)

        return self._run(delete)

    def delete_rows(self, job_ids: Sequence[str | int]) -> None:
        """Delete the rows of some jobs.

        :raises HistoryAway: none of them is deleted
        """
        named = [(job_id,) for job_id in job_ids]
        self._run(lambda cursor: cursor.executemany(self._driver.spell(_DELETE_JOB), named))

    def close(self) -> None:
        """End the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _run(self, work: Callable[[Any], T]) -> T:
        """Run statements in one transaction; a connection that failed is not used again."""
        with self._one_at_a_time:
            try:
                connection = self._find_connection()
                done = work(connection.cursor())
                connection.commit()
            except self._driver.error as error:
                self._drop()
                raise HistoryAway(str(error)) from error
            except BaseException:
                self._drop()
                raise
            if not self._kept_ms:
                self.close()
            return done

    def _find_connection(self) -> Any:
        now_ms = clock.steady_ms()
        if self._connection is not None and now_ms - self._connected_at_ms > self._kept_ms:
            self.close()
        if self._connection is None:
            self._connection = self._driver.connect()
            self._connected_at_ms = now_ms
        return self._connection

    def _drop(self) -> None:
        try:
            self.close()
        except self._driver.error:
            return


class _Sqlite:
    error: type[Exception] = sqlite3.Error

    def __init__(self, database: TableConfiguration) -> None:
        self._database = database

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._database.file,
            timeout=self._database.timeout_s,
            check_same_thread=False,
            uri=True,
        )
        if self._database.first_command:
            connection.execute(self._database.first_command)
        return connection

    def spell(self, statement: str) -> str:
        return statement.replace("%s", "?")

    def adapt_moment(self, moment: dt.datetime) -> str:
        """Return a moment as Django keeps it there: UTC, without saying so."""
        return str(moment.astimezone(dt.UTC).replace(tzinfo=None))


class _Postgres:
    def __init__(self, database: TableConfiguration) -> None:
        import psycopg  # noqa: PLC0415 - 8 MB, of no use to those whose database is a file

        self._database = database
        self._psycopg = psycopg
        self.error: type[Exception] = psycopg.Error

    def connect(self) -> Any:
        # As Django has it: behind a pooler there are no prepared statements to rely on.
        connect: Any = self._psycopg.connect
        connection = connect(
            prepare_threshold=None,
            cursor_factory=self._psycopg.ClientCursor,
            **self._database.parameters,
        )
        if self._database.first_command:
            connection.execute(self._database.first_command.encode())
        return connection

    def spell(self, statement: str) -> str:
        return statement

    def adapt_moment(self, moment: dt.datetime) -> dt.datetime:
        return moment
