"""The HTTP paths of the operators' side."""

from django.contrib.auth.views import LogoutView
from django.urls import path, re_path
from django.views.generic import RedirectView
from django.views.i18n import set_language
from drf_spectacular.views import SpectacularAPIView

from operators.api import (
    audit,
    dead_letters,
    erasures,
    fleet,
    jobs,
    nodes,
    rooms,
    scaling,
    scraping,
    sessions,
    single_sign_on,
    views,
)
from operators.api.navigation import PAGES
from operators.api.pages import page, read_words
from operators.api.room_pages import draw_link, show_listeners_page
from operators.console.job_commands import COMMANDS as JOB_COMMANDS
from operators.console.node_commands import COMMANDS

_POOLS = (
    ("admin/pools", fleet.AdminPoolsView),
    ("admin/pools/rebuild", fleet.RebuildView),
    ("admin/pools/<str:pool_id>", fleet.AdminPoolView),
)

urlpatterns = [
    path("", RedirectView.as_view(url="/dashboard")),
    # The admin's pages name no icon, so browsers ask for this one.
    path("favicon.ico", RedirectView.as_view(url="/static/operators/icon.svg")),
    path("language", set_language, name="set_language"),
    path("logout", LogoutView.as_view(next_page="/dashboard"), name="logout"),
    path("words.js", read_words),
    path("login/sso", single_sign_on.begin, name="sso"),
    path("login/sso/done", single_sign_on.finish, name="sso_done"),
    path("metrics", scraping.prometheus),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/v1/stats", views.StatsView.as_view()),
    path("api/v1/cluster", views.ClusterView.as_view()),
    path("api/v1/metrics", views.CountersView.as_view()),
    path("api/v1/jobs", jobs.JobsView.as_view()),
    path("api/v1/jobs/failed", jobs.FailedJobsView.as_view()),
    path("api/v1/jobs/history", jobs.JobHistoryView.as_view()),
    path("api/v1/jobs/<str:job_id>", jobs.JobView.as_view()),
    path("api/v1/jobs/<str:job_id>/why", fleet.WhyView.as_view()),
    *(
        path(
            f"api/v1/jobs/<str:job_id>/{action}",
            jobs.JobCommandView.as_view(),
            {"action": action},
        )
        for action in JOB_COMMANDS
    ),
    path("api/v1/erasures", erasures.ErasuresView.as_view()),
    path("api/v1/audit", audit.AuditView.as_view()),
    path("api/v1/sessions", sessions.SessionsView.as_view()),
    path("api/v1/sessions/<str:session_id>", sessions.SessionView.as_view()),
    path("api/v1/rooms", rooms.RoomsView.as_view()),
    path("api/v1/rooms/<str:room_code>/end", rooms.RoomEndView.as_view()),
    path("api/v1/dlq", dead_letters.DeadLettersView.as_view()),
    path("api/v1/dlq/purge", dead_letters.PurgeView.as_view()),
    path("api/v1/dlq/<path:letter_id>/replay", dead_letters.ReplayView.as_view()),
    path("api/v1/dlq/<path:letter_id>/purge", dead_letters.PurgeOneView.as_view()),
    path("api/v1/dlq/<path:letter_id>", dead_letters.OneDeadLetterView.as_view()),
    path("api/v1/jobs/<str:job_id>/why-not/<str:node_id>", fleet.WhyNotView.as_view()),
    path("api/v1/nodes", nodes.NodesView.as_view()),
    path("api/v1/nodes/<str:node_id>", nodes.NodeView.as_view()),
    *(
        path(
            f"api/v1/nodes/<str:node_id>/{action}",
            nodes.NodeCommandView.as_view(),
            {"action": action},
        )
        for action in COMMANDS
    ),
    path("api/v1/coverage", fleet.CoverageView.as_view()),
    path("api/v1/scaling", scaling.ScalingView.as_view()),
    path("api/v1/phase3/pools", fleet.PoolsView.as_view()),
    path("api/v1/phase3/simulate", fleet.SimulateView.as_view()),
    *(path(f"api/v1/{name}", view.as_view()) for name, view in _POOLS),
    # Tools that were there before the API had versions ask without one; it is described once.
    *(path(f"api/{name}", view.as_view(schema=None)) for name, view in _POOLS),
    *(path(name, page(name), name=name) for name in PAGES),
    re_path(r"^room/(?P<room_code>[0-9]{6})$", show_listeners_page),
    re_path(r"^room/(?P<room_code>[0-9]{6})/link\.svg$", draw_link),
    # The page's address before it was named for what it shows.
    path("letters", RedirectView.as_view(url="/dead-letters", query_string=True)),
]
