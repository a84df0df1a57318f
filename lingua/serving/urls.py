"""The HTTP paths that Django serves: operators' pages and API, their admin, and the scraper's."""

from django.contrib import admin
from django.urls import include, path
from django.utils.translation import gettext_lazy as _

from lingua.serving.static_files import serve_static
from operators.api.tickets import TicketView

admin.site.site_header = admin.site.site_title = "Lingua"
admin.site.index_title = _("What operators look after")

urlpatterns = [
    path("", include("operators.urls")),
    path("static/<path:path>", serve_static),
    path("api/v1/tickets", TicketView.as_view()),
    path("admin/", admin.site.urls),
]
