"""One frame of `manage.py top`: what an instance says of the fleet, as lines for a terminal."""

import dataclasses
import http.client
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]
Samples = dict[str, float]

_TIMEOUT_S = 5.0
_BAR = 10
_SAMPLE = re.compile(r"^(?P<series>[a-zA-Z_:][\w:]*(?:\{.*\})?) (?P<value>\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_BOLD, _RED, _DIM, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[2m", "\x1b[0m"


class NotReachable(Exception):
    """The instance does not answer, or does not let us look."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What an instance said at one moment; `at_s` counts from anywhere."""

    at_s: float
    cluster: Json
    samples: Samples


def look(url: str, *, token: str, at_s: float) -> Observation:
    """Ask the instance at `url`.

    :raises NotReachable: it does not answer, or the token does not let us look
    """
    cluster = json.loads(_ask(url, "/api/v1/cluster", token=token))
    samples: Samples = {}
    for line in _ask(url, "/metrics", token=token).splitlines():
        if found := _SAMPLE.match(line):
            samples[found["series"]] = float(found["value"])
    return Observation(at_s=at_s, cluster=cluster, samples=samples)


def draw(
    now: Observation, before: Observation | None, *, width: int, height: int, colors: bool
) -> list[str]:
    """Return a frame; rates are of the time since `before`, or since the instance started."""
    lines = [*_draw_head(now, before), "", *_draw_refusals(now, before), ""]
    lines += _draw_nodes(now.cluster["nodes"], most=max(height - len(lines) - 2, 3))
    cut = [line[:width] for line in lines]
    return [_paint(line) for line in cut] if colors else cut


def _draw_head(now: Observation, before: Observation | None) -> Iterator[str]:
    cluster, samples = now.cluster, now.samples
    online = [row for row in cluster["instances"] if row["is_online"]]
    slots = sum(row["max_concurrent_jobs"] for row in cluster["nodes"] if row["online"])
    taken = sum(row["current_jobs"] for row in cluster["nodes"] if row["online"])
    done, failed = (
        _rate(now, before, f'scheduler_jobs_total{{status="{status}"}}')
        for status in ("done", "failed")
    )
    place = _percentiles(now, before, "scheduler_dispatch_latency_seconds")
    whole = _percentiles(now, before, "scheduler_job_duration_seconds")
    yield (
        f"LINGUA  instances {len(online)}/{cluster['total_instances']}  "
        f"nodes {cluster['ready_nodes']} ready of {cluster['total_nodes']}  "
        f"slots {taken}/{slots} {_bar(taken, slots)}"
    )
    redis = "DOWN" if samples.get("scheduler_degrade_mode") else "up"
    yield (
        f"here    sessions {samples.get('scheduler_sessions_total', 0):.0f}  "
        f"jobs {done:.1f}/s  failed {failed:.1f}/s  "
        f"waiting {samples.get('scheduler_waiting_jobs', 0):.0f}  Redis {redis}"
    )
    yield f"time    placing p50 {place[0]} p99 {place[1]}  whole job p50 {whole[0]} p99 {whole[1]}"


def _draw_refusals(now: Observation, before: Observation | None) -> Iterator[str]:
    yield "REFUSED OR FAILED, BY REASON"
    counts: dict[str, float] = {}
    for series in now.samples:
        name, labels = _split(series)
        if name in {
            "scheduler_dispatch_refused_total",
            "scheduler_jobs_without_result_total",
        }:
            reason = labels.get("code") or labels.get("reason", "")
            counts[reason] = counts.get(reason, 0) + _difference(now, before, series)
    rows = sorted(((count, reason) for reason, count in counts.items() if count), reverse=True)
    yield from (f"  {reason:<36} {count:6.0f}" for count, reason in rows[:5])
    if not rows:
        yield "  none"


def _draw_nodes(nodes: list[Json], *, most: int) -> Iterator[str]:
    yield f"{'NODE':<24} {'STATUS':<12} {'SLOTS':<18} {'CPU %':>6} {'GPU %':>6} {'MEM %':>6}"
    order = sorted(nodes, key=lambda row: (not row["online"], -row["current_jobs"], row["node_id"]))
    for row in order[:most]:
        slots = f"{row['current_jobs']}/{row['max_concurrent_jobs']}"
        bar = _bar(row["current_jobs"], row["max_concurrent_jobs"])
        gpu = "-" if row["gpu_usage"] is None else f"{row['gpu_usage']:.0f}"
        yield (
            f"{row['node_id']:<24} {row['status']:<12} {slots:<6} {bar:<11} "
            f"{row['cpu_usage']:6.0f} {gpu:>6} {row['memory_usage']:6.0f}"
        )
    if not nodes:
        yield "no node has registered"
    elif len(order) > most:
        yield f"… and {len(order) - most} more"


def _difference(now: Observation, before: Observation | None, series: str) -> float:
    return now.samples.get(series, 0) - (before.samples.get(series, 0) if before else 0)


def _rate(now: Observation, before: Observation | None, series: str) -> float:
    """Return a second's worth since the look before; none without one."""
    if before is None or now.at_s <= before.at_s:
        return 0.0
    return max(_difference(now, before, series), 0) / (now.at_s - before.at_s)


def _percentiles(now: Observation, before: Observation | None, name: str) -> tuple[str, str]:
    """Return upper bounds of the median and the 99th percentile, as text."""
    buckets = []
    for series in now.samples:
        metric, labels = _split(series)
        if metric == f"{name}_bucket":
            buckets.append((float(labels["le"]), _difference(now, before, series)))
    buckets.sort()
    if not buckets or not buckets[-1][1]:
        return "-", "-"
    first, last = (
        next(bound for bound, count in buckets if count >= buckets[-1][1] * part)
        for part in (0.5, 0.99)
    )
    return _as_ms(first), _as_ms(last)


def _as_ms(bound_s: float) -> str:
    return "> 5 s" if bound_s == float("inf") else f"≤ {bound_s * 1_000:g} ms"


def _bar(part: float, whole: float) -> str:
    full = round(_BAR * min(part / whole, 1)) if whole else 0
    return "█" * full + "░" * (_BAR - full)


def _split(series: str) -> tuple[str, Mapping[str, str]]:
    name, _, rest = series.partition("{")
    return name, dict(_LABEL.findall(rest))


def _paint(line: str) -> str:
    if "DOWN" in line or "Offline" in line:
        return f"{_RED}{line}{_PLAIN}"
    if line.startswith(("LINGUA", "NODE ", "REFUSED")):
        return f"{_BOLD}{line}{_PLAIN}"
    return f"{_DIM}{line}{_PLAIN}" if line.startswith("…") else line


def _ask(url: str, path: str, *, token: str) -> str:
    parts = urlsplit(url)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    asked = make(parts.hostname or "127.0.0.1", parts.port, timeout=_TIMEOUT_S)
    # As a proxy says that has ended TLS: an instance with LINGUA_HTTPS on leads others away.
    headers = {"Accept": "application/json, text/plain", "X-Forwarded-Proto": "https"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        asked.request("GET", path, headers=headers)
        answer = asked.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise NotReachable(f"nothing answers at {url}: {error}") from error
    finally:
        asked.close()
    if found := answer.getheader("Location"):
        raise NotReachable(f"{url}{path} leads to {found}: name that with --url")
    if answer.status != http.client.OK:
        raise NotReachable(f"{url}{path} answered {answer.status}: {text[:200]}")
    return text
