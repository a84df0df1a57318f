"""The API of nodes, version 1: look at them, and give them commands."""

import logging

from django.db import DatabaseError
from rest_framework.request import Request
from rest_framework.response import Response

from operators.api import examples, fleet_serializers
from operators.api.fleet import FleetServiceView
from operators.api.schema import describe
from operators.api.views import MAY_MISS, PROBLEMS, CommandView, ReadView, refuse, refuse_unserved
from operators.console.console import Console
from operators.console.fleet import FleetService
from operators.console.node_commands import give_command

logger = logging.getLogger(__name__)

_NOT_FOUND, _UNAVAILABLE = 404, 503
_NO_NODE = "No node has this id here."
_NOT_KEPT = "The node has the order, but the database could not keep it: give it again."
_EXAMPLE_NODE = {
    "node_id": "node-7F3A91C2",
    "instance_id": "i-5c1e",
    "platform": "linux",
    "online": True,
    "status": "Draining",
    "cpu_usage": 12.5,
    "gpu_usage": 40.0,
    "memory_usage": 33.0,
    "current_jobs": 1,
    "max_concurrent_jobs": 4,
    "last_heartbeat": 1795190115806,
    "features": ["emotion_detection"],
    "models": [{"model_id": "whisper-large-v3", "kind": "asr", "version": "1", "enabled": True}],
    "flaws": {
        "repaired": 0,
        "dropped": 1,
        "refused": 0,
        "last": "quality_score: Expected `float | null`, got `str`",
        "failures": 1,
        "last_failure": "ASR_FAILED: CUDA out of memory",
        "last_at_ms": 1795190115806,
    },
    "takeovers": 0,
    "standing": {
        "state": "quarantine",
        "reason": "stalled",
        "since_ms": 1795190100000,
        "ends_at_ms": 1795190130000,
    },
    "services": [{"service_id": "faster-whisper", "service_type": "Asr", "status": "Running"}],
    "capabilities": [
        {"service_type": "Asr", "ready": True, "reason": None, "ready_impl_ids": None}
    ],
    "draining": True,
    "held": "drain",
    "languages": ["en", "zh"],
}


@describe(
    operation_id="nodes",
    responses={200: fleet_serializers.NodeList, **PROBLEMS},
    examples=examples.show("A fleet", {"nodes": [_EXAMPLE_NODE]}),
)
class NodesView(FleetServiceView, ReadView):
    """The fleet: status, slots, languages and services of every node."""

    async def ask(self, service: FleetService, request: Request, **named: str) -> Response:
        return Response({"nodes": await service.list_nodes()})


@describe(
    operation_id="node",
    responses={200: fleet_serializers.NodeDetail, **MAY_MISS},
    examples=examples.show(
        "A node that drains", {**_EXAMPLE_NODE, "pools": ["voices"], "language_capabilities": {}}
    ),
)
class NodeView(FleetServiceView, ReadView):
    """One node with its pools and what it declared of languages."""

    async def ask(self, service: FleetService, request: Request, **named: str) -> Response:
        node = await service.find_node(named["node_id"])
        return refuse(_NOT_FOUND, "NO_SUCH_NODE", _NO_NODE) if node is None else Response(node)


@describe(
    request=None,
    responses={200: fleet_serializers.NodeCommand, **MAY_MISS},
    examples=examples.show("Drained", {"node_id": "node-7F3A91C2", "action": "drain"}),
)
class NodeCommandView(CommandView):
    """Drain: nothing new until resumed or connected anew. Cordon: until resumed. Both finish jobs.

    Disconnect closes the socket; the node may come back at once. Shutdown and reload_config are
    orders to its program (`node_control`), which may know nothing of them. Quarantine: no jobs for
    `LINGUA_NODE_QUARANTINE_MAX_S`, then a trial. Absolve: forget what speaks against it.
    """

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        service, node_id, action = console.fleet_service, named["node_id"], named["action"]
        if service is None:
            return refuse_unserved()
        actor = request.user.get_username()
        try:
            known = give_command(console, service, node_id, action=action, actor=actor)
        except DatabaseError:
            logger.exception("a command was not kept: %s %s", action, node_id)
            return refuse(_UNAVAILABLE, "DATABASE_DOWN", _NOT_KEPT)
        if not known:
            return refuse(_NOT_FOUND, "NO_SUCH_NODE", _NO_NODE)
        return Response({"node_id": node_id, "action": action})
