"""Nodes as a snapshot has them, made of what matters to a test."""

from typing import Any

from scheduling.model.languages import LanguageOffer
from scheduling.model.nodes import Node, NodeDescription, NodeStatus, Service, Usage

_CORE = ("asr", "nmt", "tts")


def describe_node(
    node_id: str,
    *,
    languages: LanguageOffer,
    slots: int = 2,
    status: NodeStatus = NodeStatus.READY,
    **changes: Any,
) -> Node:
    """Return a node that does speech for these languages."""
    description = NodeDescription(
        version="1",
        platform="linux",
        accepts_public_jobs=True,
        has_gpu=True,
        languages=languages,
        services=tuple(Service(service_id=kind, type=kind) for kind in _CORE),
        ready_types=frozenset(_CORE),
        acknowledges=True,
        resumes=False,
    )
    return Node(
        node_id=node_id,
        instance_id="i",
        conn_epoch=1,
        status=status,
        max_jobs=slots,
        description=description,
        usage=Usage(),
        heartbeat_at_ms=0,
        **changes,
    )
