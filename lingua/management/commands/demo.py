"""manage.py demo: spoken English in, spoken Spanish out, through real parts."""

import asyncio
import json
import re
import signal
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError
from websockets.exceptions import WebSocketException

from lingua import settings
from lingua.commands.demo import Clip, DemoFailed, Translated, read_clip, run_program, speak
from lingua.settings.addresses import parse_port
from lingua.settings.env import copy_environment, is_set

_CLIP = settings.CLIPS_DIR / "go_forward_ten_meters.wav"
_SERVER_WITHIN_S = 60.0
_NODE_WITHIN_S = 120.0
_RESULT_WITHIN_S = 60.0
# Who looks at `/live` sees speech, and who forgets the demonstration has an idle machine.
_TALKED_FOR_S = 600.0
_PAUSE_S = 6.0
_MOST_TALKERS = 8
_ADDRESS = re.compile(r"http://(\S+)")
_NODE_ID = re.compile(r"registered as (\S+)")


class Command(BaseCommand):
    """Show Lingua at work on this machine, offline."""

    help = (
        "Start a Redis, a scheduler and the reference speech node, say a recorded English clip "
        "through a session, and print what was heard and what it was translated to. The Spanish "
        "speech is saved as a WAV file. Then everything stays up until Ctrl-C, and says where to "
        "connect. With --once: print one line of JSON and end, with code 0 if it worked."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="one line of JSON, then end")
        parser.add_argument(
            "--clip",
            type=Path,
            default=_CLIP,
            help="English speech to say: a WAV file, one channel of 16 bits (default: %(default)s)",
        )
        parser.add_argument(
            "--port",
            type=parse_port,
            default=settings.LINGUA_PORT,
            help="the scheduler's port (default: %(default)s, from LINGUA_PORT; "
            "a free one with --once, unless LINGUA_PORT is set)",
        )
        parser.add_argument(
            "--talkers",
            type=int,
            choices=range(_MOST_TALKERS + 1),
            metavar=f"0-{_MOST_TALKERS}",
            default=2,
            help="speakers that go on for ten minutes, for /live to show (default: %(default)s)",
        )
        parser.add_argument("--server", choices=("daphne", "uvicorn"), default="uvicorn")

    def handle(self, *, once: bool, clip: Path, **options: Any) -> None:
        """Run the demonstration.

        :raises CommandError: why it did not work
        """
        is_default = options["port"] == settings.LINGUA_PORT and not is_set("LINGUA_PORT")
        port = 0 if once and is_default else options["port"]
        try:
            with _own_folder(kept=not once) as folder:
                asyncio.run(
                    self._show(
                        recording=read_clip(clip),
                        once=once,
                        serve=["--port", str(port), "--server", options["server"]],
                        folder=folder,
                        talkers=options["talkers"],
                    )
                )
        except DemoFailed as error:
            raise CommandError(str(error)) from error
        except asyncio.CancelledError:
            if once:
                raise CommandError("told to end before it was done") from None

    async def _show(
        self, *, recording: Clip, once: bool, serve: list[str], folder: Path, talkers: int
    ) -> None:
        _end_on_signals()
        say = (lambda _text: None) if once else self._say
        environment = copy_environment(
            LINGUA_VAR_DIR=str(folder),
            # Recognition takes a whole core of the one machine everything runs on here.
            LINGUA_RESOURCE_THRESHOLD_PERCENT="100",
            PYTHONUNBUFFERED="1",
        )
        still = partial(_tell_waiting, say)
        say("Starting Redis and the scheduler …")
        async with run_program(
            arguments=[str(settings.BASE_DIR / "manage.py"), "serve", *serve],
            environment=environment,
            until="Lingua is ready",
            within_s=_SERVER_WITHIN_S,
            still=still,
        ) as ready:
            url = f"ws://{_find(_ADDRESS, ready)}"
            say(f"{ready.splitlines()[-1]}\nStarting the speech node: it loads its models …")
            async with run_program(
                arguments=["-m", "lingua_node", "speech", "--url", f"{url}/ws/node"],
                environment=environment,
                until="sees us as ready",
                within_s=_NODE_WITHIN_S,
                still=still,
            ) as node:
                say(
                    f"The node is ready.\n\nSaying {recording.name} ({recording.duration_s:.1f} s):"
                )
                translated = await speak(
                    url=url,
                    clip=recording,
                    src_lang="en",
                    tgt_lang="es",
                    show=lambda heard: say(f"  … {heard}"),
                    within_s=_RESULT_WITHIN_S,
                )
                if once:
                    self.stdout.write(_as_json(translated, _find(_NODE_ID, node)))
                    return
                self._tell(translated, folder / "translated.wav", url)
                if talkers:
                    say(f"\n{talkers} speakers go on for ten minutes; --talkers 0: nobody does.")
                async with asyncio.TaskGroup() as talking:
                    for number in range(talkers):
                        talking.create_task(_keep_talking(url, number=number))
                await asyncio.Event().wait()

    def _say(self, text: str) -> None:
        """Print at once, also where nobody sits at a terminal."""
        self.stdout.write(text)
        self.stdout.flush()

    def _tell(self, translated: Translated, path: Path, url: str) -> None:
        translated.save(path)
        self._say(
            f"""
  heard       {translated.text_asr}
  translated  {translated.text_translated}
  spoken      {path} ({len(translated.tts) / 2 / translated.sample_rate:.1f} s)
  took        {translated.first_ms:.0f} ms from the first sound to the first words,
              {translated.total_ms:.0f} ms from the last sound to the translation

Everything stays up until Ctrl-C:
  speakers    {url}/ws/session
  nodes       {url}/ws/node   for instance: python -m lingua_node simulate --url {url}/ws/node
  watch       {url.replace("ws", "http", 1)}/live
  talk        {url.replace("ws", "http", 1)}/talk
  commands    export LINGUA_VAR_DIR={path.parent}   then for instance: python manage.py top"""
        )


async def _keep_talking(url: str, *, number: int) -> None:
    """Say one recording after the other, with pauses, for as long as the demonstration shows it.

    What becomes of a sentence is to be seen on the pages; a refusal ends nothing.
    """
    clips = [read_clip(path) for path in sorted(settings.CLIPS_DIR.glob("*.wav"))]
    begun_s = time.monotonic()
    await asyncio.sleep(number * _PAUSE_S / 2)
    said = number
    while time.monotonic() - begun_s < _TALKED_FOR_S:
        with suppress(DemoFailed, OSError, WebSocketException):
            await speak(
                url=url,
                clip=clips[said % len(clips)],
                src_lang="en",
                tgt_lang="es",
                show=lambda _heard: None,
                within_s=_RESULT_WITHIN_S,
            )
        said += 1
        await asyncio.sleep(_PAUSE_S)


@contextmanager
def _own_folder(*, kept: bool) -> Iterator[Path]:
    """Yield where this demonstration keeps its files, apart from those of `serve`."""
    if kept:
        folder = settings.LINGUA_VAR_DIR / "demo"
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="lingua-demo-") as temporary:
        yield Path(temporary)


def _tell_waiting(say: Callable[[str], None], waited_s: float) -> None:
    say(f"  … not yet ready after {waited_s:.0f} s")


def _find(pattern: re.Pattern[str], output: str) -> str:
    match = pattern.search(output)
    if match is None:
        raise DemoFailed(f"{pattern.pattern} is nowhere in:\n{output}")
    return match[1]


def _as_json(translated: Translated, node_id: str) -> str:
    return json.dumps(
        {
            "text_asr": translated.text_asr,
            "text_translated": translated.text_translated,
            "tts_bytes": len(translated.tts),
            "first_ms": translated.first_ms,
            "total_ms": translated.total_ms,
            "node_id": node_id,
        }
    )


def _end_on_signals() -> None:
    """Let Ctrl-C and SIGTERM end this task, whatever it does, and with it the programs it runs."""
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
