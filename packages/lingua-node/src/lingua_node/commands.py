"""The commands for who writes a node (dev, run, console, doctor), and for who speaks to one."""

import argparse
import asyncio
import os
from collections.abc import Callable
from typing import get_args

from lingua_node import console, doctor, program, reloading, speak_command
from lingua_node.node import Transport
from lingua_node.speak_command import say

NODE_URL = "ws://127.0.0.1:5010/ws/node"
_FAILED = 1


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
        "Offers a WAV file to your node as a job: your hooks are asked as with a server, and what "
        "it would answer, tell and return is shown.",
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
        speak_command.run,
        "speak recordings to a scheduler, once or as many speakers, alone or in a room",
        "Opens sessions, says recordings and shows what came back. With --every it goes on, as a "
        "crowd would: something moves on the live page. With --room or --create-room they speak "
        "in a room, and its captions are shown.",
    )
    speak_command.add_arguments(speak)


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
    parser.add_argument(
        "--transport",
        choices=get_args(Transport),
        help="how the node speaks to the scheduler: http for where no WebSocket gets through "
        "(default: the file's own, or websocket)",
    )


def _dev(options: argparse.Namespace) -> int:
    file = program.find_file(options.file)
    arguments = ["--url", options.url] if options.url else []
    if options.token:
        # Not on a command line, where others of the machine see it.
        os.environ["LINGUA_NODE_TOKEN"] = options.token
    arguments += ["--transport", options.transport] if options.transport else []
    arguments += ["--verbose"] if options.verbose else []
    return reloading.ReloadingRunner(file, arguments=arguments).run()


def _run(options: argparse.Namespace) -> int:
    node, told = program.load_node(program.find_file(options.file))
    node.transport = options.transport or node.transport
    url = options.url or told.url or NODE_URL
    node.run(url=url, token=options.token or told.token)
    return 0


def _console(options: argparse.Namespace) -> int:
    pcm16 = console.read_clip(options.clip)
    node, _ = program.load_node(program.find_file(options.file))
    result = asyncio.run(
        console.hear(node, pcm16, src_lang=options.src, tgt_lang=options.tgt, say=say)
    )
    return 0 if console.report(result, say=say, save=options.save) else _FAILED


def _doctor(options: argparse.Namespace) -> int:
    findings = doctor.examine(
        file=options.file,
        url=options.url or NODE_URL,
        token=options.token,
        transport=options.transport,
    )
    for finding in findings:
        say(str(finding))
    return _FAILED if any(each.is_wrong for each in findings) else 0
