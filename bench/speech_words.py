"""The reference node, whole and streamed: when the first words come, and the translation."""

import argparse
import asyncio
import json
import re
import statistics
import tempfile
from functools import partial
from pathlib import Path

import lingua_node

from lingua.commands.demo import Clip, Translated, read_clip, run_program, speak
from lingua.settings.env import copy_environment

_CLIP = Path(lingua_node.__file__).with_name("clips") / "best_of_times.wav"


def _cut(clip: Clip, seconds: int) -> Clip:
    """Return so much of the recording, from its beginning, again and again."""
    wanted = seconds * clip.sample_rate * 2
    pcm = (clip.pcm * (wanted // len(clip.pcm) + 1))[:wanted]
    return Clip(name=f"{seconds} s", sample_rate=clip.sample_rate, pcm=pcm)


async def measure(*, runs: int) -> None:
    """Start a server and the node; print medians."""
    with tempfile.TemporaryDirectory() as folder:
        environment = copy_environment(
            LINGUA_VAR_DIR=folder, LINGUA_RESOURCE_THRESHOLD_PERCENT="100", PYTHONUNBUFFERED="1"
        )
        async with run_program(
            arguments=["manage.py", "serve", "--port", "0"],
            environment=environment,
            until="Lingua is ready",
            within_s=60,
        ) as ready:
            url = "ws://" + re.findall(r"http://([\d.]+:\d+)", ready)[-1]
            async with run_program(
                arguments=["-m", "lingua_node", "speech", "--url", f"{url}/ws/node"],
                environment=environment,
                until="sees us as ready",
                within_s=60,
            ):
                for seconds in (5, 10, 20):
                    say = partial(
                        speak,
                        url=url,
                        clip=_cut(read_clip(_CLIP), seconds),
                        src_lang="en",
                        tgt_lang="es",
                        show=lambda _text: None,
                        within_s=60,
                    )
                    for streaming in (True, False):
                        told = [await say(streaming=streaming) for _ in range(runs)]
                        print(json.dumps(_describe(told, seconds, streaming=streaming)), flush=True)


def _describe(told: list[Translated], seconds: int, *, streaming: bool) -> dict[str, object]:
    return {
        "seconds": seconds,
        "streamed": streaming,
        "first_words_ms": statistics.median(each.first_ms for each in told),
        "end_to_result_ms": statistics.median(each.total_ms for each in told),
        "heard": told[-1].text_asr,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs a median is taken of")
    asyncio.run(measure(runs=parser.parse_args().runs))
