"""manage.py why <job_id>: why a job is where it is."""

import asyncio
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management import BaseCommand

from lingua.commands.store_access import open_stores, telling_of_redis, unknown_job
from scheduling.jobs.explaining import Explanation
from scheduling.placement.decisions import Decision


class Command(BaseCommand):
    """Tell every decision about one job."""

    help = (
        "Show a job as it stands and every decision about it of the last hour: which pools and "
        "nodes were looked at, why each node was passed over, what the slots answered, and how "
        "long each step took."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job_id")

    def handle(self, *args: Any, **options: Any) -> None:
        """:raises CommandError: the job is not known, or too old, or Redis does not answer."""
        with telling_of_redis():
            explanation = asyncio.run(_read(options["job_id"]))
        if explanation is None:
            raise unknown_job(options["job_id"])
        for line in describe(explanation):
            self.stdout.write(line)


async def _read(job_id: str) -> Explanation | None:
    async with open_stores() as stores:
        return await stores.explainer.why(job_id)


def describe(explanation: Explanation) -> list[str]:
    """Return the explanation as lines for people."""
    job = explanation.job
    where = f" on {job.node_id}" if job.node_id else ""
    lines = [
        f"{job.job_id}: {job.state}{where}, attempt {job.attempt}, "
        f"{job.need.src} to {job.need.tgt} for tenant {job.tenant_id or '-'}"
        + (f", {job.reason}" if job.reason else "")
    ]
    for decision in explanation.decisions:
        lines += ["", *_describe(decision)]
    if not explanation.decisions:
        lines += ["", "no decision is kept: it was made more than an hour ago"]
    return lines


def _describe(decision: Decision) -> list[str]:
    at = datetime.fromtimestamp(decision.at_ms / 1000, tz=UTC).isoformat(timespec="milliseconds")
    pools = ", ".join(pool_id or "all nodes" for pool_id in decision.pools) or "none"
    lacks = dict(decision.lacks)
    lines = [
        f"{at} attempt {decision.attempt}: {decision.outcome}"
        + (f" at {decision.node_id}" if decision.node_id else "")
        + (f", {decision.reason}" if decision.reason else ""),
        f"  pools looked into: {pools}" + (" (fallback)" if decision.fallback else ""),
        f"  choosing took {decision.choosing_us} us, all of it {decision.elapsed_us} us",
    ]
    lines += [
        f"  seen  {node_id}  load {load}"
        + (f"  passed over: {reason}" if reason else "")
        + (f"; {node_id} lacks: {', '.join(lacks[node_id])}" if lacks.get(node_id) else "")
        for node_id, load, reason in decision.looked_at
    ]
    lines += [
        f"  asked {answer.node_id}  {answer.word}  load {answer.load}  {answer.elapsed_us} us"
        for answer in decision.answers
    ]
    return lines
