"""Users as the role admin sees them: who has which role, and nothing that makes more of them."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from operators.db import audit

if TYPE_CHECKING:
    # The stubs' parameters do not exist when the program runs.
    Users = UserAdmin[User]
else:
    Users = UserAdmin

ROLES = ("viewer", "operator", "admin")
_GIVEN = ("groups", "is_staff", "is_active")

admin.site.unregister(User)


@admin.register(User)
class RoleAdmin(Users):
    """A superuser changes everything; the role admin gives roles to others than superusers."""

    list_display = ("username", "roles", "is_staff", "is_active", "is_superuser")

    @admin.display(description=_("roles"))
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())

    def get_queryset(self, request: HttpRequest) -> "QuerySet[User]":
        return super().get_queryset(request).prefetch_related("groups")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if _is_superuser(request):
            return super().get_fieldsets(request, obj)
        return ((None, {"fields": ("username", *_GIVEN)}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if _is_superuser(request) else ("username",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and obj.is_superuser and not _is_superuser(request):
            return False
        return super().has_change_permission(request, obj)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        if db_field.name == "groups" and not _is_superuser(request):
            options["queryset"] = Group.objects.filter(name__in=ROLES)
        return super().formfield_for_manytomany(db_field, request, **options)

    def user_change_password(
        self,
        request: HttpRequest,
        id: str,  # noqa: A002 - Django's name
        form_url: str = "",
    ) -> HttpResponse:
        if not _is_superuser(request):
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        others = list(form.instance.groups.exclude(name__in=ROLES)) if change else []
        super().save_related(request, form, formsets, change)
        if not _is_superuser(request):
            form.instance.groups.add(*others)
        audit.record(
            actor=request.user.get_username(),
            action="user.roles",
            target=form.instance.get_username(),
            roles=sorted(group.name for group in form.instance.groups.all()),
        )


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
