"""Roles: what a viewer, an operator and an admin may do, in the admin and in the API."""

from typing import Any, ClassVar

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from operators.api.authentication import allows, find_bound_tenant, find_principal
from operators.db.installation import get_installation
from operators.db.rights import RIGHTS
from scheduling.model.credentials import Scope


class _HasScope(BasePermission):
    """Lets in a token with the scope, and somebody logged in with the right.

    A token bound to a tenant, and somebody who reads one tenant, come into views that answer for
    one tenant alone (`serves_tenants`), and no others: what is of the whole installation is
    nobody's single tenant.
    """

    scope: ClassVar[Scope]
    message = "This token may not do that; one that is bound to a tenant sees that tenant alone."

    def has_permission(self, request: Request, view: Any) -> bool:
        principal = find_principal(request)
        if principal is not None:
            is_served = not principal.tenant_id or getattr(view, "serves_tenants", False)
            return is_served and allows(principal, self.scope)
        is_served = self.scope is Scope.READ and getattr(view, "serves_tenants", False)
        if is_served and find_bound_tenant(request):
            return True
        return request.user.is_active and request.user.has_perm(RIGHTS[self.scope])


class IsKnownViewer(_HasScope):
    """May see, and has shown it, also where authentication is off."""

    scope = Scope.READ


class IsViewer(IsKnownViewer):
    """May see; on a laptop, where authentication is off, everybody may."""

    def has_permission(self, request: Request, view: Any) -> bool:
        is_allowed = super().has_permission(request, view)
        return is_allowed or not get_installation().needs_login


class IsAdmin(_HasScope):
    """May see and change everything: tokens, roles, the audit log."""

    scope = Scope.ADMIN


class IsOperator(_HasScope):
    """May act on the fleet: drain, cordon, replay."""

    scope = Scope.OPERATE
