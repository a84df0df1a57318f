"""What a run's measured costs add up to: one instance, one Redis, and a fleet of a given size."""

import dataclasses
import math
from collections.abc import Sequence

from bench.figures import Row

_FULL_SHARE = 0.6
_BEAT_EVERY_S = 15
_MISSING = "not in this run"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Costs:
    """Costs of one instance under uvicorn; CPU in µs of one core, NaN where not measured."""

    cpu_per_job: float
    redis_per_job: float
    cpu_per_beat: float
    redis_per_beat: float
    kb_per_session: float
    redis_kb_per_session: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fleet:
    """A load to be carried."""

    nodes: int = 5_000
    sessions: int = 50_000
    jobs_per_s: float = 5_000.0


def read_costs(rows: Sequence[Row]) -> Costs:
    """Return the costs that a run measured."""
    return Costs(
        cpu_per_job=_find(rows, "uvicorn: server CPU per job", ""),
        redis_per_job=_find(rows, "uvicorn: server CPU per job", "Redis"),
        cpu_per_beat=_find(rows, "a heartbeat each", "server µs a heartbeat", "µs a heartbeat"),
        redis_per_beat=_find(rows, "a heartbeat each", "Redis µs"),
        kb_per_session=_find(rows, "uvicorn: memory of an idle session", "server"),
        redis_kb_per_session=_find(rows, "uvicorn: memory of an idle session", "Redis"),
    )


def print_costs(rows: Sequence[Row]) -> str:
    """Return the costs, and what one core carries at them, as a table in Markdown."""
    costs = read_costs(rows)
    lines = [
        ("a job", "CPU of an instance", _us(costs.cpu_per_job), _per_core(costs.cpu_per_job)),
        ("a job", "CPU of Redis", _us(costs.redis_per_job), _per_core(costs.redis_per_job)),
        (
            "a heartbeat",
            "CPU of an instance",
            _us(costs.cpu_per_beat),
            _per_core(costs.cpu_per_beat),
        ),
        ("a heartbeat", "CPU of Redis", _us(costs.redis_per_beat), _per_core(costs.redis_per_beat)),
        ("an idle session", "memory of an instance", _kb(costs.kb_per_session), ""),
        ("an idle session", "memory of Redis", _kb(costs.redis_kb_per_session), ""),
    ]
    head = ["| Of what | Which | Cost | A whole core carries |", "|---|---|---|---|"]
    return "\n".join([*head, *(f"| {' | '.join(line)} |" for line in lines)])


def print_example(rows: Sequence[Row], fleet: Fleet | None = None) -> str:
    """Return the worked example: what a fleet needs at the measured costs, step by step."""
    fleet, costs = fleet or Fleet(), read_costs(rows)
    beats = fleet.nodes / _BEAT_EVERY_S
    beat_cpu = 0.0 if math.isnan(costs.cpu_per_beat) else beats * costs.cpu_per_beat / 1e6
    beat_redis = 0.0 if math.isnan(costs.redis_per_beat) else beats * costs.redis_per_beat / 1e6
    job_cpu = fleet.jobs_per_s * costs.cpu_per_job / 1e6
    job_redis = fleet.jobs_per_s * costs.redis_per_job / 1e6
    memory_gb = fleet.sessions * costs.kb_per_session / 1e6
    steps = [
        (
            f"{fleet.jobs_per_s:,.0f} jobs a second, {_us(costs.cpu_per_job)} each",
            f"{job_cpu:.2f} cores of instances",
        ),
        (f"{beats:,.0f} heartbeats a second", f"{beat_cpu:.2f} cores of instances"),
        (
            f"instances of one core each, at most {_FULL_SHARE:.0%} busy",
            f"**{_count(job_cpu + beat_cpu)} instances**",
        ),
        (
            f"the same jobs, {_us(costs.redis_per_job)} each, and the heartbeats",
            f"{job_redis + beat_redis:.2f} cores of Redis",
        ),
        (
            f"masters of one core each, at most {_FULL_SHARE:.0%} busy",
            f"**{_count(job_redis + beat_redis)} masters**",
        ),
        (f"{fleet.sessions:,} idle sessions", f"{memory_gb:.1f} GB over all instances"),
    ]
    head = ["| Step | Comes to |", "|---|---|"]
    return "\n".join([*head, *(f"| {step} | {comes} |" for step, comes in steps)])


def _find(rows: Sequence[Row], part: str, *figures: str) -> float:
    """Return the first of `figures` in the first row whose name holds `part`; NaN of none."""
    for row in rows:
        if part in row.name:
            return next((row.figures[name] for name in figures if name in row.figures), math.nan)
    return math.nan


def _count(cores: float) -> str:
    return _MISSING if math.isnan(cores) else str(math.ceil(cores / _FULL_SHARE))


def _us(cost: float) -> str:
    return _MISSING if math.isnan(cost) else f"{cost:,.0f} µs"


def _kb(cost: float) -> str:
    return _MISSING if math.isnan(cost) else f"{cost:.1f} KB"


def _per_core(cost: float) -> str:
    return "" if math.isnan(cost) else f"{1e6 / cost:,.0f} a second"
