"""DATABASE_URL as Django's settings want it: SQLite in a file, or PostgreSQL; both are measured."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from lingua.settings.env_addresses import is_whole, refuse_secret


def parse_database_url(url: str, *, sqlite_file: Path) -> dict[str, Any]:
    """Return the DATABASES entry for `url`; an empty one means SQLite in `sqlite_file`.

    Query parameters become the driver's OPTIONS (``?sslmode=require``).

    :raises ImproperlyConfigured: it is of another scheme, names no database, or no port that is one
    """
    if not url:
        return _sqlite(sqlite_file)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refuse() from None
    name = unquote(parts.path.removeprefix("/"))
    if parts.scheme == "sqlite":
        return _sqlite(Path(name))
    if parts.scheme not in {"postgres", "postgresql"} or not name or not is_whole(parts):
        raise _refuse()
    return {
        "ENGINE": "django_prometheus.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(port or ""),
        "OPTIONS": dict(parse_qsl(parts.query)),
        # A reconnect for every request would cost more than the request; see also health checks.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


def _refuse() -> ImproperlyConfigured:
    return refuse_secret(
        "DATABASE_URL", "postgresql://user:password@host:port/name or sqlite:///absolute/path"
    )


def _sqlite(file: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django_prometheus.db.backends.sqlite3",
        "NAME": str(file),
        # A reader and a writer at once, and a patient second writer, instead of "locked".
        "OPTIONS": {"timeout": 10, "init_command": "PRAGMA journal_mode=WAL"},
    }
