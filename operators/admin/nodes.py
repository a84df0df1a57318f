"""Operators' pages for nodes: the fleet of the running instance, and cordons that last."""

import datetime as dt
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from operators.admin.node_listing import list_nodes
from operators.console.console import Console
from operators.console.fleet import FleetService
from operators.console.node_commands import COMMANDS, give_command
from operators.console.permissions import find_console
from operators.db import audit
from operators.db.node_models import Cordon, FleetNode
from scheduling.model.errors import DependencyDown

if TYPE_CHECKING:
    # The stubs' parameters do not exist when the program runs.
    NodePages = admin.ModelAdmin[FleetNode]
    CordonPages = admin.ModelAdmin[Cordon]
else:
    NodePages = CordonPages = admin.ModelAdmin

Json = dict[str, Any]
_SAID = {
    "drain": _("Drain: nothing new until it is resumed or connects anew"),
    "cordon": _("Cordon: nothing new until it is resumed"),
    "resume": _("Resume: work again"),
    "disconnect": _("Disconnect: close its socket; it may come back"),
    "shutdown": _("Shut down: ask its program to finish what it has, then to end"),
    "reload_config": _("Reload: ask its program to read its configuration anew"),
    "quarantine": _("Quarantine: no jobs for a while, then one to try it"),
    "absolve": _("Absolve: forget what its work says against it"),
}


@admin.register(FleetNode)
class FleetNodeAdmin(NodePages):
    """The nodes as the instance that serves the page knows them; there are no rows behind it."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the fleet; a POST gives a command to the nodes that were ticked."""
        console, service = self._find_service(request)
        if request.method == "POST":
            return self._take_commands(
                request, console, service, node_ids=request.POST.getlist("node"), back=""
            )
        rows = [_make_row(node) for node in console.ask(service.list_nodes())]
        page = {"listing": list_nodes(rows, request.GET)}
        return self._render(request, "admin/operators/nodes.html", str(_("Nodes")), page)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Show one node; a POST gives it a command."""
        console, service = self._find_service(request)
        node_id = unquote(object_id)
        if request.method == "POST":
            return self._take_commands(
                request, console, service, node_ids=[node_id], back=object_id
            )
        node = console.ask(service.find_node(node_id))
        if node is None:
            raise Http404("no node has this id here")
        page = {"node": _make_row(node)}
        return self._render(request, "admin/operators/node.html", node_id, page)

    def _find_service(self, request: HttpRequest) -> tuple[Console, FleetService]:
        """Return who to ask.

        :raises PermissionDenied: whoever asks may not see nodes, or not give commands
        :raises Http404: no instance serves the request
        """
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        if request.method == "POST" and not self.has_change_permission(request):
            raise PermissionDenied
        console = find_console(request)
        if console is None or console.fleet_service is None:
            raise Http404("no running instance serves this request")
        return console, console.fleet_service

    def _take_commands(
        self,
        request: HttpRequest,
        console: Console,
        service: FleetService,
        *,
        node_ids: list[str],
        back: str,
    ) -> HttpResponse:
        action, actor = request.POST.get("action", ""), request.user.get_username()
        if action not in COMMANDS or not node_ids:
            self.message_user(request, _("Choose nodes and what to do."), messages.WARNING)
            node_ids = []
        for node_id in node_ids:
            told, level = f"{action}: {node_id}", messages.SUCCESS
            try:
                if not give_command(console, service, node_id, action=action, actor=actor):
                    told, level = _("{node} is not connected").format(node=node_id), messages.ERROR
            except (DependencyDown, DatabaseError) as down:
                told, level = f"{action}: {node_id}: {down}", messages.ERROR
            audit.record(actor=actor, action=f"node.{action}", target=node_id, told=told)
            self.message_user(request, told, level)
        if back and action != "disconnect":
            return HttpResponseRedirect(request.get_full_path())
        path = reverse("admin:operators_fleetnode_changelist")
        query = request.GET.urlencode() if not back else ""
        return HttpResponseRedirect(f"{path}?{query}" if query else path)

    def _render(self, request: HttpRequest, template: str, title: str, page: Json) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.model._meta,  # noqa: SLF001 - Django's public name for it is this one
            "may_command": self.has_change_permission(request),
            "commands": _SAID,
            **page,
        }
        return TemplateResponse(request, template, context)


@admin.register(Cordon)
class CordonAdmin(CordonPages):
    """Nodes that get nothing new until their cordon is deleted; they need not be connected."""

    list_display = ("node_id", "reason", "created_at", "created_by")
    search_fields = ("node_id", "reason")
    fields = ("node_id", "reason")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("node_id",)

    def save_model(self, request: HttpRequest, obj: Cordon, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Save, and note who did."""
        if not change:
            obj.created_by = request.user.get_username()
        super().save_model(request, obj, form, change)
        self._order(request, obj.node_id, action="cordon")

    def delete_model(self, request: HttpRequest, obj: Cordon) -> None:
        node_id = obj.node_id
        super().delete_model(request, obj)
        self._order(request, node_id, action="resume")

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Cordon]) -> None:
        node_ids = [cordon.node_id for cordon in queryset]
        super().delete_queryset(request, queryset)
        for node_id in node_ids:
            self._order(request, node_id, action="resume")

    def _order(self, request: HttpRequest, node_id: str, *, action: str) -> None:
        """Tell a connected node's slot at once; else the configuration brings it."""
        console = find_console(request)
        if console is None or console.fleet_service is None:
            return
        try:
            console.ask(console.fleet_service.command(node_id, action=action))
        except DependencyDown as down:
            self.message_user(request, f"{action}: {node_id}: {down}", messages.WARNING)


def _make_row(node: Json) -> Json:
    """Return a node with what only the page needs."""
    heard_at = dt.datetime.fromtimestamp(node["last_heartbeat"] / 1000, dt.UTC)
    judged_at = dt.datetime.fromtimestamp(node["standing"]["since_ms"] / 1000, dt.UTC)
    url = reverse("admin:operators_fleetnode_change", args=[quote(node["node_id"])])
    return {**node, "heard_at": heard_at, "judged_at": judged_at, "url": url}
