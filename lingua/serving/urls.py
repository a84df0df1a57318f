"""The HTTP paths of an instance: what probes and scrapers ask, and the operators' admin."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.utils.translation import gettext_lazy as _

from lingua.serving.asgi_router import CHECK_READY, LIST_TROUBLES
from lingua.serving.asgi_types import Scope
from lingua.serving.static_files import serve_static
from operators.api.tickets import TicketView
from operators.console.console import NAMED_BY


async def health(request: HttpRequest) -> HttpResponse:
    """Say that the process answers, and in further lines what it depends on and misses (O11).

    The status is 200 all the same: a restart would not bring Redis back. Who asks by a name that is
    not ours is told no more than that.
    """
    scope = getattr(request, "scope", {})
    list_troubles = scope.get(LIST_TROUBLES)
    troubles = list_troubles() if list_troubles and not _is_by_foreign_name(scope) else []
    return HttpResponse("\n".join(["OK", *troubles]), content_type="text/plain")


async def ready(request: HttpRequest) -> HttpResponse:
    """Say whether new sockets are welcome: 200, or 503 with the reason."""
    scope = getattr(request, "scope", {})
    check_ready = scope.get(CHECK_READY)
    reason = await check_ready() if check_ready else "not served by an instance"
    said = "NOT READY" if reason and _is_by_foreign_name(scope) else reason or "READY"
    return HttpResponse(said, status=503 if reason else 200, content_type="text/plain")


def _is_by_foreign_name(scope: Scope) -> bool:
    """Say whether a page of another site may be asking, by a name that it gave our address."""
    return scope.get(NAMED_BY) not in {None, "address"}


admin.site.site_header = admin.site.site_title = "Lingua"
admin.site.index_title = _("What operators look after")

urlpatterns = [
    path("health", health),
    path("ready", ready),
    path("", include("operators.urls")),
    path("static/<path:path>", serve_static),
    path("api/v1/tickets", TicketView.as_view()),
    path("admin/", admin.site.urls),
]
