"""manage.py why-not <node_id> <job_id>: why a node does not have a job."""

import asyncio
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand

from lingua.commands.store_access import open_stores, telling_of_redis, unknown_job
from scheduling.jobs.explaining import NodeVerdict


class Command(BaseCommand):
    """Tell why one node did not get one job."""

    help = (
        "Say why a node would not get a job now, and why it was passed over at each decision "
        "about that job of the last hour."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("node_id")
        parser.add_argument("job_id")

    def handle(self, *args: Any, **options: Any) -> None:
        """:raises CommandError: the job is not known, or too old, or Redis does not answer."""
        with telling_of_redis():
            verdict = asyncio.run(_read(options["node_id"], options["job_id"]))
        if verdict is None:
            raise unknown_job(options["job_id"])
        self.stdout.write(f"now: {verdict.now or 'it could have it'}")
        self.stdout.write(f"in pools: {', '.join(verdict.pools) or 'none'}")
        for number, reason in enumerate(verdict.then, start=1):
            self.stdout.write(f"decision {number}: {reason or 'it was asked'}")
        for word in verdict.answers:
            self.stdout.write(f"its slot answered: {word}")


async def _read(node_id: str, job_id: str) -> NodeVerdict | None:
    async with open_stores() as stores:
        await stores.load_node(node_id)
        return await stores.explainer.why_not(node_id=node_id, job_id=job_id)
