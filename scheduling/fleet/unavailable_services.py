"""Models that nodes turn out to lack: noted beside the path of a job, for all instances (A8)."""

import asyncio
import collections
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from scheduling.model import clock, errors
from scheduling.model.metrics import OTHER, Metrics
from scheduling.model.nodes import Node
from scheduling.store.unavailable_services import UnavailableServiceStore

logger = logging.getLogger(__name__)

MODEL_NOT_AVAILABLE = "MODEL_NOT_AVAILABLE"
_ANY = "any"
# By value, and beyond the most that are named.
_BY = {
    "service": ("model_na_by_service_total", "model_na_other_service_total"),
    "reason": ("model_na_by_reason_total", "model_na_other_reason_total"),
    "rate_limited_node": (
        "model_na_rate_limited_by_node_total",
        "model_na_other_rate_limited_node_total",
    ),
    "marked_node": ("model_na_marked_by_node_total", "model_na_other_marked_node_total"),
}


class UnavailableService(msgspec.Struct, frozen=True):
    """A node said that it cannot run a service now."""

    node_id: str
    service_id: str
    version: str = _ANY
    reason: str = ""


class UnavailableServices:
    """A bounded queue and the worker that empties it.

    The path of a job only queues. The worker marks the service in the node's own slot, so that no
    instance asks the node for it until the mark ends. `on_absent` is the expensive part, whatever
    it is: of all instances one calls it per model and while.
    """

    name = "missing models"

    def __init__(
        self,
        *,
        store: UnavailableServiceStore,
        most: int,
        on_absent: Callable[[UnavailableService], None],
        metrics: Metrics,
        interval_s: float = 0.05,
    ) -> None:
        self._store = store
        self._most = most
        self._on_absent = on_absent
        self.interval_s = interval_s
        self._queue: collections.deque[UnavailableService] = collections.deque()
        self._limited_until_ms: dict[str, float] = {}
        self._metrics = metrics

    def __len__(self) -> int:
        return len(self._queue)

    def note(self, node: Node, *, details: Any) -> None:
        """Queue what a failed job says about a node, where it names a service the node has."""
        service_id = _read_text(details, "service_id", "model_id")
        reason = _read_text(details, "reason")
        self._metrics.count("model_na_received_total")
        self._count("service", "service_id", service_id or "unknown")
        self._count("reason", "said_reason", reason or "unknown")
        if any(service.service_id == service_id for service in node.description.services):
            version = _read_text(details, "service_version", "version") or _ANY
            self.put(
                UnavailableService(
                    node_id=node.node_id, service_id=service_id, version=version, reason=reason
                )
            )

    def put(self, unavailable: UnavailableService) -> None:
        """Queue one event; a full queue drops it, and the next failure says the same."""
        if self._is_known_to_be_limited(unavailable.node_id):
            self._count_limited(unavailable.node_id)
        elif len(self._queue) >= self._most:
            self._metrics.count("model_na_dropped_total")
        else:
            self._queue.append(unavailable)

    async def run_once(self) -> int:
        """Handle everything queued so far; return how many services were marked."""
        batch = [self._queue.popleft() for _ in range(len(self._queue))]
        marked = await asyncio.gather(*map(self._handle, batch))
        return sum(marked)

    async def _handle(self, unavailable: UnavailableService) -> bool:
        try:
            if await self._is_limited(unavailable.node_id):
                self._count_limited(unavailable.node_id)
                return False
            await self._store.mark(node_id=unavailable.node_id, service_id=unavailable.service_id)
            first = await self._store.is_first(f"{unavailable.service_id}@{unavailable.version}")
        except errors.DependencyDown:
            logger.warning("a missing model was not noted")
            return False
        self._metrics.count("model_na_marked_total")
        self._count("marked_node", "node_id", unavailable.node_id)
        if first:
            self._on_absent(unavailable)
        return True

    async def _is_limited(self, node_id: str) -> bool:
        """Say whether a node made too many reports; Redis is asked once for each such while."""
        if self._is_known_to_be_limited(node_id):
            return True
        limited_ms = await self._store.count_report(node_id)
        if limited_ms:
            now_ms = clock.steady_ms()
            known = self._limited_until_ms.items()
            self._limited_until_ms = {other: end for other, end in known if end > now_ms}
            self._limited_until_ms[node_id] = now_ms + limited_ms
        return limited_ms > 0

    def _is_known_to_be_limited(self, node_id: str) -> bool:
        return self._limited_until_ms.get(node_id, 0) > clock.steady_ms()

    def _count_limited(self, node_id: str) -> None:
        self._metrics.count("model_na_rate_limited_total")
        self._count("rate_limited_node", "node_id", node_id)

    def _count(self, what: str, label: str, value: str) -> None:
        """Count by a value from outside, or, beyond the most that are named, beside it."""
        named, beyond = _BY[what]
        bounded = self._metrics.bound(label, value)
        if bounded == OTHER:
            self._metrics.count(beyond)
        else:
            self._metrics.count(named, bounded)


def report_absent(unavailable: UnavailableService) -> None:
    """Tell who reads logs."""
    logger.warning(
        "a node lacks a model it offered",
        extra={"node_id": unavailable.node_id, "service_id": unavailable.service_id},
    )


def _read_text(details: Any, *fields: str) -> str:
    """Return the first of these fields that holds a text, ``""`` where none does."""
    if isinstance(details, dict):
        for field in fields:
            text = details.get(field)
            if isinstance(text, str) and text:
                return text
    return ""
