"""The HTTP paths of the operators' side."""

from django.urls import path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView

from operators import api, fleet_api, jobs_api, letter_api, node_api, scraping, session_api
from operators.orders import ORDERS
from operators.pages import page

PAGES = (
    "dashboard",
    "live",
    "talk",
    "cluster",
    "compute-power",
    "models",
    "languages",
    "fleet",
    "pools",
    "coverage",
    "why",
    "letters",
    "api-guide",
)

_POOLS = (
    ("admin/pools", fleet_api.AdminPoolsView),
    ("admin/pools/rebuild", fleet_api.RebuildView),
    ("admin/pools/<str:pool_id>", fleet_api.AdminPoolView),
)

urlpatterns = [
    path("", RedirectView.as_view(url="/dashboard")),
    # The admin's pages name no icon, so browsers ask for this one.
    path("favicon.ico", RedirectView.as_view(url="/static/operators/icon.svg")),
    path("metrics", scraping.prometheus),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/v1/stats", api.StatsView.as_view()),
    path("api/v1/cluster", api.ClusterView.as_view()),
    path("api/v1/metrics", api.CountersView.as_view()),
    path("api/v1/jobs", jobs_api.JobsView.as_view()),
    path("api/v1/jobs/failed", jobs_api.FailedJobsView.as_view()),
    path("api/v1/jobs/history", jobs_api.JobHistoryView.as_view()),
    path("api/v1/jobs/<str:job_id>", jobs_api.JobView.as_view()),
    path("api/v1/jobs/<str:job_id>/why", fleet_api.WhyView.as_view()),
    path("api/v1/sessions", session_api.SessionsView.as_view()),
    path("api/v1/sessions/<str:session_id>", session_api.SessionView.as_view()),
    path("api/v1/dlq", letter_api.LettersView.as_view()),
    path("api/v1/dlq/purge", letter_api.PurgeView.as_view()),
    path("api/v1/dlq/<path:letter_id>/replay", letter_api.ReplayView.as_view()),
    path("api/v1/dlq/<path:letter_id>/purge", letter_api.PurgeOneView.as_view()),
    path("api/v1/dlq/<path:letter_id>", letter_api.OneLetterView.as_view()),
    path("api/v1/jobs/<str:job_id>/why-not/<str:node_id>", fleet_api.WhyNotView.as_view()),
    path("api/v1/nodes", node_api.NodesView.as_view()),
    path("api/v1/nodes/<str:node_id>", node_api.NodeView.as_view()),
    *(
        path(
            f"api/v1/nodes/<str:node_id>/{action}",
            node_api.NodeOrderView.as_view(),
            {"action": action},
        )
        for action in ORDERS
    ),
    path("api/v1/coverage", fleet_api.CoverageView.as_view()),
    path("api/v1/phase3/pools", fleet_api.PoolsView.as_view()),
    path("api/v1/phase3/simulate", fleet_api.SimulateView.as_view()),
    *(path(f"api/v1/{name}", view.as_view()) for name, view in _POOLS),
    # Tools that were there before the API had versions ask without one; it is described once.
    *(path(f"api/{name}", view.as_view(schema=None)) for name, view in _POOLS),
    *(path(name, page(name), name=name) for name in PAGES),
]
