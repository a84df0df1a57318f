"""make bench-memory: 200,000 jobs, and what they leave behind, which should be nothing (X8).

Every span after which something is forgotten is as short as the settings allow, so that minutes
hold what takes days otherwise: jobs end and are forgotten, outcomes and bindings expire, and every
round of load is a hundred nodes and fifty sessions that come, work and go for good. At the end
nobody speaks any more until the last record has expired: then no key of a session may be left, and
none that has no end but the fixed few. A node is known for two hours longer, so that it may return.
"""

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis

from bench.gauges import read_memory_kb
from bench.machine import describe_run
from bench.processes import ROOT, Target, end_in_order, start_redis, start_target

_RESULT = ROOT / "bench" / "results" / "memory.json"
_RETENTION_S = 300  # the shortest that is allowed
_SETTINGS = {
    "LINGUA_RESULT_TTL_S": "5",
    "LINGUA_JOB_RETENTION_S": str(_RETENTION_S),
    # A node of the load beats once: it must outlive its round.
    "LINGUA_HEARTBEAT_TIMEOUT_S": "120",
    "LINGUA_NODE_STALE_S": "150",
    "LINGUA_NODE_GRACE_S": "1",
}
_FIRST_ROUND_S = 5.0
_LONGEST_ROUND_S = 100.0
_SETTLED_WITHIN_S = _RETENTION_S + 60.0
_LOOK_EVERY_S = 2.0
_WARM_SHARE = 0.25
_MOST_GROWTH_KB_PER_1000 = 10.0
_MANY_JOBS = 1_000_000
_MOST_IDLE_GROWTH_KB = 4_000.0
# Sixteen lists of timers and some indexes.
_MOST_ENDLESS_KEYS = 30


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
    """What there is after so many jobs."""

    jobs: int
    server_kb: float
    redis_kb: float
    keys: int
    session_keys: int
    timers: int
    dead_letters: int
    writer_kb: float = 0.0
    endless_keys: int = 0


def soak(target: Target, redis_url: str, *, jobs: int, rounds: int) -> list[Look]:
    """Return a look before each round of load, and one when all after the last is forgotten."""
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    looks, done = [_look(target, client, jobs=0)], 0
    while done < jobs:
        measured = target.load("cycles", seconds=_count_seconds(looks, jobs=jobs, rounds=rounds))
        if measured["errors"]:
            # On a machine without a core to spare; a refusal leaves as little behind as a result.
            print(f"… {measured['errors']} refused: {measured['first_error']}", flush=True)
        done += measured["jobs"]
        looks.append(_look(target, client, jobs=done))
        print(f"… {looks[-1]}", flush=True)
    return [*looks, _settle(target, client, jobs=done)]


def _count_seconds(looks: list[Look], *, jobs: int, rounds: int) -> float:
    """Return how long a round takes: a short one first, then by its rate."""
    if len(looks) == 1:
        return _FIRST_ROUND_S
    rate = looks[1].jobs / _FIRST_ROUND_S
    return min(jobs / rounds / rate, _LONGEST_ROUND_S)


def _settle(target: Target, client: "redis.Redis", *, jobs: int) -> Look:
    """Wait until no session has a key, or none should, and take that look."""
    give_up_at = time.monotonic() + _SETTLED_WITHIN_S
    while (now := _look(target, client, jobs=jobs)).session_keys:
        if time.monotonic() > give_up_at:
            break
        time.sleep(_LOOK_EVERY_S)
    return dataclasses.replace(now, endless_keys=_count_endless(client))


def _look(target: Target, client: "redis.Redis", *, jobs: int) -> Look:
    timers = [client.zcard(key) for key in client.scan_iter(match="*:timers", count=1_000)]
    dead_letters = [client.xlen(key) for key in client.scan_iter(match="*:dlq*", count=1_000)]
    memory: Any = client.info("memory")
    return Look(
        jobs=jobs,
        server_kb=read_memory_kb(target.pids),
        writer_kb=read_memory_kb(target.list_writers()),
        redis_kb=memory["used_memory"] / 1024,
        keys=int(client.dbsize()),
        session_keys=sum(1 for _ in client.scan_iter(match="*{session:*", count=1_000)),
        timers=sum(timers),
        dead_letters=sum(dead_letters),
    )


def _count_endless(client: "redis.Redis") -> int:
    """Count the keys that would stay for ever."""
    return sum(client.pttl(key) == -1 for key in client.scan_iter(count=1_000))


def judge(looks: list[Look]) -> dict[str, float]:
    """Return growth a thousand jobs after the warm-up, and what is left at the end.

    The server, and who writes its history, grow from one look right after a round to another;
    Redis, which keeps records for a while, from such a one to the end. Then the server has idled
    for minutes, and is told apart.
    """
    *rounds, end = looks
    warm = next(look for look in rounds if look.jobs >= end.jobs * _WARM_SHARE)
    thousands = max((end.jobs - warm.jobs) / 1_000, 1)
    return {
        "server_kb_per_1000": (rounds[-1].server_kb - warm.server_kb) / thousands,
        "writer_kb_per_1000": (rounds[-1].writer_kb - warm.writer_kb) / thousands,
        "server_kb_while_idle": end.server_kb - rounds[-1].server_kb,
        "redis_kb_per_1000": (end.redis_kb - warm.redis_kb) / thousands,
        "session_keys_left": end.session_keys,
        "endless_keys": end.endless_keys,
        "timers_left": end.timers,
        "dead_letters": end.dead_letters,
    }


def is_flat(verdict: dict[str, float]) -> bool:
    """Say whether neither memory nor keys grow with what was done."""
    grew = max(verdict[f"{whose}_kb_per_1000"] for whose in ("server", "writer", "redis"))
    left = verdict["session_keys_left"] + verdict["timers_left"] + verdict["dead_letters"]
    return (
        grew < _MOST_GROWTH_KB_PER_1000
        and verdict["server_kb_while_idle"] < _MOST_IDLE_GROWTH_KB
        and left == 0
        and verdict["endless_keys"] <= _MOST_ENDLESS_KEYS
    )


def is_bounded(looks: Sequence[Look]) -> bool:
    """Say whether what the server takes has an end, though it rises and falls: over a million jobs.

    Then it took less at some moment of the second half than it had in the first quarter.
    """
    *rounds, end = looks
    if end.jobs < _MANY_JOBS:
        return False
    most_early = max(look.server_kb for look in rounds if look.jobs <= end.jobs / 4)
    return min(look.server_kb for look in rounds if look.jobs >= end.jobs / 2) < most_early


def print_looks(looks: list[Look]) -> str:
    """Return the looks as a table in Markdown."""
    lines = [
        "| Jobs | Server KB | Writer KB | Redis KB | Keys | of sessions | Timers | Dead letters |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {look.jobs:,} | {look.server_kb:,.0f} | {look.writer_kb:,.0f} |"
        f" {look.redis_kb:,.0f} | {look.keys:,} |"
        f" {look.session_keys:,} | {look.timers:,} | {look.dead_letters} |"
        for look in looks
    ]
    return "\n".join(lines)


def main() -> None:
    """Soak, print the looks and the verdict, write the file."""
    end_in_order()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    run = describe_run()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with (
            start_redis(directory / "redis", append_only=False) as own_redis,
            start_target(
                "uvicorn", redis=own_redis, directory=directory, settings=_SETTINGS
            ) as target,
        ):
            looks = soak(target, own_redis.url, jobs=options.jobs, rounds=options.rounds)
    verdict = judge(looks)
    met = is_flat(verdict)
    print(print_looks(looks))
    print(json.dumps({**verdict, "met": met}))
    document = {**run, "looks": [dataclasses.asdict(look) for look in looks], **verdict, "met": met}
    _RESULT.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
