"""The lines of the log: their fields, what is never in them, files that rotate."""

import asyncio
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lingua.serving import logs
from lingua.serving.logs import ID_FIELDS, JsonFormatter, LogRateFilter, TextFormatter
from lingua.settings import env
from tests.databases import Database
from tests.e2e.servers import Lingua, Servers
from tests.peers.frames import AUDIO, draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.redis_under_test import OwnRedis
from tests.waiting import eventually

_ROOT = Path(__file__).parents[2]
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_LEVELS = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}


def make_record(message: str = "it happened", **extra: Any) -> logging.LogRecord:
    return logging.makeLogRecord(
        {"name": "scheduling.x", "levelno": 20, "levelname": "INFO", "msg": message, **extra}
    )


def check(line: str) -> dict[str, Any]:
    """Hold one line against the schema of docs/operations.md."""
    told: dict[str, Any] = json.loads(line)
    assert _MOMENT.fullmatch(told["at"]), line
    assert told["level"] in _LEVELS, line
    assert isinstance(told["logger"], str), line
    assert isinstance(told["message"], str), line
    for name in ID_FIELDS:
        assert isinstance(told.get(name, ""), str), line
        assert told.get(name) != "", line
    return told


@pytest.mark.req("O7")
def test_a_line_is_one_object_with_its_ids_as_text() -> None:
    record = make_record(
        job_id="job-1", attempt_id=2, node_id="n1", reason="JOB_TIMEOUT", state=object, nodes=3
    )

    told = check(JsonFormatter().format(record))

    assert (told["job_id"], told["attempt_id"], told["node_id"]) == ("job-1", "2", "n1")
    assert (told["reason"], told["nodes"]) == ("JOB_TIMEOUT", 3)
    assert "session_id" not in told


@pytest.mark.req("O7")
@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter("{message}", style="{")])
def test_what_is_too_long_for_an_id_is_cut(formatter: logging.Formatter) -> None:
    line = formatter.format(make_record(frame="QUFB" * 1_000, payload=b"\1" * 1_000))

    assert len(line) < 2_000
    assert "\n" not in line


@pytest.mark.req("O7")
def test_a_message_that_comes_a_thousand_times_a_second_is_a_few_lines() -> None:
    rate_filter = LogRateFilter(most_per_s=3)

    def is_written(second: float, message: str = "late result", level: int = 20) -> bool:
        record = make_record(message, created=second, levelno=level)
        written = rate_filter.filter(record)
        left_out.append(getattr(record, "left_out", 0))
        return written

    left_out: list[int] = []
    assert sum(is_written(10 + n / 1_000) for n in range(1_000)) == 3
    assert is_written(10.5, "another message")
    assert all(is_written(10.5, level=logging.ERROR) for _ in range(10))
    assert not any(left_out)
    assert is_written(11.2)
    assert left_out[-1] == 997
    assert is_written(11.3)
    assert left_out[-1] == 0


@pytest.mark.req("O7")
def test_no_limit_writes_every_line() -> None:
    rate_filter = LogRateFilter(most_per_s=0)

    assert all(rate_filter.filter(make_record(created=1.0)) for _ in range(100))


@pytest.mark.req("I-50")
@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter("{message}", style="{")])
def test_a_long_text_of_any_alphabet_is_cut_between_its_letters(
    formatter: logging.Formatter, shift: int
) -> None:
    """A log that cut between bytes fell over Chinese (I-50)."""
    text = "x" * shift + "中文🎤é" * 2_000

    line = formatter.format(make_record(frame=text, node_id=text))

    assert len(line) < 2_000
    assert "中文" in line
    assert "\ufffd" not in line


def test_text_for_a_terminal_names_the_ids_too() -> None:
    formatter = TextFormatter("{levelname} {name}: {message}", style="{")

    line = formatter.format(make_record(job_id="job-1", reason=""))

    assert line.startswith("INFO scheduling.x: it happened")
    assert "job_id=job-1" in line
    assert "reason" not in line


@pytest.mark.req("O7", "PF9")
def test_text_names_the_instance_where_several_write_to_one_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "_process", {})
    monkeypatch.setattr(logs, "_beside_others", set())
    formatter = TextFormatter("{message}", style="{")
    logs.name_instance("here-2")
    assert "here-2" not in formatter.format(make_record())

    logs.tell_instances_apart()

    assert "instance_id=here-2" in formatter.format(make_record())


@pytest.mark.req("O7")
@pytest.mark.parametrize("server_name", ["daphne", "uvicorn"])
async def test_a_whole_job_leaves_its_ids_and_nothing_that_was_said(
    server_name: str, redis_server: OwnRedis, tmp_path: Path
) -> None:
    servers = Servers(directory=tmp_path, redis_url=redis_server.url)
    languages = draw_languages()
    try:
        lingua = servers.start(
            server_name,
            LINGUA_LOG_LEVEL="DEBUG",
            LINGUA_LOG_FORMAT="json",
            LINGUA_MAX_RETRY="0",
            LINGUA_INSTANCE_ID="logs-1",
        )
        async with (
            FakeNode.open(lingua.url("/ws/node"), languages) as node,
            Speaker.open(lingua.url("/ws/session"), languages) as speaker,
        ):
            await speaker.say(0, request_id="r-17")
            job = await node.job()
            await node.ack(job)
            await node.finish(job, text_asr="SAIDWORDS", text_translated="DICHOPALABRAS")
            await speaker.next("translation_result")
            await speaker.say(1)
            failed = await node.job()
            await node.fail(failed, "ASR_FAILED", message="SECRETMOOD")
            await speaker.next("error")
            await speaker.chunk(b"\1\0" * 8_000, final=True)
        lingua.stop()
    finally:
        servers.end()

    output = lingua.instance.errors
    lines = [check(line) for line in output.splitlines()]
    for never in (AUDIO[:40], "SAIDWORDS", "DICHOPALABRAS", "SECRETMOOD", "AQABAAEA", "AgD4"):
        assert never not in output, never
    done = next(line for line in lines if line["message"] == "job done")
    assert {name: done[name] for name in ID_FIELDS if name in done} == {
        "job_id": job["job_id"],
        "attempt_id": "1",
        "session_id": speaker.session_id,
        "trace_id": job["trace_id"],
        "node_id": node.node_id,
        "instance_id": "logs-1",
    }
    dispatched = next(line for line in lines if line.get("request_id") == "r-17")
    assert dispatched["job_id"] == job["job_id"]
    (ended,) = (line for line in lines if line["message"] == "job ended without a result")
    assert (ended["level"], ended["reason"], ended["job_id"]) == (
        *("INFO", "ASR_FAILED", failed["job_id"]),
    )


@pytest.mark.req("O12")
@pytest.mark.parametrize("absent", [(), ("fcntl", "grp", "pwd", "resource", "termios")])
def test_a_log_file_rotates_by_size_and_keeps_as_many_as_told(
    absent: tuple[str, ...], tmp_path: Path
) -> None:
    """What Windows has no module for is not needed."""
    file = tmp_path / "lingua.log"
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
        "import django, logging; django.setup()\n"
        "for number in range(200): logging.getLogger('x').warning('line %d', number)"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=_ROOT,
        env=env.copy_environment(
            DJANGO_SETTINGS_MODULE="lingua.settings",
            LINGUA_VAR_DIR=str(tmp_path / "var"),
            LINGUA_LOG_FORMAT="json",
            LINGUA_LOG_FILE=str(file),
            LINGUA_LOG_FILE_MAX_BYTES="2000",
            LINGUA_LOG_FILE_COUNT="3",
            LINGUA_LOG_MAX_PER_S="0",
        ),
        capture_output=True,
        check=True,
    )

    files = sorted(tmp_path.glob("lingua.log*"))
    assert [path.name for path in files] == [
        *("lingua.log", "lingua.log.1", "lingua.log.2", "lingua.log.3"),
    ]
    assert all(path.stat().st_size <= 2_000 for path in files)
    oldest_first = [path.read_text() for path in (*reversed(files[1:]), files[0])]
    numbers = [
        int(check(line)["message"].split()[1])
        for text in oldest_first
        for line in text.splitlines()
    ]
    assert numbers == list(range(numbers[0], 200))


_WORDS = {
    "a newline": "x\nERROR lingua: forged",
    "an escape": "x\x1b[2J\x1b]0;title\x07",
    "an escape of one byte": "x\x9b2J",
    "an end of line of Unicode": "x\u2028ERROR lingua: forged",
    "a turn of direction": "x\u202egnol",
    "half a character": "x\ud83d",
    "another field": 'x" node_id=forged',
}


@pytest.mark.req("ED1", "O7")
@pytest.mark.parametrize("words", _WORDS.values(), ids=_WORDS)
def test_what_peers_say_stays_in_its_line_and_its_field(words: str) -> None:
    formatter = TextFormatter("{levelname} {message}", style="{")

    line = formatter.format(make_record(f"it said {words}", node_id="n1", told=words))

    assert line.isprintable()
    assert line.encode()
    assert " node_id=n1 told=" in line
    assert line.endswith('"') or " " not in line.partition("told=")[2]
    assert "node_id=forged" not in re.sub(r'"(\\.|[^"\\])*"', "", line.partition("node_id=n1")[2])


@pytest.mark.req("ED1", "O7")
def test_a_traceback_keeps_its_lines_and_shows_no_controls() -> None:
    try:
        raise ValueError("x\x1b[2J\ud83d")  # noqa: TRY301 - a line with a traceback is wanted
    except ValueError:
        record = make_record(exc_info=sys.exc_info())

    line = TextFormatter("{message}", style="{").format(record)
    assert "\nTraceback (most recent call last):\n" in line
    assert all(part.isprintable() for part in line.split("\n"))
    assert check(JsonFormatter().format(record))["exception"].endswith("\\ud83d")


@pytest.fixture
def json_lingua(redis_server: OwnRedis, tmp_path: Path) -> Iterator[Lingua]:
    """An instance whose lines are JSON, as somebody runs it from a checkout."""
    servers = Servers(directory=tmp_path, redis_url=redis_server.url)
    yield servers.start("uvicorn", LINGUA_LOG_FORMAT="json", PYTHONWARNINGS="default")
    servers.end()


@pytest.mark.req("O7", "ED14")
async def test_every_line_of_an_instance_is_json_its_writers_and_pythons_too(
    json_lingua: Lingua, tmp_path: Path
) -> None:
    pair = draw_languages()
    async with (
        FakeNode.open(json_lingua.url("/ws/node"), pair) as node,
        Speaker.open(json_lingua.url("/ws/session"), pair) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.ack(job)
        await node.finish(job)
        await speaker.result(0)
        # The writer of the history has asked the database by then.
        await eventually(lambda: _count_ended(tmp_path / "var") == 1, "no history is written")
    await asyncio.to_thread(json_lingua.stop)

    lines = json_lingua.instance.errors.splitlines()
    assert [line for line in lines if not line.startswith("{")] == []
    assert "app initialization" not in json_lingua.instance.errors
    assert {check(line)["level"] for line in lines} <= _LEVELS


def _count_ended(var: Path) -> int:
    return len(Database(var).read("SELECT job_id FROM operators_endedjob"))
