"""What a server costs while nobody speaks: idle sessions, nodes that only live, and itself."""

import statistics
import time
from pathlib import Path

from bench import verdicts
from bench.figures import Row, median_of
from bench.gauges import read_memory_kb, read_own_memory_kb
from bench.measures import JUDGED, Measured, Plan, say, start

_WRITES_WITHIN_S = 20.0


def measure_idle(name: str, plan: Plan, directory: Path) -> Row:
    """Measure what an idle session costs; medians of groups opened one after the other."""
    say(f"{name}: {plan.sockets:,} idle sockets")
    with start(name, directory) as target:
        idle = target.load("idle", sessions=plan.sockets, seconds=2, windows=5, warm_s=1)
    kb = statistics.median(idle["kb_per_socket"])
    return Row(
        name=f"{name}: memory of an idle session, {idle['sockets']:,} open",
        unit="KB",
        figures={"server": kb, "Redis": statistics.median(idle["redis_kb_per_socket"])},
        bound="< 35 KB",
        met=kb < 35,
        note=f"groups of {idle['sockets'] // 5:,}; all of them {idle['server_cpu']:.1%} of a core",
    )


def measure_heartbeats(plan: Plan, directory: Path) -> Row:
    """Measure nodes that only live, first beating, then silent; medians of five windows each."""
    say(f"{plan.living_nodes:,} nodes that only live")
    with start("uvicorn", directory) as target:
        beats = target.load(
            "heartbeats",
            nodes=plan.living_nodes,
            seconds=plan.seconds * 1.5,
            windows=plan.runs,
            beat_s=plan.beat_s,
        )
    windows = beats["windows"]
    server_us = median_of(windows, "server_us_per_beat")
    redis_us = median_of(windows, "redis_us_per_beat")
    return Row(
        name=f"uvicorn: {plan.living_nodes:,} nodes, a heartbeat each every {plan.beat_s:g} s",
        unit="",
        figures={
            "server, % of a core": median_of(windows, "server_cpu") * 100,
            "Redis, %": median_of(windows, "redis_cpu") * 100,
            "server µs a heartbeat": server_us,
            "Redis µs": redis_us,
            "server while all are silent, %": median_of(windows, "server_silent_cpu") * 100,
            "Redis, %, then": median_of(windows, "redis_silent_cpu") * 100,
            "server µs beyond silence": _beyond_silence(windows, "server"),
            "Redis µs beyond it": _beyond_silence(windows, "redis"),
            "joins/s": beats["joins_per_s"],
        },
        bound=f"server ≤ {verdicts.BEAT_SERVER_US:g} µs a heartbeat, "
        f"Redis ≤ {verdicts.BEAT_REDIS_US:g} µs",
        met=server_us <= verdicts.BEAT_SERVER_US and redis_us <= verdicts.BEAT_REDIS_US,
    )


def measure_rest(plan: Plan, directory: Path) -> Row:
    """Measure the memory of a server that has nothing to do, and of its history's writer."""
    say(f"memory at rest, {plan.starts} starts")
    looks = []
    for _ in range(plan.starts):
        with start(JUDGED, directory) as target:
            give_up_at = time.monotonic() + _WRITES_WITHIN_S
            while not target.list_writers() and time.monotonic() < give_up_at:
                time.sleep(0.05)
            time.sleep(plan.rest_s)
            server, writer = target.pids, target.list_writers()
            looks.append(
                {
                    "server": read_memory_kb(server) / 1024,
                    "writer": read_memory_kb(writer) / 1024,
                    "together": read_memory_kb([*server, *writer]) / 1024,
                    "PSS together": read_own_memory_kb([*server, *writer]) / 1024,
                }
            )
    figures = {name: median_of(looks, name) for name in looks[0]}
    return Row(
        name=f"{JUDGED}: resident memory at rest, server and writer of the history",
        unit="MB",
        figures=figures,
        bound=f"together ≤ {verdicts.REST_MB:g} MB",
        met=figures["together"] <= verdicts.REST_MB,
    )


def _beyond_silence(windows: list[Measured], whose: str) -> float:
    """Return what a heartbeat took beyond what as many silent nodes take, in µs."""
    return statistics.median(
        float(
            window[f"{whose}_us_per_beat"]
            * (1 - window[f"{whose}_silent_cpu"] / window[f"{whose}_cpu"])
        )
        for window in windows
    )
