"""People who read what is one tenant's: members of the group that is named for it (RE10)."""

from typing import Any

from operators.db.rights import RIGHTS
from scheduling.model.credentials import Scope

PREFIX = "tenant:"


def find_tenant(user: Any) -> str:
    """Return the one tenant that somebody logged in may read, empty for anybody else.

    Whoever may see everything reads everything; whoever is in the groups of two tenants reads none.
    It is asked of the database once for each request, before anything is answered.
    """
    found: str | None = getattr(user, "reads_tenant", None)
    if found is None:
        found = "" if not user.is_active or user.has_perm(RIGHTS[Scope.READ]) else _find(user)
        user.reads_tenant = found
    return found


def _find(user: Any) -> str:
    names = user.groups.filter(name__startswith=PREFIX).values_list("name", flat=True)[:2]
    tenants = [name.removeprefix(PREFIX) for name in names]
    return tenants[0] if len(tenants) == 1 else ""
