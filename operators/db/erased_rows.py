"""Rows of the history that are erased on demand: those of sessions, or all of a tenant's."""

from collections.abc import Sequence

from django.db import connection

from operators.db.job_rows import TABLE

_DELETE_SESSION = f"DELETE FROM {TABLE} WHERE session_id = %s"  # noqa: S608 - all names are ours
_DELETE_TENANT = f"DELETE FROM {TABLE} WHERE tenant_id = %s"  # noqa: S608 - all names are ours


def delete_of_sessions(session_ids: Sequence[str]) -> int:
    """Delete the rows of some sessions; return how many there were.

    :raises DatabaseError: not all of them are deleted
    """
    deleted = 0
    with connection.cursor() as cursor:
        for session_id in session_ids:
            cursor.execute(_DELETE_SESSION, [session_id])
            deleted += int(cursor.rowcount)
    return deleted


def delete_of_tenant(tenant_id: str) -> int:
    """Delete the rows of a tenant; return how many there were.

    :raises DatabaseError: none of them is deleted
    """
    with connection.cursor() as cursor:
        cursor.execute(_DELETE_TENANT, [tenant_id])
        return int(cursor.rowcount)
