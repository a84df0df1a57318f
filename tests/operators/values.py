"""Values that tests of the operators' side begin with."""

from scheduling.model.languages import LanguageOffer
from scheduling.model.nodes import Machine, Node, NodeDescription, NodeStatus, Service, Usage


def make_node(
    node_id: str = "n1", *, status: NodeStatus = NodeStatus.READY, **other: object
) -> Node:
    """Return a node with 8 cores, 16 GB and a GPU of 8 GB."""
    description = NodeDescription(
        version="1.0",
        platform="linux",
        accepts_public_jobs=True,
        has_gpu=True,
        languages=LanguageOffer(asr=frozenset({"en"}), tts=frozenset({"es"})),
        services=(
            Service(service_id="my-asr", type="asr"),
            Service(service_id="my-nmt", type="nmt"),
        ),
        ready_types=frozenset({"asr"}),
        acknowledges=True,
        resumes=True,
        machine=Machine(cpu_cores=8, memory_gb=16, gpu_memory_gb=8),
    )
    fields = {
        "instance_id": "i1",
        "conn_epoch": 1,
        "max_jobs": 2,
        "description": description,
        "usage": Usage(cpu=25.0, memory=50.0, gpu=25.0),
        "heartbeat_at_ms": 1_795_190_115_806,
    }
    return Node(node_id=node_id, status=status, **fields | other)
