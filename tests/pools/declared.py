"""Nodes and needs for tests of placement, said in few words."""

from scheduling.model.jobs import Need
from scheduling.model.languages import LanguageOffer, Nmt
from scheduling.model.nodes import Node, NodeDescription, NodeStatus, Service, Usage

CORE = ("asr", "nmt", "tts")


def describe(
    languages: str = "de en zh",
    *,
    semantic: str | None = None,
    types: tuple[str, ...] = (*CORE, "semantic"),
    public: bool = True,
    has_gpu: bool = True,
) -> NodeDescription:
    """Return what a node declares that knows `languages`, each with each."""
    known = frozenset(languages.split())
    return NodeDescription(
        version="1",
        platform="linux",
        accepts_public_jobs=public,
        has_gpu=has_gpu,
        languages=LanguageOffer(
            asr=known,
            tts=known,
            semantic=known if semantic is None else frozenset(semantic.split()),
            nmt=(Nmt(rule="any_to_any", languages=known),),
        ),
        services=tuple(Service(service_id=f"{kind}-1", type=kind) for kind in types),
        ready_types=frozenset(types),
        acknowledges=True,
        resumes=False,
    )


def make_node(
    node_id: str,
    description: NodeDescription | None = None,
    *,
    max_jobs: int = 4,
    heartbeat_at_ms: int = 0,
    status: NodeStatus = NodeStatus.READY,
    conn_epoch: int = 1,
    instance_id: str = "i-1",
) -> Node:
    return Node(
        node_id=node_id,
        instance_id=instance_id,
        conn_epoch=conn_epoch,
        status=status,
        max_jobs=max_jobs,
        description=description or describe(),
        usage=Usage(),
        heartbeat_at_ms=heartbeat_at_ms,
    )


def make_need(src: str = "zh", tgt: str = "en", types: tuple[str, ...] = CORE) -> Need:
    return Need(src=src, tgt=tgt, types=types, pairs=((src, tgt),))
