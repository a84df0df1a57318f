"""manage.py top: the state of the fleet in a terminal, live."""

import shutil
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError

from lingua import settings
from lingua.commands.top import NotReachable, draw, look
from lingua.settings.env import is_set
from operators.management.numbers import parse_span
from scheduling.model import clock

_HOME = "\x1b[H\x1b[2J"
_FAST_S = 0.2


class Command(BaseCommand):
    """Look at an instance again and again."""

    help = (
        "Show nodes with their slots, jobs a second, how long placing and whole jobs take, what "
        "waits, and why utterances were refused: of the fleet as one instance sees it. Ctrl-C ends."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        address = f"http://{settings.LINGUA_HOST}:{settings.LINGUA_PORT}"
        parser.add_argument("--url", default=address, help="an instance (default: %(default)s)")
        parser.add_argument(
            "--token-file", type=Path, help="holds an API token with the scope read"
        )
        parser.add_argument(
            "--interval", type=parse_span, default=1.0, help="seconds between looks"
        )
        parser.add_argument(
            "--once", action="store_true", help="one frame, of all since the instance started"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """:raises CommandError: the instance does not answer, or does not let us look."""
        token = _read_token(options["token_file"])
        before = None
        try:
            while True:
                now = look(options["url"], token=token, at_s=clock.steady_ms() / 1_000)
                size = shutil.get_terminal_size((100, 40))
                frame = draw(
                    now,
                    before,
                    width=size.columns,
                    height=size.lines,
                    colors=self.stdout.isatty() and not is_set("NO_COLOR"),
                )
                if options["once"]:
                    self.stdout.write("\n".join(frame))
                    return
                self.stdout.write(_HOME + "\n".join(frame))
                before = now
                time.sleep(max(options["interval"], _FAST_S))
        except NotReachable as away:
            raise CommandError(str(away)) from away
        except KeyboardInterrupt:
            return


def _read_token(file: Path | None) -> str:
    """Return the token to show, none without a file.

    :raises CommandError: the file cannot be read
    """
    try:
        return file.read_text().strip() if file else ""
    except (OSError, UnicodeError) as error:
        raise CommandError(f"--token-file: {error}") from error
