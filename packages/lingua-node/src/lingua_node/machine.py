"""Real figures about this machine: what it has, and how busy it is (N5)."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable

import psutil

from lingua_node.messages import Gpu, Hardware, ResourceUsage

UsageReader = Callable[[int], Awaitable[ResourceUsage]]

_NVIDIA_WITHIN_S = 3.0
_MIB_PER_GB = 1024


async def read_hardware() -> Hardware:
    """Return processors, memory and NVIDIA cards, if any."""
    rows = await _ask_nvidia("name,memory.total")
    gpus = [Gpu(name=name, memory_gb=round(float(mib) / _MIB_PER_GB)) for name, mib in rows]
    return Hardware(
        cpu_cores=psutil.cpu_count() or 1,
        memory_gb=round(psutil.virtual_memory().total / 2**30),
        gpus=gpus or None,
    )


class UsageGauge:
    """Load since the last reading; the first reading covers the time since construction."""

    def __init__(self) -> None:
        psutil.cpu_percent(interval=None)

    async def read(self, running_jobs: int) -> ResourceUsage:
        """Return the load now; the GPU figures are those of the busiest card."""
        rows = await _ask_nvidia("utilization.gpu,memory.used,memory.total")
        return ResourceUsage(
            cpu_percent=psutil.cpu_percent(interval=None),
            mem_percent=psutil.virtual_memory().percent,
            running_jobs=running_jobs,
            gpu_percent=max((float(row[0]) for row in rows), default=None),
            gpu_mem_percent=max(
                (100 * float(row[1]) / float(row[2]) for row in rows), default=None
            ),
        )


async def _ask_nvidia(fields: str) -> list[list[str]]:
    """Return one row per card; no rows without nvidia-smi, or when it fails or hangs."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    process = await asyncio.create_subprocess_exec(
        program,
        f"--query-gpu={fields}",
        "--format=csv,noheader,nounits",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _NVIDIA_WITHIN_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in output.decode().splitlines()]
    wanted = fields.count(",") + 1
    return [row for row in rows if len(row) == wanted and _are_numbers(row[1:])]


def _are_numbers(cells: list[str]) -> bool:
    """Cards that do not support a figure print `[N/A]` in its place."""
    return all(cell.replace(".", "", 1).isdigit() for cell in cells)
