"""The commands, from outside: a new folder, the README's example, and nothing else."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from lingua_node import Speaker, SpeakerRefused
from lingua_node.console import make_wav
from node_testing.scheduler import FakeScheduler, eventually

README = Path(__file__).parents[1] / "README.md"
EXAMPLE, HOOKS, SPEAKING, ROOMS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
ENDS_WITHIN_S = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A new folder with the README's example and a recording."""
    (tmp_path / "node.py").write_text(EXAMPLE)
    (tmp_path / "clip.wav").write_bytes(make_wav(b"\1\0" * 8_000))
    return tmp_path


def call(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "lingua_node", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )


@asynccontextmanager
async def started(folder: Path, *words: str) -> "AsyncIterator[asyncio.subprocess.Process]":
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lingua_node", *words),
            cwd=folder,
            stderr=log,
            env={**os.environ, "LINGUA_NODE_TOKEN": ""},
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(ENDS_WITHIN_S):
            await process.wait()


@pytest.mark.req("RE2")
@pytest.mark.parametrize("words", [(), ("node.py",)])
def test_a_recording_goes_through_the_readmes_node_without_a_server(folder, words):
    done = call(folder, "console", "clip.wav", *words)
    assert done.returncode == 0, done.stderr
    assert "heard       go ahead\ntranslated  adelante\n" in done.stdout


@pytest.mark.req("RE2")
def test_the_readmes_hooks_are_called(folder):
    (folder / "node.py").write_text(HOOKS)
    done = call(folder, "console", "clip.wav")
    assert (done.returncode, "translated  ve\n" in done.stdout) == (0, True), done.stderr
    assert "… heard     go\n" in done.stdout


@pytest.mark.req("RE2")
@pytest.mark.parametrize(
    ("change", "code", "out", "error"),
    [
        (('"en" else "only', '"de" else "only'), 1, "declined    only English; another node", ""),
        (("True if", "False if"), 1, "declined    another node", ""),
        (
            ("True if", "1 if"),
            1,
            "",
            "failed      PROCESSING_ERROR: TypeError: @node.accept returns",
        ),
        (("return 0.2", "return 0.97"), 0, "load        97 % of CPU: a scheduler would give", ""),
        (("return 0.2", "return 2"), 2, "", "@node.load returns a number from 0 to 1, not 2"),
        (("return 0.2", "return 0"), 0, "accepted\n… heard     go\nheard", ""),
    ],
)
def test_console_answers_as_the_node_would_answer_a_scheduler(folder, change, code, out, error):
    assert change[0] in HOOKS
    # Whatever keeps the memory of this machine busy is none of the test.
    usage = "    usage=lambda _: ResourceUsage(cpu_percent=1, mem_percent=0, running_jobs=0),\n"
    program = HOOKS.replace("    max_concurrent_jobs=2,\n", usage).replace(*change)
    program = f"from lingua_node.messages import ResourceUsage\n{program}"
    (folder / "node.py").write_text(program)
    done = call(folder, "console", "clip.wav")
    assert (done.returncode, out in done.stdout, error in done.stderr) == (code, True, True), done


@pytest.mark.req("RE2")
@pytest.mark.parametrize("command", ["dev", "run", "doctor"])
def test_where_there_is_http_alone_a_command_says_so(folder, command):
    assert "--transport" in call(folder, command, "--help").stdout
    refused = call(folder, command, "--transport", "pigeon")
    assert (refused.returncode, "invalid choice: 'pigeon'" in refused.stderr) == (2, True)


@pytest.mark.req("RE2")
async def test_dev_runs_the_readmes_example_and_again_when_it_changes(
    folder, scheduler: FakeScheduler
):
    async with started(folder, "dev", "--url", scheduler.url):
        first = await scheduler.accept()
        registered = await first.register()
        assert registered["language_capabilities"]["tts_languages"] == ["es"]
        await first.begin()
        assert (await first.expect("job_result"))["text_translated"] == "adelante"
        (folder / "node.py").write_text(EXAMPLE.replace('"adelante"', '"vaya"'))
        second = await scheduler.accept()
        await second.register()
        await second.begin()
        assert (await second.expect("job_result"))["text_translated"] == "vaya"


@pytest.mark.req("RE2")
async def test_dev_outlives_a_file_that_cannot_be_run(folder, scheduler: FakeScheduler):
    (folder / "node.py").write_text("def broken(:\n")
    async with started(folder, "dev", "--url", scheduler.url):
        await eventually(lambda: "cannot be run" in (folder / "log").read_text())
        await eventually(lambda: "started again" in (folder / "log").read_text())
        (folder / "node.py").write_text(EXAMPLE)
        await (await scheduler.accept()).register()


@pytest.mark.req("RE2")
async def test_dev_starts_again_when_a_module_beside_the_file_changes(
    folder, scheduler: FakeScheduler
):
    (folder / "words.py").write_text('GO = "uno"\n')
    (folder / "node.py").write_text(
        "import words\n"
        + EXAMPLE.replace('"adelante"', "words.GO").replace(
            'url="ws://127.0.0.1:5010/ws/node"', f'url="{scheduler.url}"'
        )
    )
    # The file says itself where the scheduler is.
    async with started(folder, "dev"):
        for word in ("uno", "cuatro"):
            node = await scheduler.accept()
            await node.register()
            await node.begin()
            assert (await node.expect("job_result"))["text_translated"] == word
            (folder / "words.py").write_text('GO = "cuatro"\n')


@pytest.mark.req("RE2")
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1\n", "no node at its top level"),
        (EXAMPLE + EXAMPLE.replace("node = Node(", "other = Node("), "2 nodes"),
        ("import nowhere_to_be_found\n", "nowhere_to_be_found"),
        ("raise SystemExit(3)\n", "ended with 3"),
        (EXAMPLE.replace("@node.job\n", ""), "no handler"),
    ],
)
def test_a_file_that_is_no_node_is_told_so_in_words(folder, source, words):
    (folder / "node.py").write_text(source)
    done = call(folder, "console", "clip.wav")
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert "lingua_node/" not in done.stderr


@pytest.mark.req("RE2")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("console", "nothing.wav"), "No such file"),
        (("console", "node.py"), "not a WAV file"),
        (("console", "clip.wav", "other.py"), "no file other.py"),
        (("run", "other.py"), "no file other.py"),
        (("run", "--url", "http://127.0.0.1:5010"), "not a WebSocket URL"),
    ],
)
def test_what_cannot_be_done_is_told_without_a_traceback(folder, words, told):
    done = call(folder, *words)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.req("RE2")
async def test_doctor_tells_what_is_here_and_what_is_not(folder, scheduler: FakeScheduler):
    well = await asyncio.to_thread(call, folder, "doctor", "--url", scheduler.url)
    # The file's own address comes first, and nobody listens there.
    assert "node.py: offers asr (en)" in well.stdout
    (folder / "node.py").write_text(EXAMPLE.rpartition("node.run")[0])
    well = await asyncio.to_thread(call, folder, "doctor", "--url", scheduler.url)
    assert (well.returncode, "answers" in well.stdout) == (0, True), well.stdout
    (folder / "node.py").write_text("1 / 0\n")
    ill = await asyncio.to_thread(call, folder, "doctor", "--url", "ws://127.0.0.1:9/ws/node")
    assert (ill.returncode, ill.stdout.count("WRONG")) == (1, 2), ill.stdout
    assert "division by zero" in ill.stdout


@pytest.mark.req("RE2")
@pytest.mark.parametrize(
    "command", ["dev", "run", "console", "doctor", "speak", "speech", "simulate"]
)
def test_each_command_explains_itself(tmp_path, command):
    done = call(tmp_path, command, "--help")
    assert (done.returncode, f"usage: lingua-node {command}" in done.stdout) == (0, True)
    assert command in call(tmp_path, "--help").stdout


@pytest.mark.req("RE4")
async def test_a_speaker_hears_what_its_utterance_became(scheduler: FakeScheduler):
    async def serve() -> None:
        end = await scheduler.accept()
        init = await end.expect("session_init")
        assert (init["src_lang"], init["tgt_lang"]) == ("en", "es")
        await end.send({"type": "session_init_ack", "session_id": "s-1", "trace_id": "t"})
        for answer in ("translation_result", "missing_result", "error"):
            said = await end.expect("utterance")
            about = {"session_id": "s-1", "utterance_index": said["utterance_index"]}
            texts = {"text_asr": "go", "text_translated": "ve", "tts_audio": "", "tts_format": ""}
            more = {
                "translation_result": {"job_id": "j", "trace_id": "t", **texts},
                "missing_result": {"reason": "cancelled"},
                "error": {"code": "RATE_LIMITED", "message": "wait", "trace_id": said["trace_id"]},
            }[answer]
            await end.send({"type": answer, **about, **more})

    serving = asyncio.create_task(serve())
    async with Speaker(scheduler.url, src_lang="en", tgt_lang="es") as speaker:
        assert (await speaker.say(b"\0\0" * 160)).text_translated == "ve"
        for code in ("cancelled", "RATE_LIMITED"):
            with pytest.raises(SpeakerRefused, match=code) as refused:
                await speaker.say(b"\0\0" * 160)
            assert refused.value.code == code
    await serving


@pytest.mark.parametrize("program", [SPEAKING, ROOMS])
def test_the_readmes_speakers_are_python(program):
    compile(program, "README.md", "exec")
