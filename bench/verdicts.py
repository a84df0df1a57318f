"""The bounds of the design, and whether the figures of a run keep them."""

import dataclasses
from collections.abc import Sequence

from bench.figures import Row

SERVER_RATIO = 1.8
REDIS_RATIO = 3.0
COMMANDS = 6
# What the server does every second is counted too: a hundredth of a command a job.
COMMANDS_READ = COMMANDS + 0.05
BEAT_SERVER_US = 150.0
BEAT_REDIS_US = 60.0
SLOW_RATIO = 1.5
STORM_RATIO = 1.2
SECOND_INSTANCE = 1.05
CHUNK_US = 40.0
CHUNKS_CORE_PERCENT = 60.0
GROWTH_KB = 10.0
WORKER_SHARE = 0.2
PEER_RATIO = 0.8
PEER_RUNS = 3
REST_MB = 100.0
CHOICE_P99_US = 100
CHOICE_SPREAD = 1.2
RESERVE_P99_US = 1_000
_RESERVE = "reserve, one writer"


def judge_parts(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of parts, those that have a bound judged."""
    p50 = {row.name: row.figures["p50"] for row in rows if "p50" in row.figures}
    some, most = p50["choose a node from 1,000"], p50["choose a node from 10,000"]
    alike = max(some, most) / min(some, most)
    judged = [_judge(row) for row in rows]
    ratio = Row(
        name="choose a node from 10,000 ÷ from 1,000",
        unit="",
        figures={"p50": alike},
        bound="equal within 20 %",
        met=alike <= CHOICE_SPREAD,
    )
    place = next(n for n, row in enumerate(rows) if row.name == "choose a node from 10,000")
    return [*judged[: place + 1], ratio, *judged[place + 1 :]]


def _judge(row: Row) -> Row:
    if row.name in ("choose a node from 1,000", "choose a node from 10,000"):
        kept = row.figures["p99"] < CHOICE_P99_US
        return dataclasses.replace(row, bound=f"p99 < {CHOICE_P99_US} µs", met=kept)
    if row.name == _RESERVE:
        kept = row.figures["p99"] < RESERVE_P99_US
        return dataclasses.replace(row, bound=f"p99 < {RESERVE_P99_US:,} µs", met=kept)
    return row
