"""What a load measures: CPU and memory of processes, and latencies."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.actors import Timeline
from bench.figures import percentile


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
    status = Path(f"/proc/{pid}/status").read_text()
    return float(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


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
