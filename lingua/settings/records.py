"""The settings of what is written down, a part of `lingua.settings`: logs, traces, history."""

import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from lingua.settings.env import env_file, env_int, env_str

# Logs --------------------------------------------------------------------------------------------

# DEBUG shows every frame's path, WARNING only what somebody should look at.
LINGUA_LOG_LEVEL = env_str(
    "LINGUA_LOG_LEVEL", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR")
)
# json is one object a line; auto is text on a terminal, else json.
LINGUA_LOG_FORMAT = env_str("LINGUA_LOG_FORMAT", default="auto", choices=("auto", "json", "text"))
# Lines of one message a second, errors apart; the next one says how many were left out. 0: all.
LINGUA_LOG_MAX_PER_S = env_int("LINGUA_LOG_MAX_PER_S", default=20)
# A file that gets every line too, one for each process; empty: standard error alone.
LINGUA_LOG_FILE = env_file("LINGUA_LOG_FILE")
# Size at which that file is put aside and a new one begun; 0 never.
LINGUA_LOG_FILE_MAX_BYTES = env_int("LINGUA_LOG_FILE_MAX_BYTES", default=10_485_760)
# Files put aside that are kept, the oldest is deleted.
LINGUA_LOG_FILE_COUNT = env_int("LINGUA_LOG_FILE_COUNT", default=5, minimum=1)


def _list_handlers() -> dict[str, dict[str, Any]]:
    as_json = LINGUA_LOG_FORMAT == "json" or (
        LINGUA_LOG_FORMAT == "auto" and not sys.stderr.isatty()
    )
    formatter = "json" if as_json else "text"
    console: dict[str, Any] = {
        "class": "logging.StreamHandler",
        "formatter": formatter,
        "filters": ["refusals", "console_rate"],
    }
    if LINGUA_LOG_FILE is None:
        return {"console": console}
    file = {
        "class": "logging.handlers.RotatingFileHandler",
        "formatter": formatter,
        "filters": ["refusals", "file_rate"],
        "filename": str(LINGUA_LOG_FILE),
        "maxBytes": LINGUA_LOG_FILE_MAX_BYTES,
        "backupCount": LINGUA_LOG_FILE_COUNT,
        "encoding": "utf-8",
        "delay": True,
    }
    return {"console": console, "file": file}


_HANDLERS = _list_handlers()
_RATE_FILTER = {"()": "lingua.serving.logs.LogRateFilter", "most_per_s": LINGUA_LOG_MAX_PER_S}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "lingua.serving.logs.JsonFormatter"},
        "text": {
            "()": "lingua.serving.logs.TextFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        },
    },
    # Each handler counts what it writes.
    "filters": {
        "refusals": {"()": "lingua.serving.logs.RefusalFilter"},
        "console_rate": _RATE_FILTER,
        "file_rate": _RATE_FILTER,
    },
    "handlers": _HANDLERS,
    "loggers": {
        # Uvicorn would tell of every connection; on DEBUG both show what is in frames.
        "uvicorn": {"level": "WARNING", "propagate": True, "handlers": []},
        "uvicorn.error": {"level": "WARNING"},
        "websockets": {"level": "WARNING"},
        # On DEBUG it tells of every query, with its values.
        "django.db.backends": {"level": "INFO"},
    },
    "root": {"handlers": [*_HANDLERS], "level": LINGUA_LOG_LEVEL},
}

# Traces ------------------------------------------------------------------------------------------

# Where OpenTelemetry spans go; all but off needs requirements-otel.txt installed.
LINGUA_TRACES = env_str("LINGUA_TRACES", default="off", choices=("off", "otlp", "file"))
# The file that LINGUA_TRACES=file adds spans to, one JSON object a line.
LINGUA_TRACES_FILE = env_file("LINGUA_TRACES_FILE")
if LINGUA_TRACES == "file" and LINGUA_TRACES_FILE is None:
    raise ImproperlyConfigured("LINGUA_TRACES='file' is not allowed without LINGUA_TRACES_FILE")

# History -----------------------------------------------------------------------------------------

# Days a job stays in the history after it ended; 0 keeps no history.
LINGUA_HISTORY_DAYS = env_int("LINGUA_HISTORY_DAYS", default=30, maximum=36_500)
# Jobs whose record outlives LINGUA_JOB_RETENTION_S in Redis while the database is away.
LINGUA_HISTORY_MAX_WAITING = env_int("LINGUA_HISTORY_MAX_WAITING", default=1_000_000)
