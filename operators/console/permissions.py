"""Who may see the operators' side."""

from typing import Any

from django.http import HttpRequest

from operators.console.console import SCOPE_KEY, Console
from operators.db.rights import RIGHTS
from scheduling.model.credentials import Scope


def find_console(request: HttpRequest) -> Console | None:
    """Return the console of the instance that serves a request, None where none does."""
    scope: dict[str, Any] = getattr(request, "scope", {})
    return scope.get(SCOPE_KEY)


def may_see(request: HttpRequest) -> bool:
    """Say whether a request may see what viewers see; where no login is on, everybody may."""
    console = find_console(request)
    if console is None or not console.needs_login:
        return True
    return request.user.is_active and request.user.has_perm(RIGHTS[Scope.READ])


def may_operate(request: HttpRequest) -> bool:
    """Say whether whoever is logged in may act on the fleet."""
    return request.user.is_active and request.user.has_perm(RIGHTS[Scope.OPERATE])
