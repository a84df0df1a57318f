"""Commands whose help ends with examples, each on a line as it stands."""

from argparse import RawDescriptionHelpFormatter
from typing import Any, ClassVar

from django.core.management import BaseCommand


class CommandWithExamples(BaseCommand):
    """A command whose `--help` shows its `examples` below its options."""

    examples: ClassVar[str]

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> Any:
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=self.examples,
            formatter_class=RawDescriptionHelpFormatter,
            **options,
        )
