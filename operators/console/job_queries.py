"""What operators may ask about jobs: one whole, and those that ended last."""

import asyncio
from typing import Any

from operators.console.job_timeline import describe_job, describe_step
from scheduling.model import ids
from scheduling.model.metrics import Metrics
from scheduling.store.decisions import DecisionStore
from scheduling.store.jobs import JobStore

Json = dict[str, Any]


class JobQueries:
    """Reads Redis for one job, and what this process remembers for lists."""

    def __init__(self, *, metrics: Metrics, jobs: JobStore, decisions: DecisionStore) -> None:
        self._metrics = metrics
        self._jobs = jobs
        self._decisions = decisions

    async def find_job(self, job_id: str) -> Json | None:
        """Return a job with its timeline; None when there is none. On the event loop.

        :raises DependencyDown: Redis did not answer
        """
        session_id = ids.find_session_id(job_id)
        if session_id is None:
            return None
        fields = await self._jobs.find_fields(session_id=session_id, job_id=job_id)
        decisions = await self._decisions.list_all(session_id=session_id, job_id=job_id)
        return describe_job(fields, decisions) if fields else None

    async def find_tenant(self, job_id: str) -> str | None:
        """Return whose job it is, None where that is not known any more. On the event loop.

        :raises DependencyDown: Redis did not answer
        """
        session_id = ids.find_session_id(job_id)
        if session_id is None:
            return None
        return await self._jobs.find_tenant(session_id=session_id, job_id=job_id)

    async def keep_those_of(self, tenant_id: str, rows: list[Json]) -> list[Json]:
        """Return the rows whose jobs are a tenant's, by their records. On the event loop.

        :raises DependencyDown: Redis did not answer
        """
        tenants = await asyncio.gather(*(self.find_tenant(row["job_id"]) for row in rows))
        return [row for row, of in zip(rows, tenants, strict=True) if of == tenant_id]

    def list_ended(self, *, state: str = "", reason: str = "", session_id: str = "") -> list[Json]:
        """Return the jobs of this process that ended last, newest first, filtered."""
        return [
            describe_step(step)
            for step in reversed(list(self._metrics.recent_jobs))
            if (not state or step.state == state)
            and (not reason or step.reason == reason)
            and (not session_id or step.session_id == session_id)
        ]
