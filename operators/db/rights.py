"""The right that somebody logged in needs for what a token needs a scope for."""

from scheduling.model.credentials import Scope

RIGHTS = {
    Scope.READ: "operators.view_fleet",
    Scope.OPERATE: "operators.operate_fleet",
    Scope.ADMIN: "operators.administer_fleet",
}
