"""manage.py audit: whether the audit log is whole, and a copy of it."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from operators.db import audit_chain


class Command(BaseCommand):
    """Verify the chain of the audit log, or write its entries out, one JSON object a line."""

    help = "verify: name each entry that was changed or is missing. export: write them all out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=("verify", "export"))
        parser.add_argument(
            "--after", type=int, default=0, help="export what came after this number alone"
        )

        parser.add_argument(
            "--count", type=int, default=0, help="verify that this entry is the one noted before"
        )
        parser.add_argument("--head", default="", help="the seal that was noted of it")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["what"] == "export":
            for entry in audit_chain.list_entries(after=options["after"]):
                said = {**audit_chain.describe(entry), "digest": entry.digest}
                self.stdout.write(json.dumps(said))
            return
        if bool(options["count"]) != bool(options["head"]):
            raise CommandError("--count and --head belong together: what verify said last time")
        faults = list(audit_chain.list_faults(count=options["count"], head=options["head"]))
        for fault in faults:
            self.stdout.write(fault)
        if faults:
            raise CommandError(f"the audit log is not as it was written: {len(faults)} faults")
        count, head = audit_chain.find_head()
        self.stdout.write(f"the audit log is as it was written: {count} entries")
        if count:
            self.stdout.write(f"note this elsewhere, for next time: --count {count} --head {head}")
