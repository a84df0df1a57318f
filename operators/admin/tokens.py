"""Operators' pages for tokens, issued, rotated and revoked, and for the audit log."""

import datetime as dt
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from operators.admin.changelists import DatedChangeList
from operators.db import tokens
from operators.db.token_models import API_SCOPES, ApiToken, AuditEntry, NodeToken, Token

if TYPE_CHECKING:
    # The stubs' parameters do not exist when the program runs.
    TokenPages = admin.ModelAdmin[Token]
    AuditPages = admin.ModelAdmin[AuditEntry]
    ApiTokenFields = forms.ModelForm[ApiToken]
else:
    TokenPages = AuditPages = admin.ModelAdmin
    ApiTokenFields = forms.ModelForm

_OVERLAP = dt.timedelta(hours=24)
_ISSUED = "_issued_text"


class TokenAdmin(TokenPages):
    """Issues a token on its add page; rotates and revokes by actions; deletes none."""

    list_display = ("name", "prefix", "state", "expires_at", "last_used_at", "created_by")
    search_fields = ("name", "prefix")
    actions = ("rotate", "revoke")
    details: tuple[str, ...] = ()
    _kept = ("prefix", "state", "created_at", "created_by", "last_used_at", "revoked_at")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DatedChangeList]:
        return DatedChangeList

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        asked = ("name", *self.details, "expires_at")
        return asked if obj is None else (*asked, *self._kept)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A token that exists is changed by rotating or revoking it, so that its log is true."""
        return () if obj is None else self.get_fields(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Token, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Issue a new token; a known one has nothing to save."""
        if not change:
            setattr(obj, _ISSUED, tokens.issue(obj, actor=request.user.get_username()))

    def response_add(
        self, request: HttpRequest, obj: Token, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._show(request, [(obj, getattr(obj, _ISSUED))])

    @admin.action(
        permissions=["change"],
        description=_("Rotate: issue a successor, end the old one in 24 hours"),
    )
    def rotate(self, request: HttpRequest, queryset: QuerySet[Token]) -> HttpResponse | None:
        actor = request.user.get_username()
        successors = []
        for token in queryset:
            try:
                successors.append(tokens.rotate(token, overlap=_OVERLAP, actor=actor))
            except ValueError as refused:
                self.message_user(request, str(refused), messages.ERROR)
        return self._show(request, successors) if successors else None

    @admin.action(permissions=["change"], description=_("Revoke now: open sockets are closed"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        for token in queryset:
            tokens.revoke(token, actor=request.user.get_username())
            self.message_user(request, _("{token} is revoked").format(token=token))

    def _show(self, request: HttpRequest, issued: list[tuple[Token, str]]) -> HttpResponse:
        """Show secrets on the page that answers, the only one that ever has them."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("New token"),
            "opts": self.model._meta,  # noqa: SLF001 - Django's public name for it is this one
            "issued": issued,
        }
        page = TemplateResponse(request, "admin/operators/token_issued.html", context)
        page["Cache-Control"] = "no-store"
        return page


@admin.register(NodeToken)
class NodeTokenAdmin(TokenAdmin):
    """Tokens of nodes."""

    details = ("node_id", "tenant_id")


class ApiTokenForm(ApiTokenFields):
    """Scopes as boxes to tick."""

    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(scope.value, scope.value) for scope in API_SCOPES],
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = ApiToken
        fields = ("name", "scopes", "tenant_id", "expires_at")


@admin.register(ApiToken)
class ApiTokenAdmin(TokenAdmin):
    """Tokens of programs that speak, look or act."""

    form: Any = ApiTokenForm
    details = ("scopes", "tenant_id")


@admin.register(AuditEntry)
class AuditEntryAdmin(AuditPages):
    """The log, to read."""

    list_display = ("at", "actor", "action", "target", "address")
    list_filter = ("action",)
    search_fields = ("actor", "target")
    date_hierarchy = "at"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DatedChangeList]:
        return DatedChangeList

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
