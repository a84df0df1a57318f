"""The HTTP paths of the operators' side."""

from django.urls import path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView

from operators import api
from operators.pages import page

PAGES = (
    "dashboard",
    "live",
    "talk",
    "cluster",
    "compute-power",
    "models",
    "languages",
    "api-guide",
)

urlpatterns = [
    path("", RedirectView.as_view(url="/dashboard")),
    path("metrics", api.prometheus),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/v1/stats", api.StatsView.as_view()),
    path("api/v1/cluster", api.ClusterView.as_view()),
    path("api/v1/metrics", api.CountersView.as_view()),
    path("api/v1/jobs", api.JobsView.as_view()),
    path("api/v1/jobs/<str:job_id>", api.JobView.as_view()),
    *(path(name, page(name), name=name) for name in PAGES),
]
