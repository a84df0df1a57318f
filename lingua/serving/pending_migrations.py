"""Which migrations the database lacks."""

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor


def count_missing_migrations() -> int:
    """Return how many migrations are yet to be applied.

    :raises DatabaseError: the database does not answer
    """
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        executor = MigrationExecutor(connection)
        return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    finally:
        connection.close()
