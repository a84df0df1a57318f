"""Operators' page of jobs that are over: to search and to read."""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from operators.admin.changelists import DatedChangeList, NamedValuesFilter
from operators.console.job_timeline import describe_job
from operators.db import datetimes
from operators.db.job_models import EndedJob

if TYPE_CHECKING:
    # The stubs' parameters do not exist when the program runs.
    JobPages = admin.ModelAdmin[EndedJob]
else:
    JobPages = admin.ModelAdmin


@admin.register(EndedJob)
class EndedJobAdmin(JobPages):
    """The history; nobody changes what happened."""

    list_display = (
        *("job_id", "state", "reason", "session_id", "node_id", "tenant_id"),
        *("src_lang", "tgt_lang", "attempts", "duration_ms", "ended_at", "why"),
    )
    list_filter = (
        "state",
        ("ended_at", admin.DateFieldListFilter),
        ("tenant_id", NamedValuesFilter),
        ("reason", NamedValuesFilter),
    )
    search_fields = ("=job_id", "=session_id", "=node_id", "=tenant_id", "=reason", "=trace_id")
    search_help_text = _("A job, session, node, tenant, reason or trace, whole.")
    date_hierarchy = "ended_at"
    show_full_result_count = False
    list_per_page = 50
    fields = (
        *("job_id", "state", "reason", "why", "session_id", "tenant_id", "node_id"),
        *("utterance_index", "src_lang", "tgt_lang", "attempts", "trace_id"),
        *("created_at", "ended_at", "duration_ms", "timeline"),
    )
    readonly_fields = fields

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DatedChangeList]:
        return DatedChangeList

    @admin.display(description=_("why"))
    def why(self, job: EndedJob) -> str:
        """Link to the decisions, which are kept for an hour."""
        return format_html('<a href="/why?job_id={}">{}</a>', quote(job.job_id), _("why"))

    @admin.display(description=_("timeline"))
    def timeline(self, job: EndedJob) -> str:
        """Each attempt's steps with their moments."""
        steps = [
            (attempt["attempt"], step["state"], datetimes.from_ms(step["at_ms"]), step["since_ms"])
            for attempt in describe_job(job.record)["attempts"]
            for step in attempt["steps"]
        ]
        rows = format_html_join(
            "", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{} ms</td></tr>", steps
        )
        return format_html("<table>{}</table>", rows)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
