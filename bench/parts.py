"""The parts of the hot path alone, in this process: no sockets, a real Redis."""

import asyncio
import dataclasses
import functools
import gc
import random
import time
from collections.abc import Awaitable, Callable

import msgspec
import uvloop

import nodes.job_frames
import nodes.messages
import sessions_app.messages
from bench import examples, frames
from bench.figures import Row, percentile
from bench.fixtures import (
    DESCRIPTION,
    FLEETS,
    build_fleet,
    build_infrastructure,
    build_need,
    build_node,
    build_request,
)
from lingua.composition.configuration import CoreConfiguration
from lingua.composition.stores import build_stores
from lingua.settings.embedded_redis import EmbeddedRedis
from nodes.job_frames import encode_assignment
from scheduling.model import clock
from scheduling.model.jobs import JobState, Request
from scheduling.model.limits import PlacementRules
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import Node, Usage
from scheduling.model.outcomes import Result
from scheduling.placement.pool_matching import ALL_NODES
from scheduling.placement.ranking import Choice, choose
from scheduling.placement.snapshot import Fleet
from scheduling.store.jobs import JobStore
from scheduling.store.keys import Keys
from scheduling.store.node_slots import NodeSlotStore
from scheduling.store.nodes import NodeStore
from scheduling.store.redis.clients import open_client
from scheduling.store.redis.connection import Connection
from scheduling.store.stores import Stores
from sockets.wire import encode_text

_NEED = build_need()
_WRITERS = 8
_TARGET_JOBS_PER_S = 3_000


def measure() -> list[Row]:
    """Measure everything that needs no Redis."""
    return [*_measure_choice(), *_measure_messages(), *_measure_snapshot()]


def measure_scripts(redis: EmbeddedRedis) -> list[Row]:
    """Measure the slot scripts and a job's whole life as `scheduling.store` sends them."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure_scripts(redis))


def _time(action: Callable[[], object], *, times: int) -> list[float]:
    """Return how long each call took, in microseconds."""
    for _ in range(max(times // 10, 1)):
        action()
    gc.collect()
    gc.disable()
    took = []
    for _ in range(times):
        begun = time.perf_counter_ns()
        action()
        took.append((time.perf_counter_ns() - begun) / 1e3)
    gc.enable()
    return took


def _row(name: str, took: list[float]) -> Row:
    return Row(
        name=name,
        unit="µs",
        figures={"p50": percentile(took, 0.50), "p99": percentile(took, 0.99)},
    )


def _measure_choice() -> list[Row]:
    rows = []
    for size in FLEETS:
        choose_one = _choose_from(build_fleet(size))
        rows.append(_row(f"choose a node from {size:,}", _time(choose_one, times=5_000)))
    return rows


def _choose_from(fleet: Fleet) -> Callable[[], Choice]:
    return functools.partial(
        choose,
        fleet.snapshot.candidates.find(ALL_NODES, _NEED),
        free=fleet.loads.free,
        need=_NEED,
        now_ms=clock.now_ms(),
        rules=PlacementRules(),
        rng=random.Random(1),
    )


def _measure_snapshot() -> list[Row]:
    rows = []
    for size in FLEETS:
        fleet = build_fleet(size)
        swap = functools.partial(fleet.put, next(iter(fleet.snapshot.nodes.values())))
        rows.append(_row(f"swap a snapshot of {size:,} nodes", _time(swap, times=200)))
    return rows


def _measure_messages() -> list[Row]:
    """Decode and encode every message; those with speech carry 21 KB of it."""
    rows = []
    spoken = sessions_app.messages.FromSpeaker
    for union, decode in (
        (spoken, sessions_app.messages.decode),
        (nodes.messages.FromNode, nodes.messages.decode),
    ):
        texts = {
            examples.read_tag(kind): encode_text(examples.build(kind))
            for kind in examples.list_members(union)
        }
        texts |= {name: text for name, text in frames.samples().items() if name in texts}
        rows += [
            _row(f"decode {name}", _time(functools.partial(decode, text), times=1_000))
            for name, text in texts.items()
        ]
    kinds: list[type[msgspec.Struct]] = [
        *examples.list_members(sessions_app.messages.ToSpeaker),
        *examples.list_members(nodes.messages.ToNode),
    ]
    messages = {examples.read_tag(kind): examples.build(kind) for kind in kinds} | _outgoing()
    for name, message in messages.items():
        took = _time(functools.partial(encode_text, message), times=1_000)
        rows.append(_row(f"encode {name}", took))
    return rows


def _outgoing() -> dict[str, msgspec.Struct]:
    """Return the messages that carry speech."""
    return {
        "job_assign": nodes.job_frames.AssignJob(
            *msgspec.structs.astuple(_request(0xABCD, 1).assignment)
        ),
        "translation_result": sessions_app.messages.TranslationResult(
            session_id="s-0000ABCD",
            job_id="job-0000ABCD-0123456789ab",
            trace_id="trace",
            utterance_index=1,
            text_asr="where is the nearest station",
            text_translated="dónde está la estación más cercana",
            tts_audio="A" * frames.AUDIO_BASE64_BYTES,
            tts_format="opus",
            scheduler_sent_at_ms=1,
        ),
    }


def _request(session: int, number: int) -> Request:
    return build_request(session, number, audio="A" * frames.AUDIO_BASE64_BYTES)


def _open_stores(redis: EmbeddedRedis) -> tuple[Connection, Stores]:
    client = open_client(url=redis.url, cluster_urls=(), timeout_s=5, connect_timeout_s=5)
    connection = Connection(client, metrics=Metrics())
    infrastructure = build_infrastructure(connection, keys=Keys("bench"))
    return connection, build_stores(infrastructure, CoreConfiguration())


async def _measure_scripts(redis: EmbeddedRedis) -> list[Row]:
    connection, stores = _open_stores(redis)
    slots, jobs = stores.slots, stores.jobs
    node = await _register(stores.nodes)
    rows = []
    for writers in (1, _WRITERS):
        took: dict[str, list[float]] = {}
        await asyncio.gather(
            *(_write(slots, jobs, node, took, writer=writer) for writer in range(writers))
        )
        who = "one writer" if writers == 1 else f"{writers} writers on one node"
        rows += [_row(f"{step}, {who}", times) for step, times in took.items()]
    rows.append(await _reserve_at_rate(slots, node))
    other, theirs = _open_stores(redis)
    rows.append(await _cross(jobs, theirs.jobs, node))
    await connection.close()
    await other.close()
    return rows


async def _reserve_at_rate(slots: NodeSlotStore, node: Node) -> Row:
    """Take and free slots as often as the target load does (R10)."""
    loop, took = asyncio.get_running_loop(), []
    start = loop.time()

    async def take(number: int) -> None:
        due = start + number / _TARGET_JOBS_PER_S
        await asyncio.sleep(due - loop.time())
        job_id = f"job-0000ABCD-{number:012x}"
        begun = time.perf_counter_ns()
        await slots.reserve(node=node, job_id=job_id, attempt=1, types=_NEED.types)
        took.append((time.perf_counter_ns() - begun) / 1e3)
        await slots.commit(node_id=node.node_id, job_id=job_id, attempt=1)
        await slots.finish(node_id=node.node_id, job_id=job_id, attempt=1)

    await asyncio.gather(*(take(number) for number in range(_TARGET_JOBS_PER_S)))
    reached = _TARGET_JOBS_PER_S / (loop.time() - start)
    row = _row(f"reserve at {_TARGET_JOBS_PER_S:,} jobs a second", took)
    return dataclasses.replace(
        row,
        bound="p99 < 5000",
        met=row.figures["p99"] < 5_000,
        note=f"{reached:,.0f} a second reached",
    )


async def _cross(ours: JobStore, theirs: JobStore, node: Node) -> Row:
    """Write on one connection and read on another until it is there (I12)."""
    took = []
    for number in range(500):
        request = _request(0xABCD, number + 1_000)
        job = request.assignment
        begun = time.perf_counter_ns()
        await ours.create(
            request=request, frame=encode_assignment(job), node_id=node.node_id, deadline_ms=4_000
        )
        while await theirs.find(session_id=job.session_id, job_id=job.job_id) is None:
            pass
        took.append((time.perf_counter_ns() - begun) / 1e3)
    row = _row("write on one instance → readable on another", took)
    return dataclasses.replace(row, bound="p99 < 10000", met=row.figures["p99"] < 10_000)


async def _register(store: NodeStore) -> Node:
    """Register one node with room for everybody and make it ready."""
    node_id = "node-BE0CBE0C"
    registered = await store.register(
        node_id=node_id,
        instance_id="bench",
        max_jobs=1_000,
        description=DESCRIPTION,
        shown_token="",
        kept_token="",
    )
    if registered is None:
        raise RuntimeError("the node of the bench could not register")
    await store.record_heartbeat(
        node_id=node_id,
        conn_epoch=registered.conn_epoch,
        healthy=True,
        usage=Usage(),
        description=None,
        draining=None,
        running=None,
    )
    return msgspec.structs.replace(
        build_node(0, heard_at_ms=clock.now_ms()),
        node_id=node_id,
        conn_epoch=registered.conn_epoch,
        max_jobs=1_000,
    )


async def _write(
    slots: NodeSlotStore, jobs: JobStore, node: Node, took: dict[str, list[float]], *, writer: int
) -> None:
    """Take slots and give them back, and lead jobs through their lives."""
    for number in range(150):
        request = _request(writer, number + 1)
        job_id = request.assignment.job_id
        steps: dict[str, Callable[[], Awaitable[object]]] = {
            "reserve": functools.partial(
                slots.reserve, node=node, job_id=job_id, attempt=1, types=_NEED.types
            ),
            "create a job": functools.partial(
                jobs.create,
                request=request,
                frame=encode_assignment(request.assignment),
                node_id=node.node_id,
                deadline_ms=4_000,
            ),
            "commit": functools.partial(
                slots.commit, node_id=node.node_id, job_id=job_id, attempt=1
            ),
            "finish": functools.partial(
                slots.finish, node_id=node.node_id, job_id=job_id, attempt=1
            ),
            "finish a job": functools.partial(
                jobs.finish,
                session_id=request.assignment.session_id,
                state=JobState.DONE,
                outcome=Result(text_asr="a", text_translated="b"),
                node_id=node.node_id,
                job_id=job_id,
                attempt=1,
            ),
        }
        for step, issue in steps.items():
            begun = time.perf_counter_ns()
            await issue()
            took.setdefault(step, []).append((time.perf_counter_ns() - begun) / 1e3)
