"""The demonstration, as somebody who tries Lingua runs it."""

import asyncio
import json
import os
import sys
import urllib.request
from pathlib import Path

import pytest

from lingua.commands.demo import DemoFailed, run_program
from lingua.settings.embedded_redis import find_free_port
from tests.manage import ROOT, clear_environment, run
from tests.waiting import eventually


@pytest.mark.req("J5", "N1", "J13")
@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_spoken_english_comes_back_as_spoken_spanish(server):
    demo = run("demo", "--once", "--server", server)

    assert demo.returncode == 0, demo.stderr
    told = json.loads(demo.stdout)
    assert told["text_asr"] == "Go forward ten meters."
    assert "metros" in told["text_translated"]
    assert told["tts_bytes"] > 16_000, "half a second of speech at least"
    assert told["first_ms"] > 0
    assert told["total_ms"] > 0
    assert told["node_id"].startswith("node-")


@pytest.mark.req("J13")
async def test_the_demonstration_tells_a_pipe_at_once_and_ends_when_told(tmp_path: Path):
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "manage.py", "demo", "--port", "0"),
        cwd=ROOT,
        env=clear_environment(LINGUA_VAR_DIR=str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert demo.stdout is not None
    told = []
    try:
        async with asyncio.timeout(120):
            while not told or "stays up" not in told[-1]:
                told.append((await demo.stdout.readline()).decode())
                assert told[-1], told
    finally:
        demo.terminate()
        code = await demo.wait()

    assert told[0].startswith("Starting Redis")
    assert "  heard       Go forward ten meters.\n" in told
    assert code == 0


@pytest.mark.req("RE6")
async def test_somebody_goes_on_speaking_for_the_pages_to_show(tmp_path: Path):
    port = find_free_port()
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "manage.py", "demo", "--port", str(port), "--talkers", "1"),
        cwd=ROOT,
        # It is asked again and again here.
        env=clear_environment(LINGUA_VAR_DIR=str(tmp_path), LINGUA_REQUESTS_PER_SECOND="1000"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert demo.stdout is not None
    told = ""
    try:
        async with asyncio.timeout(180):
            while "1 speakers go on" not in told:
                told = (await demo.stdout.readline()).decode()
                assert told
            # The first sentence was the demonstration's own.
            await eventually(
                lambda: asyncio.to_thread(_count_jobs, port), fits=lambda count: count > 1
            )
    finally:
        demo.terminate()
        code = await demo.wait()

    assert code == 0


def _count_jobs(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/jobs?state=DONE") as answer:
        return int(json.load(answer)["count"])


async def test_what_goes_wrong_beside_a_program_is_told_and_ends_it():
    talks = "while True: print('ready', flush=True)"
    with pytest.raises(DemoFailed, match="it went wrong"):
        async with run_program(
            arguments=["-c", talks], environment=os.environ, until="ready", within_s=60
        ):
            raise DemoFailed("it went wrong")


def test_a_clip_that_is_no_recording_is_refused_with_the_reason(tmp_path):
    clip = tmp_path / "noise.wav"
    clip.write_bytes(b"not a recording")

    demo = run("demo", "--once", "--clip", str(clip))

    assert demo.returncode == 1
    assert "cannot read" in demo.stderr
    assert "Traceback" not in demo.stderr


@pytest.mark.req("ED15")
async def test_the_demonstration_takes_the_port_of_the_settings_and_says_what_it_waits_for(
    tmp_path: Path,
) -> None:
    port = find_free_port()
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "manage.py", "demo"),
        cwd=ROOT,
        env=clear_environment(LINGUA_VAR_DIR=str(tmp_path), LINGUA_PORT=str(port)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert demo.stdout is not None
    told = ""
    try:
        async with asyncio.timeout(120):
            while "Starting the speech node: it loads its models" not in told:
                line = (await demo.stdout.readline()).decode()
                assert line, told
                told += line
    finally:
        demo.terminate()
        await demo.wait()

    assert f"Lingua is ready on http://127.0.0.1:{port} " in told


@pytest.mark.req("ED15")
async def test_whoever_waits_for_a_program_is_told_every_few_seconds(monkeypatch):
    monkeypatch.setattr("lingua.commands.demo._TELLS_EVERY_S", 0.01)
    told: list[float] = []
    slow = "import time; time.sleep(0.2); print('ready', flush=True); time.sleep(60)"

    async with run_program(
        arguments=["-c", slow],
        environment=os.environ,
        until="ready",
        within_s=60,
        still=told.append,
    ):
        pass

    assert len(told) > 1
    assert told == sorted(told)


@pytest.mark.req("ED15")
def test_the_demonstration_asks_for_no_more_than_it_runs_on():
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile.partition("\ndemo:")[2].partition("\n\n")[0]
    script = (ROOT / "scripts" / "setup-venv").read_text()

    assert "setup-venv demo" in recipe
    assert "setup-system demo" in recipe
    assert script.partition("demo)")[2].partition(";;")[0].count("requirements-dev") == 0
