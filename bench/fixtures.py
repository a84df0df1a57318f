"""What the benchmarks work on: nodes that do it all, fleets of them, and utterances for them."""

import random

from lingua.composition.stores import Infrastructure
from scheduling.model import clock
from scheduling.model.jobs import Assignment, Need, Pipeline, Request, quote_base64
from scheduling.model.languages import LanguageOffer, Nmt
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import Node, NodeDescription, NodeStatus, Service, Usage
from scheduling.placement.candidate_view import CandidateView
from scheduling.placement.snapshot import Fleet, NodeIndex
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from sessions_app.webhook_client import WebhookClient

LANGUAGES = frozenset({"de", "en", "es", "fr"})
FLEETS = (100, 1_000, 10_000)
_TYPES = ("asr", "nmt", "tts")


def describe(known: frozenset[str]) -> NodeDescription:
    """Return what a node declares that translates between all the languages it knows."""
    return NodeDescription(
        version="2.0.0",
        platform="linux",
        accepts_public_jobs=True,
        has_gpu=False,
        languages=LanguageOffer(
            asr=known,
            tts=known,
            semantic=known,
            nmt=(Nmt(rule="any_to_any", languages=known),),
        ),
        services=tuple(Service(service_id=f"{kind}-1", type=kind) for kind in _TYPES),
        ready_types=frozenset(_TYPES),
        acknowledges=True,
        resumes=False,
    )


DESCRIPTION = describe(LANGUAGES)


def build_node(
    number: int,
    *,
    heard_at_ms: int,
    instance_id: str = "bench",
    max_jobs: int = 4,
    description: NodeDescription = DESCRIPTION,
) -> Node:
    """Return a ready node that was last heard of at `heard_at_ms`."""
    return Node(
        node_id=f"node-{number:08X}",
        instance_id=instance_id,
        conn_epoch=1,
        status=NodeStatus.READY,
        max_jobs=max_jobs,
        description=description,
        usage=Usage(cpu=20.0, memory=40.0),
        heartbeat_at_ms=heard_at_ms,
    )


def build_fleet(size: int) -> Fleet:
    """Return a fleet of nodes heard of just now, each with one of its slots taken."""
    fleet, now_ms = Fleet(require_gpu=False), clock.now_ms()
    nodes = {
        node.node_id: node
        for node in (build_node(number, heard_at_ms=now_ms) for number in range(size))
    }
    fleet.views.update((node_id, CandidateView(node)) for node_id, node in nodes.items())
    fleet.swap(nodes, NodeIndex({DESCRIPTION: tuple(nodes)}, require_gpu=False))
    for node_id in nodes:
        fleet.loads.learn(node_id, 1)
    return fleet


def build_infrastructure(connection: Connection, *, keys: Keys, seed: str = "") -> Infrastructure:
    """Return what an instance stands on; its dice fall as `seed` says."""
    return Infrastructure(
        instance_id="bench",
        connection=connection,
        keys=keys,
        metrics=Metrics(),
        rng=random.Random(seed),
        webhook_client=WebhookClient(hosts=()),
    )


def build_request(
    session: int,
    number: int,
    *,
    src: str = "en",
    tgt: str = "es",
    audio: str = "",
    tenant_id: str = "default",
    turn_id: str = "",
) -> Request:
    """Return what a session asks for; every id follows from the two numbers."""
    assignment = Assignment(
        job_id=f"job-{session:08X}-{number:012x}",
        attempt_id=1,
        session_id=name_session(session),
        utterance_index=number,
        src_lang=src,
        tgt_lang=tgt,
        audio=quote_base64(audio),
        audio_format="opus",
        sample_rate=16_000,
        trace_id="",
        pipeline=Pipeline(),
        enable_streaming_asr=True,
        partial_update_interval_ms=1_000,
        is_max_duration_triggered=bool(turn_id),
        turn_id=turn_id or None,
    )
    return Request(assignment=assignment, need=build_need(src, tgt), tenant_id=tenant_id)


def build_need(src: str = "en", tgt: str = "es") -> Need:
    """Return what an utterance from one language into another takes."""
    return Need(src=src, tgt=tgt, types=_TYPES, pairs=((src, tgt),))


def name_session(number: int) -> str:
    """Return the id of a session by its number."""
    return f"s-{number:08X}"
