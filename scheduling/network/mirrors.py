"""Loops that keep copies for older tools, off the path of every job (G8, N15)."""

import hashlib

import msgspec

from scheduling.model import clock, ids
from scheduling.model.delivery import Delivery
from scheduling.model.jobs import JobState
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import Node
from scheduling.placement.snapshot import Fleet
from scheduling.store.jobs import JobStore
from scheduling.store.mirrors import MirrorStore

_UNKNOWN_USAGE = -1.0
_DIGEST_DIGITS = 16


class NodeMirror:
    """Copies every node whose connection this process holds, flat, again and again."""

    name = "node-mirror"
    interval_s = 1.0

    def __init__(
        self, *, store: MirrorStore, delivery: Delivery, fleet: Fleet, life_ms: int
    ) -> None:
        self._store = store
        self._delivery = delivery
        self._fleet = fleet
        self._life_ms = life_ms
        self._written: set[str] = set()

    async def run_once(self) -> int:
        """Write the copies; drop those of nodes that are gone, here and everywhere."""
        held = [mailbox.node for mailbox in self._delivery.local.list_nodes()]
        for node in held:
            fields = describe_node(node, load=self._fleet.loads.find(node.node_id))
            await self._store.write_node(node.node_id, fields=fields, life_ms=self._life_ms)
        ids_held = {node.node_id for node in held}
        for node_id in self._written - ids_held:
            if self._fleet.find(node_id) is None:
                await self._store.drop_node(node_id)
        self._written = ids_held
        return len(held)


class SessionMirror:
    """Copies at which node each session's latest job is, as far as this process dispatched it."""

    name = "session-mirror"
    interval_s = 0.2

    def __init__(
        self, *, store: MirrorStore, jobs: JobStore, metrics: Metrics, life_ms: int
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._metrics = metrics
        self._life_ms = life_ms
        self._seen = 0

    async def run_once(self) -> int:
        """Write the copies of sessions with a job that was dispatched since the last pass."""
        latest = {}
        for step in self._metrics.list_steps_after(self._seen):
            self._seen = step.number
            if step.state is JobState.DISPATCHED and ids.is_session_id(step.session_id):
                latest[step.session_id] = step
        for session_id, step in latest.items():
            record = await self._jobs.find(session_id=session_id, job_id=step.job_id)
            fields = {
                "node_id": step.node_id,
                "trace_id": record.trace_id if record else "",
                "updated_at": step.at_ms,
            }
            await self._store.write_session(session_id, fields=fields, life_ms=self._life_ms)
        return len(latest)


def describe_node(node: Node, *, load: int) -> dict[str, object]:
    """Return a node flat, as older tools know it; an unknown usage is -1."""
    usage, description = node.usage, node.description
    services = sorted(f"{service.type}:{service.service_id}" for service in description.services)
    return {
        "cpu_usage": usage.cpu,
        "gpu_usage": _UNKNOWN_USAGE if usage.gpu is None else usage.gpu,
        "mem_usage": usage.memory,
        "current_jobs": load,
        "max_jobs": node.max_jobs,
        "features": ",".join(sorted(description.ready_types)),
        "models_digest": _digest(msgspec.json.encode(description.languages, order="sorted")),
        "services_digest": _digest(",".join(services).encode()),
        "region": "",
        "zone": "",
        "updated_at": clock.now_ms(),
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGEST_DIGITS]
