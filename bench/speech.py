"""make bench-speech: what it costs to pass speech on while it is spoken, medians of five."""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import quietness, speech_words
from bench.figures import Row, median_of, print_table
from bench.machine import describe_run
from bench.processes import ROOT, Target, end_in_order, start_redis, start_target

_RESULTS = ROOT / "bench" / "results" / "speech.json"
_LOAD = "bench.speech_load"
_SPEAKERS = 500
_MOST_US = 40
_MOST_CORE = 0.6
_MOST_WAIT_S = 1.2
_MOST_P99_MS = {1: 5, 2: 10}
_ELSEWHERE = (
    ("node killed in mid-sentence, 200 times", "one outcome each", "make test-streams"),
    (
        "socket cut in mid-sentence and resumed elsewhere, 200 times",
        "one outcome each, with every word",
        "make stream-cuts",
    ),
    ("recordings of the real clients, Appendix B", "pass with the defaults", "make test"),
    ("half of the speakers streaming", "no violation", "make chaos"),
    ("`/talk`, two sentences, Stop never pressed", "both translated", "make test-browser"),
)

Measured = dict[str, Any]


def _load(target: Target, mode: str, **options: object) -> Measured:
    return target.load_with(_LOAD, mode, **options)


@contextlib.contextmanager
def _start(directory: Path, *, instances: int, server: str = "uvicorn") -> Iterator[Target]:
    place = Path(tempfile.mkdtemp(dir=directory))
    with (
        start_redis(place / "redis", append_only=False) as redis,
        start_target(server, redis=redis, directory=place, instances=instances) as target,
    ):
        yield target


def _say(text: str) -> None:
    print(f"… {text}", flush=True)


def measure_relay(directory: Path, *, runs: int, speakers: int) -> list[Row]:
    """Measure speakers on one instance, each as a stream and whole in turns."""
    _say(f"{speakers} speakers on one instance")
    pairs, floors = [], []
    for _ in range(runs):
        with _start(directory, instances=1, server="floor") as floor:
            floors.append(_load(floor, "relay", speakers=speakers))
        with _start(directory, instances=1) as target:
            streamed_run = _load(target, "relay", speakers=speakers)
            pairs.append((streamed_run, _load(target, "relay", speakers=speakers, whole=True)))
    streamed = [pair[0] for pair in pairs]
    extra = statistics.median(
        ours["server_us_per_chunk"] - whole["server_us_per_chunk"] for ours, whole in pairs
    )
    core = median_of(streamed, "server_cpu")
    return [
        Row(
            name="server CPU of a chunk that is relayed, one instance",
            unit="µs",
            figures={
                "more than one that is kept": extra,
                "in all": median_of(streamed, "server_us_per_chunk"),
                "one that is kept": median_of([pair[1] for pair in pairs], "server_us_per_chunk"),
                "Redis": median_of(streamed, "redis_us_per_chunk"),
                "a program that only passes it on": median_of(floors, "server_us_per_chunk"),
            },
            bound=f"at most {_MOST_US} more",
            met=extra <= _MOST_US,
        ),
        Row(
            name=f"{speakers} speakers, ten chunks a second each, one instance",
            unit="% of a core",
            figures={
                "server": core * 100,
                "a program that only passes on": median_of(floors, "server_cpu") * 100,
                "kept waiting": median_of(streamed, "server_kept_waiting") * 100,
                "load generator": median_of(streamed, "load_cpu") * 100,
            },
            bound=f"< 60 % for {_SPEAKERS}",
            met=core < _MOST_CORE if speakers >= _SPEAKERS else None,
        ),
        _describe_way(streamed, instances=1, speakers=speakers, floors=floors),
    ]


def measure_apart(directory: Path, *, runs: int, speakers: int) -> Row:
    """Measure speakers on one instance whose nodes are on another."""
    _say(f"{speakers} speakers on one instance, their nodes on another")
    streamed = []
    for _ in range(runs):
        with _start(directory, instances=2) as target:
            streamed.append(_load(target, "relay", speakers=speakers))
    return _describe_way(streamed, instances=2, speakers=speakers)


def _describe_way(
    streamed: list[Measured], *, instances: int, speakers: int, floors: Sequence[Measured] = ()
) -> Row:
    p99, most = median_of(streamed, "p99_ms"), _MOST_P99_MS[instances]
    where = "one instance" if instances == 1 else "two instances"
    return Row(
        name=f"chunk in → chunk out, {where}, {speakers} speakers",
        unit="ms",
        figures={"p50": median_of(streamed, "p50_ms"), "p99": p99}
        | ({"p99 of a program that only passes on": median_of(floors, "p99_ms")} if floors else {}),
        bound=f"p99 < {most} ms",
        met=p99 < most,
    )


def measure_microphone(directory: Path, *, runs: int) -> list[Row]:
    """Measure what somebody waits who leaves the microphone open."""
    _say("a sentence, and the microphone stays open")
    rows = []
    with _start(directory, instances=1) as target:
        for whole, name in ((False, "job_close"), (True, "job_assign")):
            options = {"whole": True} if whole else {}
            waits = [
                _load(target, "microphone", speakers=1, seconds=20, **options) for _ in range(runs)
            ]
            wait_s = median_of(waits, "most_s")
            rows.append(
                Row(
                    name=f"open microphone: last voiced sample → {name}",
                    unit="s",
                    figures={"": wait_s},
                    bound=f"≤ {_MOST_WAIT_S} s",
                    met=wait_s <= _MOST_WAIT_S,
                )
            )
    return rows


def measure_words(*, runs: int) -> list[Row]:
    """Measure the reference node, whole and streamed."""
    _say("the reference node, whole and streamed")
    return speech_words.judge(asyncio.run(speech_words.measure(runs=runs)))


def list_elsewhere() -> list[Row]:
    """Return the rows of the table that are no times, and what proves each."""
    return [
        Row(name=name, unit="", figures={}, bound=f"{bound}: `{proof}`")
        for name, bound, proof in _ELSEWHERE
    ]


def main() -> None:
    """Measure, print the table, write the file."""
    end_in_order()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs a median is taken of")
    parser.add_argument("--speakers", type=int, default=_SPEAKERS)
    parser.add_argument("--apart", type=int, default=100, help="speakers over two instances")
    parser.add_argument("--words", type=int, default=1, help="runs of the reference node; 0: none")
    options = parser.parse_args()
    before, others = describe_run(), {"before": quietness.measure_before()}
    began, then = time.perf_counter(), quietness.look()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        rows = measure_relay(directory, runs=options.runs, speakers=options.speakers)
        rows.append(measure_apart(directory, runs=options.runs, speakers=options.apart))
        rows = measure_microphone(directory, runs=options.runs) + rows
    rows += measure_words(runs=options.words) if options.words else []
    rows += list_elsewhere()
    others["during"] = quietness.share_of_others(then, quietness.look())
    busy = {"before": before.pop("load_average"), "after": os.getloadavg()[0]}
    document = {
        **before,
        "took_s": round(time.perf_counter() - began),
        "runs": options.runs,
        "load_average": busy,
        "others": others,
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    _RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    print(print_table(rows))
    print(quietness.describe(others))


if __name__ == "__main__":
    main()
