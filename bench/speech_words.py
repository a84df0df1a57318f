"""make bench-words: the reference node, whole and streamed in turns; medians of five."""

import argparse
import asyncio
import dataclasses
import json
import os
import re
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import lingua_node

from bench.figures import Row, print_table
from bench.machine import describe_run
from bench.processes import ROOT
from lingua.commands.demo import Clip, Translated, read_clip, run_program, speak
from lingua.settings.env import copy_environment

_RESULTS = ROOT / "bench" / "results" / "words.json"
_CLIP = Path(lingua_node.__file__).with_name("clips") / "best_of_times.wav"
_SECONDS = (5, 10, 20)
_JUDGED = 10
_TIMES_SOONER = 5
_MOST_FIRST_MS = 1500
_NO_LATER = 1.1  # medians of a few runs differ by so much on their own

Spoken = dict[tuple[int, bool], list[Translated]]


def _cut(clip: Clip, seconds: int) -> Clip:
    """Return so much of the recording, from its beginning, again and again."""
    wanted = seconds * clip.sample_rate * 2
    pcm = (clip.pcm * (wanted // len(clip.pcm) + 1))[:wanted]
    return Clip(name=f"{seconds} s", sample_rate=clip.sample_rate, pcm=pcm)


async def measure(*, runs: int) -> Spoken:
    """Start a server and the node, and say each length in both ways, one after the other."""
    spoken: Spoken = {}
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
                for _ in range(runs):
                    for seconds in _SECONDS:
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
                            told = await say(streaming=streaming)
                            spoken.setdefault((seconds, streaming), []).append(told)
                            print(f"… {seconds} s: {told.total_ms:.0f} ms", flush=True)
    return spoken


def judge(spoken: Spoken) -> list[Row]:
    """Compare streams with parcels, and long streams with short ones."""
    ends = {key: statistics.median(each.total_ms for each in told) for key, told in spoken.items()}
    firsts = {
        seconds: statistics.median(each.first_ms for each in spoken[seconds, True])
        for seconds in _SECONDS
    }
    rows = []
    for seconds in _SECONDS:
        sooner = ends[seconds, False] / ends[seconds, True]
        same = all(
            one.text_asr == other.text_asr
            for one, other in zip(spoken[seconds, True], spoken[seconds, False], strict=True)
        )
        is_judged = seconds == _JUDGED
        rows.append(
            Row(
                name=f"{seconds} s of speech: its end → result with speech",
                unit="ms",
                figures={
                    "streamed": ends[seconds, True],
                    "whole": ends[seconds, False],
                    "divided": sooner,
                },
                bound=f"÷ {_TIMES_SOONER} or better, same text" if is_judged else "same text",
                met=same and (sooner >= _TIMES_SOONER or not is_judged),
            )
        )
    rows.append(
        Row(
            name="20 s streamed ÷ 5 s streamed",
            unit="",
            figures={"": ends[20, True] / ends[5, True]},
            bound="no later",
            met=ends[20, True] <= _NO_LATER * ends[5, True],
        )
    )
    rows.append(
        Row(
            name="speech begins → first words, streamed",
            unit="ms",
            figures={f"{seconds} s": first for seconds, first in firsts.items()},
            bound=f"≤ {_MOST_FIRST_MS} ms",
            met=max(firsts.values()) <= _MOST_FIRST_MS,
        )
    )
    return rows


def main() -> None:
    """Measure, print the table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs a median is taken of")
    options = parser.parse_args()
    before, began_s = describe_run(), time.perf_counter()
    rows = judge(asyncio.run(measure(runs=options.runs)))
    busy = {"before": before.pop("load_average"), "after": os.getloadavg()[0]}
    document = {
        **before,
        "took_s": round(time.perf_counter() - began_s),
        "runs": options.runs,
        "load_average": busy,
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    _RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    print(print_table(rows))


if __name__ == "__main__":
    main()
