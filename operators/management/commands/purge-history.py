"""manage.py purge-history: take old jobs out of the history now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import connection

from operators.db import datetimes
from operators.db.history_table import HistoryAway, HistoryTable, describe_database
from operators.db.installation import get_installation
from operators.management.numbers import parse_span

_AT_ONCE = 500


class Command(BaseCommand):
    """Delete jobs that ended long ago; running instances do the same every ten minutes."""

    help = "Delete jobs from the history that ended longer ago than --days."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days",
            type=parse_span,
            default=get_installation().history_days,
            help="default: LINGUA_HISTORY_DAYS",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            before = datetimes.shift_days(-options["days"])
        except ValueError as error:
            raise CommandError(f"--days: {error}") from error
        deleted = 0
        table = HistoryTable(describe_database(connection.settings_dict))
        try:
            while part := table.delete_older(before=before, most=_AT_ONCE):
                deleted += part
        except HistoryAway as error:
            raise CommandError(f"after {deleted} jobs: {error}") from error
        finally:
            table.close()
        self.stdout.write(f"{deleted} jobs removed that ended before {before:%Y-%m-%d %H:%M} UTC")
