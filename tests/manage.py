"""`manage.py` in a process of its own, as an operator runs it."""

import os
import subprocess
import sys
from pathlib import Path

from tests import databases

ROOT = Path(__file__).parents[1]
# For commands that ask Redis nothing.
NO_REDIS = "redis://127.0.0.1:1/0"
_DEADLINE_S = 120
_NOT_OURS_ALONE = {
    *("DATABASE_URL", "REDIS_URL", "REDIS_CLUSTER_URLS", "REDIS_SENTINEL_URLS"),
    "SECRET_KEY",
}


def clear_environment(**variables: str) -> dict[str, str]:
    """Return this process's environment with no setting of Lingua's but those given."""
    clear = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("LINGUA_") and name not in _NOT_OURS_ALONE
    }
    return clear | databases.describe(Path(variables.get("LINGUA_VAR_DIR", ""))) | variables


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever that is."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=clear_environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=_DEADLINE_S,
    )


def manage(*arguments: str, **variables: str) -> str:
    """Run a command that succeeds; return what it printed."""
    ended = run(*arguments, **variables)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def make_superuser(name: str, password: str, *, var: Path) -> None:
    """Add somebody who may do everything to the database under `var`."""
    manage(
        *("createsuperuser", "--noinput", "--email", "a@example.org"),
        DJANGO_SUPERUSER_USERNAME=name,
        DJANGO_SUPERUSER_PASSWORD=password,
        LINGUA_VAR_DIR=str(var),
        REDIS_URL=NO_REDIS,
    )


def issue_api_token(*, var: Path, scope: str = "operate") -> str:
    """Return an API token that may operate, or what `scope` says, made in the database `var`."""
    return manage(
        *("token", "create", "api", "Desk", "--scope", scope),
        LINGUA_VAR_DIR=str(var),
        REDIS_URL=NO_REDIS,
    )
