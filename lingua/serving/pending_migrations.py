"""Which migrations the database lacks."""

import importlib.util
import pkgutil

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.recorder import MigrationRecorder


def count_missing_migrations() -> int:
    """Return how many migrations are yet to be applied.

    Looks at names alone: a plan would load every migration there is, for nothing nearly always.

    :raises DatabaseError: the database does not answer
    """
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        applied = MigrationRecorder(connection).applied_migrations().keys()
    finally:
        connection.close()
    return len(_list_migrations() - applied)


def _list_migrations() -> set[tuple[str, str]]:
    """Return application and name of each migration among our files; none of them is loaded."""
    found = set()
    for app in apps.get_app_configs():
        spec = importlib.util.find_spec(f"{app.name}.migrations")
        folders = spec.submodule_search_locations if spec is not None else None
        for module in pkgutil.iter_modules(folders or ()):
            if not module.ispkg and module.name[0] not in "_~":
                found.add((app.label, module.name))
    return found
