"""The commands for who writes a node (dev, run, console, doctor), and for who speaks to one."""

import argparse
import asyncio
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

from websockets.exceptions import WebSocketException

from lingua_node import console, doctor, program, reloading
from lingua_node.mistakes import NodeMistake
from lingua_node.signals import run_until_drained
from lingua_node.speaker import Speaker, SpeakerRefused

NODE_URL = "ws://127.0.0.1:5010/ws/node"
_SPEAKER_URL = "ws://127.0.0.1:5010/ws/session"
_FAILED = 1
_CLIPS = Path(__file__).with_name("clips")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them, each with what it does as `command`."""
    dev = _add(
        commands,
        "dev",
        _dev,
        "run your node, and again whenever a file beside it changes",
        "Runs the node of a file and watches the Python files of its folder. A file that cannot "
        "be run is told of, and tried again when it has changed.",
    )
    run = _add(
        commands,
        "run",
        _run,
        "run your node",
        "Runs the node of a file, as `python FILE` would; without FILE the one here that is meant.",
    )
    for parser in (dev, run):
        _add_file(parser)
        _add_server(parser)
    hear = _add(
        commands,
        "console",
        _console,
        "let your node do one job with a recording, without a server",
        "Gives a WAV file to your handler as a job, and shows what it tells and returns.",
    )
    hear.add_argument("clip", help="a WAV file of one channel and 16 bits, at any rate")
    _add_file(hear)
    hear.add_argument("--src", metavar="LANG", help="what is spoken (default: your first pair)")
    hear.add_argument("--tgt", metavar="LANG", help="what it becomes (default: your first pair)")
    hear.add_argument("--save", metavar="WAV", help="where the speech that comes back is written")
    examine = _add(
        commands,
        "doctor",
        _doctor,
        "look whether everything a node needs is here",
        "Looks at Python, libraries, your file and the scheduler. Ends with 1 when a node cannot "
        "work so.",
    )
    _add_file(examine)
    _add_server(examine)
    _add_speak(commands)


def _add_speak(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    speak = _add(
        commands,
        "speak",
        _speak,
        "speak recordings to a scheduler, once or as many speakers",
        "Opens sessions, says recordings and shows what came back. With --every it goes on, as a "
        "crowd would: something moves on the live page.",
    )
    speak.add_argument("clip", nargs="*", help="WAV files (default: five that come with this)")
    speak.add_argument("--src", default="en", metavar="LANG", help="what is spoken (default: en)")
    speak.add_argument("--tgt", default="es", metavar="LANG", help="what is wanted (default: es)")
    speak.add_argument("--speakers", type=_count, default=1, help="how many (default: 1)")
    speak.add_argument(
        "--every",
        type=_seconds,
        metavar="S",
        help="say another clip so long after each answer, until Ctrl-C (default: each clip once)",
    )
    speak.add_argument("--save", metavar="WAV", help="where the last speech is written")
    speak.add_argument(
        "--url", default=_SPEAKER_URL, help="where speakers connect (default: %(default)s)"
    )
    speak.add_argument("--token", help="API token; better by LINGUA_SPEAKER_TOKEN")
    speak.add_argument("--verbose", action="store_true", help="log every detail")


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: Callable[[argparse.Namespace], int],
    help_: str,
    description: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help_, description=description)
    parser.set_defaults(run=command, token=None)
    return parser


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="?",
        help="the file with your node (default: node.py, main.py, app.py, or the only one here)",
    )
    parser.add_argument("--verbose", action="store_true", help="log every detail")


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url", help=f"the scheduler's node socket (default: the file's own, or {NODE_URL})"
    )
    parser.add_argument(
        "--token",
        help="bearer token of the node; better given by the environment variable "
        "LINGUA_NODE_TOKEN, which other users of the machine cannot see",
    )


def _dev(options: argparse.Namespace) -> int:
    file = program.find_file(options.file)
    arguments = ["--url", options.url] if options.url else []
    if options.token:
        # Not on a command line, where others of the machine see it.
        os.environ["LINGUA_NODE_TOKEN"] = options.token
    arguments += ["--verbose"] if options.verbose else []
    return reloading.ReloadingRunner(file, arguments=arguments).run()


def _run(options: argparse.Namespace) -> int:
    node, told = program.load_node(program.find_file(options.file))
    url = options.url or told.url or NODE_URL
    node.run(url=url, token=options.token or told.token)
    return 0


def _console(options: argparse.Namespace) -> int:
    pcm16 = console.read_clip(options.clip)
    node, _ = program.load_node(program.find_file(options.file))
    say = _say
    result = asyncio.run(
        console.hear(node, pcm16, src_lang=options.src, tgt_lang=options.tgt, say=say)
    )
    return 0 if console.report(result, say=say, save=options.save) else _FAILED


def _doctor(options: argparse.Namespace) -> int:
    findings = doctor.examine(file=options.file, url=options.url or NODE_URL, token=options.token)
    for finding in findings:
        _say(str(finding))
    return _FAILED if any(each.is_wrong for each in findings) else 0


def _speak(options: argparse.Namespace) -> int:
    options.token = options.token or os.environ.get("LINGUA_SPEAKER_TOKEN")
    paths = options.clip or [str(path) for path in sorted(_CLIPS.glob("*.wav"))]
    clips = [console.read_clip(path) for path in paths]
    leaving = asyncio.Event()

    async def speak_all() -> None:
        speakers = [_speak_one(options, clips, leaving) for _ in range(options.speakers)]
        outcomes = await asyncio.gather(*speakers, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    try:
        asyncio.run(run_until_drained(speak_all(), drain=leaving.set))
    except (SpeakerRefused, OSError, WebSocketException) as trouble:
        raise NodeMistake(f"{options.url}: {str(trouble) or type(trouble).__name__}") from None
    return 0


async def _speak_one(
    options: argparse.Namespace, clips: list[bytes], leaving: asyncio.Event
) -> None:
    speaker = Speaker(options.url, src_lang=options.src, tgt_lang=options.tgt, token=options.token)
    async with speaker:
        number = 0
        while not leaving.is_set() and (options.every is not None or number < len(clips)):
            clip = clips[number] if options.every is None else random.choice(clips)
            number += 1
            try:
                told = await speaker.say(clip)
            except SpeakerRefused as refused:
                if options.every is None:
                    raise
                _say(f"{speaker.session_id}  {refused}")
            else:
                _say(f"{speaker.session_id}  {told.text_asr}  →  {told.text_translated}")
                if options.save and told.tts_format == "pcm16":
                    console.save_wav(options.save, told.tts_audio)
            if options.every is not None:
                await _wait(leaving, options.every)


async def _wait(leaving: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await leaving.wait()
    except TimeoutError:
        return


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value
