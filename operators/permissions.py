"""Who may see the operators' side."""

from typing import Any

from django.http import HttpRequest
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from operators.console import SCOPE_KEY, Console


def find_console(request: HttpRequest) -> Console | None:
    """Return the console of the instance that serves a request, None where none does."""
    scope: dict[str, Any] = getattr(request, "scope", {})
    return scope.get(SCOPE_KEY)


def may_see(request: HttpRequest) -> bool:
    """Say whether a request may see what operators see: staff, or anybody where no login is on."""
    console = find_console(request)
    if console is None or not console.needs_login:
        return True
    return bool(request.user.is_authenticated and request.user.is_staff)


class MaySee(BasePermission):
    """The same for API views."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return may_see(request._request)  # noqa: SLF001 - DRF's own way to Django's request
