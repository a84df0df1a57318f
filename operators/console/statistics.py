"""The statistics: values in, a JSON-ready value out (D4)."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scheduling.model.instances import InstanceFigures
from scheduling.model.nodes import Node, NodeStatus

Json = dict[str, Any]

# Use above which a machine has no power left to give, in percent.
_CPU_LIMIT, _GPU_LIMIT, _MEMORY_LIMIT = 50.0, 75.0, 75.0
_TOP_LANGUAGES = 10
_PERCENT = 100.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known at one moment: nodes, their loads, how instances stand, what services exist."""

    nodes: Sequence[Node] = ()
    loads: Mapping[str, int] = dataclasses.field(default_factory=dict)
    figures: Sequence[InstanceFigures] = ()
    services: Sequence[Json] = ()


def describe_statistics(facts: Facts) -> Json:
    """Return what ``/api/v1/stats`` answers."""
    return {
        "web_clients": _describe_sessions(facts.figures),
        "nodes": _describe_fleet(facts),
    }


def _describe_sessions(figures: Iterable[InstanceFigures]) -> Json:
    """Add up what every instance counted."""
    as_source: collections.Counter[str] = collections.Counter()
    as_target: collections.Counter[str] = collections.Counter()
    active = 0
    for one in figures:
        active += one.sessions_owned
        as_source.update(one.as_source)
        as_target.update(one.as_target)
    totals = as_source + as_target
    return {
        "active_users": active,
        "top_languages": [
            {"language": language, "count": count}
            for language, count in totals.most_common(_TOP_LANGUAGES)
        ],
        "language_usage": {
            language: {
                "as_source": as_source[language],
                "as_target": as_target[language],
                "total": total,
            }
            for language, total in sorted(totals.items())
        },
    }


def _describe_fleet(facts: Facts) -> Json:
    online = [node for node in facts.nodes if node.status is not NodeStatus.OFFLINE]
    busy = [node for node in online if facts.loads.get(node.node_id, 0)]
    return {
        "connected_nodes": len(online),
        "type_node_counts": _count(node.description.ready_types for node in online),
        "type_in_use_counts": _count(node.description.ready_types for node in busy),
        "service_node_counts": dict(
            sorted(
                collections.Counter(
                    service_id
                    for node in online
                    for service_id in {row.service_id for row in node.description.services}
                ).items()
            )
        ),
        "available_services": list(facts.services),
        "total_services": len(facts.services),
        "compute_power": _describe_power(online),
    }


def _count(types: Iterable[Iterable[str]]) -> dict[str, int]:
    counted = collections.Counter(name_type(kind) for kinds in types for kind in kinds)
    return dict(sorted(counted.items()))


def name_type(kind: str) -> str:
    """Return a service type as the API spells it (``asr`` → ``Asr``)."""
    return kind.capitalize()


def _describe_power(nodes: Iterable[Node]) -> Json:
    details = [_measure(node) for node in nodes]
    return {
        **{
            f"total_{kind}_power": round(sum(row[f"{kind}_power"] for row in details), 2)
            for kind in ("cpu", "gpu", "memory")
        },
        "node_power_details": details,
    }


def _measure(node: Node) -> Json:
    """Return the share of a machine below its limits, in cores and gigabytes."""
    machine, usage = node.description.machine, node.usage
    gpu = 0.0 if usage.gpu is None else _left(_GPU_LIMIT, usage.gpu) * machine.gpu_memory_gb
    return {
        "node_id": node.node_id,
        "node_name": node.node_id,
        "cpu_power": round(_left(_CPU_LIMIT, usage.cpu) * machine.cpu_cores, 2),
        "gpu_power": round(gpu, 2),
        "memory_power": round(_left(_MEMORY_LIMIT, usage.memory) * machine.memory_gb, 2),
    }


def _left(limit: float, used: float) -> float:
    return max(0.0, limit - used) / _PERCENT
