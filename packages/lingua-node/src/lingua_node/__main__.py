"""The command line: `lingua-node`, or `python -m lingua_node`."""

import argparse
import asyncio
import logging
import os
import sys

from lingua_node import commands, mistakes, simulate, speech
from lingua_node.signals import run_until_drained
from lingua_node.workers import WorkerLost

_WRONGLY_CALLED = 2
_UNAVAILABLE = 69  # os.EX_UNAVAILABLE, which Windows does not name
_EPILOG = """\
SIGTERM or Ctrl-C drains: nothing new is taken, what runs is finished, results are delivered, then
the program ends. A second signal ends it at once. The connection is retried for ever."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code: 0 drained, 2 a mistake, 69 something is missing."""
    options = _parser().parse_args(arguments)
    level = logging.DEBUG if options.verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("websockets").setLevel(logging.WARNING)
    if options.command != "speak":
        options.token = options.token or os.environ.get("LINGUA_NODE_TOKEN")
    try:
        code: int = options.run(options)
    except KeyboardInterrupt:
        return 0
    except mistakes.NodeMistake as mistake:
        sys.stderr.write(f"{mistake}\n")
        return _WRONGLY_CALLED
    return code


def _speech(options: argparse.Namespace) -> int:
    try:
        speech.check_programs(tts_format=options.tts_format)
        node = speech.SpeechNode(
            slots=options.slots, tts_format=options.tts_format, is_private=options.private
        )
        serving = node.serve(url=options.url, token=options.token)
        asyncio.run(run_until_drained(serving, drain=node.node.drain))
    except (speech.ProgramMissing, WorkerLost) as error:
        sys.stderr.write(f"{error}\n")
        return _UNAVAILABLE
    return 0


def _simulate(options: argparse.Namespace) -> int:
    crowd = simulate.Crowd(
        simulate.Behavior(
            service_ms=options.service_ms,
            jitter=options.jitter,
            fail_rate=options.fail_rate,
            silent_rate=options.silent_rate,
            acknowledge=not options.no_ack,
        ),
        nodes=options.nodes,
        slots=options.slots,
        asr=options.asr,
        tts=options.tts,
        heartbeat_s=options.heartbeat,
        with_gpu=not options.no_gpu,
        streaming=options.streaming,
    )
    serving = crowd.serve(url=options.url, token=options.token)
    asyncio.run(run_until_drained(serving, drain=crowd.drain))
    sys.stdout.write(f"{crowd.report()}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lingua-node",
        description="Write a node for a Lingua scheduler, try it, run it; speak to one.",
        epilog=_EPILOG,
    )
    every = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_commands(every)
    _add_speech(every)
    _add_simulate(every)
    return parser


def _add_speech(every: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = every.add_parser(
        "speech",
        help="the reference node: spoken English in, spoken Spanish out",
        description="Recognizes English (pocketsphinx), translates it to Spanish (Apertium) and "
        "speaks it (eSpeak NG), on the CPU, offline. Understands PCM16 and length-prefixed Opus. "
        "Needs pip's lingua-node[speech] and Debian's apertium, apertium-eng-spa, espeak-ng and, "
        "for Opus, libopus0; says so and ends with code 69 when one is missing.",
        epilog=_EPILOG,
    )
    parser.set_defaults(run=_speech)
    _add_common(parser)
    parser.add_argument(
        "--slots",
        type=_positive,
        # Two at least: who goes on talking is heard while the last sentence is still finished.
        default=max(2, (os.cpu_count() or 1) - 1),
        help="jobs at once, each in a process of its own of about 320 MB (default: processors - 1, "
        "and 2 at least)",
    )
    parser.add_argument(
        "--tts-format",
        choices=["pcm16", "opus"],
        default="pcm16",
        help="how the speech is sent: PCM16 or length-prefixed Opus, 16 kHz (default: pcm16)",
    )
    parser.add_argument(
        "--private",
        action="store_true",
        help="serve only who shows the pairing code, which is told on the terminal, or whose "
        "tenant the token names",
    )


def _add_simulate(every: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = every.add_parser(
        "simulate",
        help="many fake nodes in one process, for load and for failures",
        description="Connects fake nodes that take real jobs, wait, and answer with made-up texts. "
        "Prints what happened to them as one line of JSON when it ends.",
        epilog=_EPILOG,
    )
    parser.set_defaults(run=_simulate)
    _add_common(parser)
    parser.add_argument("--nodes", type=_positive, default=10, help="how many (default: 10)")
    parser.add_argument(
        "--slots", type=_positive, default=2, help="jobs at once per node (default: 2)"
    )
    parser.add_argument(
        "--service-ms", type=float, default=300, help="how long a job takes (default: 300)"
    )
    parser.add_argument(
        "--jitter", type=_share, default=0.0, help="how much that varies, 0-1 of it (default: 0)"
    )
    parser.add_argument(
        "--fail-rate", type=_share, default=0.0, help="share of jobs that fail, 0-1 (default: 0)"
    )
    parser.add_argument(
        "--silent-rate",
        type=_share,
        default=0.0,
        help="share of jobs never answered nor acknowledged, 0-1 (default: 0)",
    )
    parser.add_argument(
        "--asr", nargs="+", default=["en"], metavar="LANG", help="languages heard (default: en)"
    )
    parser.add_argument(
        "--tts", nargs="+", default=["es"], metavar="LANG", help="languages spoken (default: es)"
    )
    parser.add_argument(
        "--heartbeat", type=float, default=15.0, metavar="S", help="interval (default: 15)"
    )
    parser.add_argument(
        "--no-ack", action="store_true", help="never acknowledge a job, like the desktop node"
    )
    parser.add_argument(
        "--streaming",
        action="store_true",
        help="hear utterances while they are spoken; the recognized text ends in the number of "
        "bytes that were heard and their SHA-256",
    )
    parser.add_argument("--no-gpu", action="store_true", help="declare no graphics card")


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        type=_socket_url,
        default=commands.NODE_URL,
        help="the scheduler's node socket (default: %(default)s)",
    )
    parser.add_argument(
        "--token",
        help="bearer token of the node; better given by the environment variable "
        "LINGUA_NODE_TOKEN, which other users of the machine cannot see",
    )
    parser.add_argument("--verbose", action="store_true", help="log every detail")


def _socket_url(text: str) -> str:
    try:
        mistakes.check_url(text)
    except mistakes.NodeMistake as mistake:
        raise argparse.ArgumentTypeError(str(mistake)) from None
    return text


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
