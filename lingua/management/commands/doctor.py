"""manage.py doctor: is this installation fit to serve, and if not, what to do."""

import dataclasses
import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand

from lingua import settings
from lingua.commands.doctor import examine
from lingua.commands.findings import Finding, Level
from lingua.settings.addresses import parse_port
from lingua.settings.redaction import mask_secrets

_MARKS: dict[Level, str] = {"ok": "  ok  ", "warn": " warn ", "fail": " FAIL "}
_FAILED = 1


class Command(BaseCommand):
    """Check an installation; the exit code is 1 when something fails, 0 otherwise."""

    help = (
        "Check settings, authentication, Redis, channel layer, database, port, limits and speech "
        "packages, and say what to do. Run it on each host, with the variables of the service. "
        "Exit code 1 when a line says FAIL; warnings do not count."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="a list of findings, for programs")
        parser.add_argument("--host", default=settings.LINGUA_HOST)
        parser.add_argument("--port", type=parse_port, default=settings.LINGUA_PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        found = []
        for finding in examine(host=options["host"], port=options["port"]):
            found.append(finding)
            if not options["json"]:
                self.stdout.write(mask_secrets(_describe(finding)))
        if options["json"]:
            told = json.dumps([dataclasses.asdict(finding) for finding in found], indent=2)
            self.stdout.write(mask_secrets(told))
        if any(finding.level == "fail" for finding in found):
            sys.exit(_FAILED)


def _describe(finding: Finding) -> str:
    line = f"[{_MARKS[finding.level]}] {finding.check}: {finding.seen}"
    return f"{line}\n         {finding.advice}" if finding.advice else line
