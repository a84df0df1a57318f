"""What PostgreSQL alone shows: the driver, migrations, and words where it does not let us in."""

import re
import subprocess
from pathlib import Path

import pytest

from lingua import settings
from tests import databases
from tests.manage import NO_REDIS, clear_environment, manage, run
from tests.server.launcher import Launcher


@pytest.mark.req("ED14")
def test_the_requirements_bring_the_driver():
    required = (Path(__file__).parents[2] / "requirements.txt").read_text()

    assert "\npsycopg[binary]" in required
    assert settings.DATABASES["default"]["ENGINE"].endswith("postgresql")


@pytest.mark.req("ED14")
def test_doctor_knows_the_database_and_what_it_lacks(tmp_path: Path):
    databases.lay_copy(tmp_path)
    migrated = manage("doctor", LINGUA_VAR_DIR=str(tmp_path))
    bare = run(
        "doctor", LINGUA_VAR_DIR=str(tmp_path), DATABASE_URL=f"{databases.POSTGRES}/template1"
    )

    assert "postgresql, migrated" in migrated
    assert "migrations are not applied" in bare.stdout


@pytest.mark.req("ED14")
def test_a_database_without_tables_is_not_served(tmp_path: Path):
    launcher = Launcher(directory=tmp_path)
    try:
        instance = launcher.start(
            awaiting_ready=False, DATABASE_URL=f"{databases.POSTGRES}/template1"
        )
        code = instance.wait()
    finally:
        launcher.end()

    assert code == 1
    assert "run python manage.py migrate" in instance.errors


@pytest.mark.req("ED14")
@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"{databases.POSTGRES}/no_such_database", 'database "no_such_database" does not exist'),
        ("postgresql://lingua@127.0.0.1:1/lingua", "refused"),
    ],
)
def test_why_there_is_no_database_is_told_in_its_own_words(tmp_path: Path, url: str, words: str):
    told = run("doctor", LINGUA_VAR_DIR=str(tmp_path), DATABASE_URL=url, REDIS_URL=NO_REDIS)

    assert words in told.stdout
    assert "Traceback" not in told.stdout + told.stderr


@pytest.mark.req("ED14")
def test_all_migrations_are_there_and_can_be_taken_back(tmp_path: Path):
    databases.lay_copy(tmp_path)
    here = {"LINGUA_VAR_DIR": str(tmp_path), "REDIS_URL": NO_REDIS}

    assert "No changes" in manage("makemigrations", "--check", "--dry-run", **here)
    manage("migrate", "operators", "zero", **here)
    manage("migrate", **here)


@pytest.mark.req("RE8")
def test_the_commands_of_the_runbook_bring_a_database_back(tmp_path: Path):
    runbook = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()
    (block,) = re.findall(r"^```\n(pg_dump .*?)^```$", runbook, re.MULTILINE | re.DOTALL)
    dump, restore = block.splitlines()
    databases.lay_copy(tmp_path)
    here = {"LINGUA_VAR_DIR": str(tmp_path), "REDIS_URL": NO_REDIS}
    manage("token", "create", "api", "saved", "--scope", "read", **here)

    variables = clear_environment(**here)
    subprocess.run(["bash", "-ec", dump], cwd=tmp_path, env=variables, check=True)
    databases.Database(tmp_path).change("DELETE FROM operators_apitoken")
    assert "saved" not in manage("token", "list", **here)
    subprocess.run(["bash", "-ec", restore], cwd=tmp_path, env=variables, check=True)

    assert "saved" in manage("token", "list", **here)
    assert "as it was written" in manage("audit", "verify", **here)
    manage("migrate", "--check", **here)
