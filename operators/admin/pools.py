"""Operators' pages for pools, tenants and switches; what is saved is in force within a second."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from operators.console.permissions import find_console
from operators.db.pool_models import (
    SERVICE_TYPES,
    OwnedPool,
    PoolSwitches,
    TenantPolicy,
    list_switches,
)
from scheduling.placement.pools import PoolKind

if TYPE_CHECKING:
    # The stubs' parameters do not exist when the program runs.
    PoolPages = admin.ModelAdmin[OwnedPool]
    TenantPages = admin.ModelAdmin[TenantPolicy]
    SwitchPages = admin.ModelAdmin[PoolSwitches]
    PoolFields = forms.ModelForm[OwnedPool]
else:
    PoolPages = TenantPages = SwitchPages = admin.ModelAdmin
    PoolFields = forms.ModelForm


class WordsField(forms.CharField):
    """A list as words between blanks or commas."""

    def prepare_value(self, value: Any) -> Any:
        return " ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return (super().to_python(value) or "").replace(",", " ").split()

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(list(initial or ()) != self.to_python(data))


class OwnedPoolForm(PoolFields):
    """Services as boxes to tick, lists as words."""

    required = forms.MultipleChoiceField(
        label=_("Required services"),
        required=False,
        choices=[(kind, kind) for kind in SERVICE_TYPES],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("A node must have all of them installed."),
    )

    languages = WordsField(
        label=_("Languages"),
        required=False,
        help_text=_("Languages a node must know, for instance: en de. Empty: any."),
    )
    nodes = WordsField(
        label=_("Nodes"),
        required=False,
        help_text=_("Of a tenant pool: ids of the only nodes in it. Empty: any that qualifies."),
    )

    class Meta:
        model = OwnedPool
        fields = ("pool_id", "name", "kind", "required", "languages", "nodes")


@admin.register(OwnedPool)
class OwnedPoolAdmin(PoolPages):
    """Capability and tenant pools."""

    form: Any = OwnedPoolForm
    list_display = ("pool_id", "name", "kind", "list_required", "list_tenants")
    list_filter = ("kind",)
    search_fields = ("pool_id", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """An id stays: decisions, members and metrics go by it."""
        return () if obj is None else ("pool_id",)

    def save_model(self, request: HttpRequest, obj: OwnedPool, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Save, and tell where jobs will not go by it."""
        super().save_model(request, obj, form, change)
        console = find_console(request)
        service = console.fleet_service if console else None
        if obj.kind == PoolKind.CAPABILITY and service is not None and service.places_by_language:
            told = _(
                "Jobs go by pools of languages: nodes join this pool, and only tenants sent there"
                " use it, until auto_language is switched off."
            )
            self.message_user(request, told, messages.WARNING)

    @admin.display(description=_("required services"))
    def list_required(self, pool: OwnedPool) -> str:
        return ", ".join(pool.required) or str(_("any"))

    @admin.display(description=_("tenants sent there"))
    def list_tenants(self, pool: OwnedPool) -> str:
        return ", ".join(policy.tenant_id for policy in pool.tenantpolicy_set.all()) or str(
            _("nobody")
        )


@admin.register(TenantPolicy)
class TenantPolicyAdmin(TenantPages):
    """What tenants may have."""

    list_display = (
        *("tenant_id", "pool", "max_jobs", "jobs_per_s", "burst", "min_slots", "weight"),
    )
    list_filter = ("pool",)
    list_select_related = ("pool",)
    search_fields = ("tenant_id",)


@admin.register(PoolSwitches)
class PoolSwitchesAdmin(SwitchPages):
    """The one row of switches; what is empty is as the installation's settings say."""

    list_display = ("__str__", "describe")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not PoolSwitches.objects.exists()

    @admin.display(description=_("otherwise than the settings"))
    def describe(self, switches: PoolSwitches) -> str:
        chosen = {name: getattr(switches, name) for name in list_switches()}
        told = [f"{name}={value}" for name, value in chosen.items() if value not in {None, ""}]
        return ", ".join(told) or str(_("nothing"))
