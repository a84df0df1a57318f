"""What tests tell nodes of the SDK about the machine they run on."""

from lingua_node.messages import ResourceUsage


async def say_idle(running_jobs: int) -> ResourceUsage:
    """Say that the machine is idle: other tests keep it busy, and a busy node gets no job."""
    return ResourceUsage(cpu_percent=1, mem_percent=1, running_jobs=running_jobs)
