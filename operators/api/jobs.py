"""The API of jobs, version 1: those that ended last, the history, one job whole."""

import datetime as dt
from typing import Any

from django.db import DatabaseError
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from operators.api import examples, serializers
from operators.api.authentication import find_bound_tenant
from operators.api.filters import BadFilter, Rows, read_filters
from operators.api.schema import describe
from operators.api.views import (
    MAY_MISS,
    PAGE,
    PROBLEMS,
    CommandView,
    ReadView,
    paginate,
    refuse,
    refuse_unserved,
)
from operators.console.console import Console
from operators.console.job_commands import NOT_FOUND, OVER
from operators.console.job_timeline import describe_job
from operators.db import audit, datetimes
from operators.db.job_models import EndedJob
from operators.db.job_rows import STATES
from scheduling.model.jobs import JobState, phase2_state

Json = dict[str, Any]
_BAD_REQUEST, _NOT_FOUND, _CONFLICT, _UNAVAILABLE = 400, 404, 409, 503
_EXACT = ("state", "reason", "session_id", "node_id", "tenant_id")
_FILTERS = [
    OpenApiParameter("state", str, enum=list(STATES)),
    OpenApiParameter("reason", str, description="For instance NO_AVAILABLE_NODE."),
    OpenApiParameter("session_id", str),
]


class LatestJobsView(ReadView):
    """The jobs of this instance that ended last; `only` those that ended so, ``""`` for all."""

    only = ""
    serves_tenants = True

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        asked = request.query_params
        rows = console.jobs.list_ended(
            state=self.only or asked.get("state", ""),
            reason=asked.get("reason", ""),
            session_id=asked.get("session_id", ""),
        )
        if bound := find_bound_tenant(request):
            rows = console.ask(console.jobs.keep_those_of(bound, rows))
        return paginate(rows, request, view=self)


@describe(
    operation_id="jobs",
    parameters=[*_FILTERS, *PAGE],
    responses={200: serializers.JobPage, **PROBLEMS},
    examples=examples.show("A refusal", examples.page_of(examples.JOB_ROW)),
)
class JobsView(LatestJobsView):
    """The jobs of this instance that ended last, newest first, and utterances refused at once."""


@describe(
    operation_id="jobs_failed",
    parameters=[*_FILTERS[1:], *PAGE],
    responses={200: serializers.JobPage, **PROBLEMS},
    examples=examples.show("A refusal", examples.page_of(examples.JOB_ROW)),
)
class FailedJobsView(LatestJobsView):
    """Of those, the ones without a result."""

    only = JobState.FAILED


@describe(
    operation_id="jobs_history",
    parameters=[
        *_FILTERS,
        OpenApiParameter("node_id", str),
        OpenApiParameter("tenant_id", str),
        OpenApiParameter("since", dt.datetime, description="Ended at this moment or later."),
        OpenApiParameter("until", dt.datetime, description="Ended before this moment."),
        *PAGE,
    ],
    responses={
        200: serializers.EndedJobPage,
        400: serializers.Problem,
        **PROBLEMS,
    },
    examples=examples.show("Done", examples.page_of(examples.ENDED_JOB)),
)
class JobHistoryView(ReadView):
    """Every job that is over, of all instances, newest first, while operators keep them."""

    serves_tenants = True

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        try:
            chosen = read_filters(request.query_params, exact=_EXACT, moment="ended_at")
            found = EndedJob.objects.filter(**chosen)
            if bound := find_bound_tenant(request):
                found = found.filter(tenant_id=bound)
            rows = Rows(found.defer("record"), describe=_describe_row)
            return paginate(rows, request, view=self)
        except BadFilter as bad:
            return refuse(_BAD_REQUEST, "INVALID_PARAMETER", str(bad))
        except DatabaseError:
            told = "The database does not answer; jobs go on, and are written once it does."
            return refuse(_UNAVAILABLE, "DATABASE_DOWN", told)


@describe(
    operation_id="job",
    responses={200: serializers.Job, **MAY_MISS},
    examples=examples.show("A job that was done", examples.JOB),
)
class JobView(ReadView):
    """One job with its timeline: every attempt, its states in both vocabularies, its failure."""

    serves_tenants = True

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        try:
            job = console.ask(console.jobs.find_job(named["job_id"])) or _find_kept(named["job_id"])
        except DatabaseError:
            return refuse(_UNAVAILABLE, "DATABASE_DOWN", "The database does not answer.")
        bound = find_bound_tenant(request)
        if job is None or (bound and job["tenant_id"] != bound):
            return refuse(_NOT_FOUND, "NO_SUCH_JOB", "No job has this id, or it was forgotten.")
        return Response(job)


@describe(
    request=None,
    responses={200: serializers.JobCommand, 409: serializers.Problem, **MAY_MISS},
    examples=examples.show(
        "Cancelled", {"job_id": "job-1A2B3C4D-0123456789ab", "action": "cancel"}
    ),
)
class JobCommandView(CommandView):
    """Cancel: the job ends, its node stops, its speaker is told. Again: another node gets it.

    Again takes the job from its node, which costs one of its attempts; one that waits is tried.
    """

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        job_id, action = named["job_id"], named["action"]
        if console.job_commands is None:
            return refuse_unserved()
        word = console.ask(console.job_commands.command(job_id, action=action))
        if word == NOT_FOUND:
            return refuse(_NOT_FOUND, "NO_SUCH_JOB", "No job has this id, or it was forgotten.")
        if word == OVER:
            return refuse(_CONFLICT, "JOB_OVER", "The job has ended, or has just moved on.")
        audit.record(actor=request.user.get_username(), action=f"job.{action}", target=job_id)
        return Response({"job_id": job_id, "action": action})


def _describe_row(job: EndedJob) -> Json:
    return {
        "job_id": job.job_id,
        "session_id": job.session_id,
        "tenant_id": job.tenant_id,
        "utterance_index": job.utterance_index,
        "state": job.state,
        "phase2_state": phase2_state(JobState(job.state)),
        "reason": job.reason or None,
        "node_id": job.node_id or None,
        "attempts": job.attempts,
        "src_lang": job.src_lang,
        "tgt_lang": job.tgt_lang,
        "trace_id": job.trace_id,
        "created_at_ms": datetimes.to_ms(job.created_at),
        "ended_at_ms": datetimes.to_ms(job.ended_at),
        "duration_ms": job.duration_ms,
    }


def _find_kept(job_id: str) -> Json | None:
    """Return a job Redis has forgotten, from the history."""
    if "\0" in job_id:
        return None
    kept = EndedJob.objects.filter(pk=job_id).first()
    return None if kept is None else describe_job(kept.record)
