"""What a Redis that refuses says reaches whoever checks an installation, or starts it (ED8)."""

import json
from pathlib import Path

import pytest

from tests.manage import run
from tests.refusing_redis import STATES, OpenState

CASES = [pytest.param(*state, id=name) for name, state in STATES.items()]
# Those that show themselves when we connect, when we write, and before anything is said.
STARTS = [case for case in CASES if case.id in {"no password", "a replica", "a wrong certificate"}]


@pytest.mark.req("ED8")
@pytest.mark.standalone("a state of one server")
@pytest.mark.parametrize(("open_state", "words"), CASES)
def test_doctor_fails_in_redis_own_words_and_says_what_to_do(
    open_state: OpenState, words: str, tmp_path: Path
) -> None:
    with open_state(tmp_path / "redis") as url:
        ended = run("doctor", "--json", LINGUA_VAR_DIR=str(tmp_path), REDIS_URL=url)

    failed = [found for found in json.loads(ended.stdout) if found["level"] == "fail"]
    seen = [found for found in failed if found["seen"].startswith(words)]
    assert ended.returncode == 1
    assert seen, failed
    assert seen[0]["advice"]
    assert "right" not in ended.stdout


@pytest.mark.req("ED8")
@pytest.mark.standalone("a state of one server")
@pytest.mark.parametrize(("open_state", "words"), STARTS)
def test_a_start_is_refused_in_redis_own_words(
    open_state: OpenState, words: str, tmp_path: Path
) -> None:
    with open_state(tmp_path / "redis") as url:
        ended = run("serve", "--port", "0", LINGUA_VAR_DIR=str(tmp_path), REDIS_URL=url)

    assert ended.returncode == 1, ended.stderr
    assert words in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
