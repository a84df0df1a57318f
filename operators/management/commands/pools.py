"""manage.py pools: pools, tenants and switches from a file, and into one."""

import getpass
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import CommandError
from django.db import DatabaseError

from operators.db import audit
from operators.db.pool_files import MOST_BYTES, FaultyFile, apply_file, read_file, write_file
from operators.management.examples import CommandWithExamples

_STANDARD = "-"
_EXAMPLES = """examples:
  manage.py pools export pools.toml
  manage.py pools import pools.toml --dry-run
  manage.py pools import pools.toml --prune
  manage.py pools import config.toml          # the [scheduler.phase3] of an older scheduler
"""


class Command(CommandWithExamples):
    """Load what operators own of placement from a file, or write it into one."""

    help = (
        "Write pools, tenant policies and switches to a TOML file, or make the database say what "
        "such a file says. A file with a fault changes nothing, and each fault is told; an older "
        "scheduler's configuration is read, too. Changes are in force within seconds."
    )
    examples = _EXAMPLES

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="action")
        export = actions.add_parser("export", help="write all of it to a file")
        export.add_argument("file", nargs="?", default=_STANDARD, help="default: standard output")
        load = actions.add_parser("import", help="make the database say what a file says")
        load.add_argument("file", help="a TOML file; - is standard input")
        load.add_argument(
            "--dry-run", action="store_true", help="tell what would change, and change nothing"
        )
        load.add_argument("--prune", action="store_true", help="remove what the file does not name")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["action"] == "export":
                self._export(options["file"])
            else:
                self._import(options["file"], prune=options["prune"], dry_run=options["dry_run"])
        except FaultyFile as faulty:
            many = len(faulty.faults)
            raise CommandError(
                f"{options['file']}: nothing was changed; {many} fault{'s' * (many > 1)}:\n{faulty}"
            ) from faulty
        except (OSError, DatabaseError) as error:
            raise CommandError(f"nothing was changed: {error}") from error

    def _export(self, name: str) -> None:
        text = write_file()
        if name == _STANDARD:
            self.stdout.write(text, ending="")
        else:
            Path(name).write_text(text, encoding="utf-8")

    def _import(self, name: str, *, prune: bool, dry_run: bool) -> None:
        if name == _STANDARD:
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(name).open("rb") as source:
                content = source.read(MOST_BYTES + 1)
        file = read_file(content)
        told = apply_file(file, prune=prune, dry_run=dry_run)
        for note in file.notes:
            self.stderr.write(f"note: {note}")
        summary = {table: str(changes) for table, changes in told.items()}
        for table, changes in summary.items():
            self.stdout.write(f"{table}: {changes}")
        if dry_run:
            self.stdout.write("Nothing was changed: --dry-run.")
            return
        audit.record(
            actor=f"command:{getpass.getuser()}",
            action="pools.import",
            target=Path(name).name,
            **summary,
        )
