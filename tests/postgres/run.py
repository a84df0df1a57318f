"""make test-postgres: what touches the operators' database, on a PostgreSQL of its own."""

import os
import subprocess
import sys

from tests.databases import TEMPLATE
from tests.manage import ROOT
from tests.postgres.server import make_database, running

# History, admin, tokens, audit, and what operators own.
_TESTS = (
    "tests/postgres",
    "tests/history",
    "tests/instances/test_operator_commands.py",
    *(
        f"tests/operators/test_{name}.py"
        for name in (
            "audit_chain",
            "tokens",
            "node_admin",
            "owned_pools",
            "api_access",
            "page_access",
        )
    ),
    "tests/operators/test_scraping.py",
    "tests/security/test_whole_way.py",
)

# What a thread has left open is told when the run is over, when nothing ignores it any more.
_QUIETLY = ("-p", "no:unraisableexception")


def main(arguments: list[str]) -> int:
    """Run the tests, or those that are named; return pytest's code."""
    with running() as server:
        make_database(server, TEMPLATE)
        environment = {
            **os.environ,
            "DATABASE_URL": f"{server}/{TEMPLATE}",
            "LINGUA_TEST_POSTGRES": server,
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=ROOT,
            env=environment | {"REDIS_URL": "redis://127.0.0.1:1/0"},
            check=True,
        )
        tests = list(arguments or _TESTS)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--reuse-db", *_QUIETLY, *tests],
            cwd=ROOT,
            env=environment,
            check=False,
        )
        return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
