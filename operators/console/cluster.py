"""The cluster view: instances, nodes and totals (D6)."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from operators.console.statistics import name_type
from scheduling.model import clock
from scheduling.model.instances import InstanceFigures, InstanceRecord
from scheduling.model.nodes import Hold, Node, NodeStatus
from scheduling.model.speeds import MedianSpeed, Speed, find_medians
from scheduling.model.standing import NodeState, Standing

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InstanceView:
    """One instance as it last described itself."""

    instance_id: str
    hostname: str
    pid: int
    version: str
    started_at_ms: int
    is_online: bool = True
    inbox_length: int = 0
    inbox_pending: int = 0
    dlq_length: int = 0
    nodes_owned: int = 0
    sessions_owned: int = 0

    def stand(self, figures: InstanceFigures) -> "InstanceView":
        """Return the instance with its figures."""
        return dataclasses.replace(
            self,
            inbox_length=figures.inbox_length,
            inbox_pending=figures.inbox_pending,
            dlq_length=figures.dlq_length,
            nodes_owned=figures.nodes_owned,
            sessions_owned=figures.sessions_owned,
        )


def show_instance(record: InstanceRecord) -> InstanceView:
    """Return an instance as its presence tells of it."""
    return InstanceView(
        instance_id=record.instance_id,
        hostname=record.hostname,
        pid=record.pid,
        version=record.version,
        started_at_ms=record.started_at_ms,
    )


def describe_cluster(
    *,
    instances: Sequence[InstanceView],
    nodes: Sequence[Node],
    loads: Mapping[str, int],
    key_prefix: str,
    now_ms: int,
    total_dlq: int = 0,
) -> Json:
    """Return what ``/api/v1/cluster`` answers."""
    medians = find_medians(node.speeds for node in nodes)
    return {
        "instances": [_describe_instance(instance, now_ms) for instance in instances],
        "total_instances": len(instances),
        "online_instances": sum(instance.is_online for instance in instances),
        "total_nodes": len(nodes),
        "online_nodes": sum(node.status is not NodeStatus.OFFLINE for node in nodes),
        "ready_nodes": sum(node.shown_status is NodeStatus.READY for node in nodes),
        "total_sessions": sum(instance.sessions_owned for instance in instances),
        "total_pending": sum(instance.inbox_pending for instance in instances),
        "total_dlq": total_dlq,
        "redis_key_prefix": key_prefix,
        "nodes": [describe_node(node, loads.get(node.node_id, 0), medians) for node in nodes],
    }


def _describe_instance(instance: InstanceView, now_ms: int) -> Json:
    return {
        **dataclasses.asdict(instance),
        "uptime_seconds": max(0, now_ms - instance.started_at_ms) // 1000,
    }


def describe_node(node: Node, load: int, medians: Mapping[str, MedianSpeed]) -> Json:
    """Return one node as lists show it."""
    description, usage = node.description, node.usage
    return {
        "node_id": node.node_id,
        "instance_id": node.instance_id,
        "platform": description.platform,
        "online": node.status is not NodeStatus.OFFLINE,
        "status": _say_status(node),
        "cpu_usage": usage.cpu,
        "gpu_usage": usage.gpu,
        "memory_usage": usage.memory,
        "current_jobs": load,
        "max_concurrent_jobs": node.max_jobs,
        "last_heartbeat": node.heartbeat_at_ms,
        "features": sorted(description.features),
        "models": [msgspec.structs.asdict(model) for model in description.machine.models],
        "flaws": msgspec.to_builtins(node.flaws),
        "takeovers": node.takeovers,
        "standing": describe_standing(node.standing),
        "speeds": [
            describe_speed(speed, medians)
            for speed in sorted(node.speeds, key=lambda one: -one.at_ms)
        ],
        "services": [
            {
                "service_id": service.service_id,
                "service_type": name_type(service.type),
                "status": "Running" if service.type in description.ready_types else "Stopped",
            }
            for service in description.services
        ],
        "capabilities": [
            {
                "service_type": name_type(kind),
                "ready": kind in description.ready_types,
                "reason": None,
                "ready_impl_ids": None,
            }
            for kind in sorted(
                {service.type for service in description.services} | description.ready_types
            )
        ],
    }


def describe_standing(standing: Standing) -> Json:
    """Return a node's standing as it is now; a quarantine whose time is over is a trial."""
    now_ms = clock.now_ms()
    state: str = standing.state_at(now_ms)
    is_good = state == NodeState.GOOD
    return {
        "state": "trial" if standing.is_on_trial(now_ms) else state,
        "reason": "" if is_good else standing.reason,
        "since_ms": 0 if is_good else standing.since,
        "ends_at_ms": 0 if is_good else standing.ends,
    }


def describe_speed(speed: Speed, medians: Mapping[str, MedianSpeed]) -> Json:
    """Return what a second of audio takes a node, beside what it takes the fleet's median."""
    median = medians.get(speed.services) or MedianSpeed(rate_ms=speed.rate_ms, nodes=1)
    return {
        "services": speed.services.split(","),
        "ms_per_second": speed.rate_ms,
        "median_ms_per_second": median.rate_ms,
        "nodes_measured": median.nodes,
        "measured_at_ms": speed.at_ms,
    }


def _say_status(node: Node) -> str:
    if node.held is Hold.CORDON and node.status is NodeStatus.READY:
        return "Cordoned"
    return str(node.shown_status.capitalize())
