"""What a load measures: CPU and memory of processes, and latencies."""

import http.client
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.actors import Timeline
from bench.figures import percentile

_COMMANDS = "scheduler_phase2_redis_op_total{"
_ANSWERS_WITHIN_S = 30


class Gauge:
    """CPU of processes between two moments, in seconds of one core."""

    def __init__(self, pids: Mapping[str, Sequence[int]]) -> None:
        self._pids = pids
        self._before = self._read()
        self._began = time.perf_counter()

    def read(self) -> dict[str, float]:
        """Return elapsed seconds, then what each process used of them."""
        now = self._read()
        used = {name: now[name] - self._before[name] for name in now}
        return {"elapsed_s": time.perf_counter() - self._began, **used}

    def _read(self) -> dict[str, float]:
        figures = {}
        for name, pids in self._pids.items():
            counts = [read_cpu_s(pid) for pid in pids]
            figures[name] = sum(ran for ran, _ in counts)
            figures[f"{name}_wait"] = sum(waited for _, waited in counts)
        return figures


def read_cpu_s(pid: int) -> tuple[float, float]:
    """Return how long a process ran, and how long it was kept waiting for a core, in seconds.

    The kernel's own nanosecond counts of every thread; the clock ticks of ``stat`` are too
    coarse for a short run.
    """
    tasks = Path(f"/proc/{pid}/task").iterdir()
    counts = [(task / "schedstat").read_text().split() for task in tasks]
    ran, waited = (sum(int(count[field]) for count in counts) / 1e9 for field in (0, 1))
    return ran, waited


def read_memory_kb(pids: Sequence[int]) -> float:
    """Return the resident memory of processes."""
    return sum(_read_memory_kb(pid) for pid in pids)


def _read_memory_kb(pid: int) -> float:
    return _find_kb(Path(f"/proc/{pid}/status"), "VmRSS")


def read_own_memory_kb(pids: Sequence[int]) -> float:
    """Return the memory of processes where what several share is divided among them (PSS)."""
    return sum(_find_kb(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") for pid in pids)


def _find_kb(file: Path, name: str) -> float:
    lines = file.read_text().splitlines()
    return float(next(line for line in lines if line.startswith(name)).split()[1])


def read_commands(addresses: Sequence[str]) -> float:
    """Return how many commands servers have sent to Redis, by their own /metrics.

    What a script does inside Redis is none; what the channel layer and the writer of the history
    send is not in there.
    """
    return sum(count_commands(_ask_metrics(address)) for address in addresses)


def count_commands(text: str) -> float:
    """Return the sum over all commands in a text of Prometheus."""
    return sum(
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(_COMMANDS)
    )


def _ask_metrics(address: str) -> str:
    connection = http.client.HTTPConnection(address, timeout=_ANSWERS_WITHIN_S)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise RuntimeError(f"/metrics answered {response.status}")
    return text


def describe_latency(timelines: list[Timeline]) -> dict[str, float]:
    """Return percentiles, in milliseconds."""
    to_node = [(t.assigned - t.sent) / 1e6 for t in timelines if t.assigned]
    whole = [(t.answered - t.sent) / 1e6 for t in timelines]
    return {
        "assign_p50_ms": percentile(to_node, 0.50),
        "assign_p99_ms": percentile(to_node, 0.99),
        "cycle_p50_ms": percentile(whole, 0.50),
        "cycle_p99_ms": percentile(whole, 0.99),
    }


def describe_cpu(used: dict[str, float], jobs: int) -> dict[str, float]:
    """Return CPU a job in microseconds, and how busy each process was as a share of one core."""
    figures: dict[str, float] = {}
    for name in ("server", "redis", "writer", "load"):
        figures[f"{name}_us_per_job"] = used[name] / max(jobs, 1) * 1e6
        figures[f"{name}_cpu"] = used[name] / used["elapsed_s"]
        figures[f"{name}_kept_waiting"] = used[f"{name}_wait"] / used["elapsed_s"]
    return figures
