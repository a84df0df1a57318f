"""Values that tests of scripts and stores begin with: a node, its description, a request."""

import dataclasses
import random
from collections.abc import Sequence

import msgspec
import redis.asyncio

from lingua.composition.configuration import CoreConfiguration
from lingua.composition.stores import Infrastructure, build_stores
from nodes.job_frames import encode_assignment
from scheduling.model.jobs import (
    UNHEARD,
    Assignment,
    Completed,
    JobState,
    Need,
    Pipeline,
    Request,
    quote_base64,
)
from scheduling.model.languages import LanguageOffer
from scheduling.model.limits import JobLimits, NodeLimits, RoomLimits
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import Node, NodeDescription, NodeStatus, Service, Usage
from scheduling.model.outcomes import Refused, Result
from scheduling.store.allowances import AllowanceStore
from scheduling.store.credentials import CredentialStore
from scheduling.store.decisions import DecisionStore
from scheduling.store.declines import DeclineStore
from scheduling.store.hedges import HedgeStore
from scheduling.store.hooks import HookStore
from scheduling.store.instances import InstanceStore
from scheduling.store.job_history import HistoryStore
from scheduling.store.job_replies import Ended, Requeued
from scheduling.store.jobs import JobStore
from scheduling.store.keys import Keys
from scheduling.store.membership import MembershipStore
from scheduling.store.mirrors import MirrorStore
from scheduling.store.node_index import NodeIndexStore
from scheduling.store.node_slots import NodeSlotStore
from scheduling.store.nodes import HeartbeatRecorded, NodeStore, Registered
from scheduling.store.outcomes import OutcomeStore
from scheduling.store.pairing_codes import PairingCodeStore
from scheduling.store.pools import PoolStore
from scheduling.store.recordings import RecordingStore
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import Reply, SlotReply
from scheduling.store.room_seats import RoomSeatStore
from scheduling.store.rooms import RoomStore
from scheduling.store.runtime import RuntimeStore
from scheduling.store.sessions import SessionStore
from scheduling.store.stores import Stores as CoreStores
from scheduling.store.tenants import TenantStore
from scheduling.store.timers import TimerStore
from scheduling.store.unavailable_services import UnavailableServiceStore
from sessions_app.webhook_client import WebhookClient
from tests.redis_under_test import UNHURRIED_S

START_MS = 1_000_000
# Each makes a TLS context, which takes milliseconds.
_WEBHOOK_CLIENT = WebhookClient(hosts=())
JOB_LIMITS = JobLimits()
NODE_LIMITS = NodeLimits()
ROOM_LIMITS = RoomLimits(most_members=3, most_listeners=2)
CORE = CoreConfiguration(timer_shards=4)
SESSION, JOB, OTHER_JOB = "s-AAAA0001", "job-AAAA0001-000000000001", "job-AAAA0001-000000000002"

DESCRIPTION = NodeDescription(
    version="1.0",
    platform="linux",
    accepts_public_jobs=True,
    has_gpu=True,
    languages=LanguageOffer(asr=frozenset({"en"}), tts=frozenset({"es"})),
    services=(Service(service_id="my-asr", type="asr"), Service(service_id="my-nmt", type="nmt")),
    ready_types=frozenset({"asr", "nmt"}),
    acknowledges=True,
    resumes=True,
)
NEED = Need(src="en", tgt="es", types=("asr", "nmt"), pairs=(("en", "es"),))
RESULT = Result(text_asr="hello", text_translated="hola")
REFUSED = Refused(code="JOB_TIMEOUT", message="Too late.")


def make_node(
    node_id: str = "n1", *, conn_epoch: int = START_MS, max_jobs: int = 2, **other: object
) -> Node:
    """Return a ready node as a snapshot holds it."""
    fields = {
        "instance_id": "i1",
        "status": NodeStatus.READY,
        "description": DESCRIPTION,
        "usage": Usage(),
        "heartbeat_at_ms": START_MS,
    }
    return Node(node_id=node_id, conn_epoch=conn_epoch, max_jobs=max_jobs, **fields | other)


def make_request(
    job_id: str = JOB,
    *,
    session_id: str = SESSION,
    utterance_index: int = 0,
    request_id: str | None = None,
) -> Request:
    """Return one utterance from English to Spanish."""
    assignment = Assignment(
        job_id=job_id,
        attempt_id=1,
        session_id=session_id,
        utterance_index=utterance_index,
        src_lang="en",
        tgt_lang="es",
        audio=quote_base64("AAAA"),
        audio_format="pcm16",
        sample_rate=16_000,
        trace_id="trace-1",
        pipeline=Pipeline(),
        enable_streaming_asr=False,
        partial_update_interval_ms=1_000,
    )
    return Request(assignment=assignment, need=NEED, tenant_id="t1", request_id=request_id)


def begin(request: Request) -> Request:
    """Return the same utterance as it is asked for when its speech begins."""
    return msgspec.structs.replace(
        request,
        assignment=msgspec.structs.replace(request.assignment, audio=UNHEARD),
        need=request.need.for_streaming(),
    )


def encode_frame(request: Request) -> str:
    return encode_assignment(request.assignment)


@dataclasses.dataclass(slots=True, kw_only=True)
class Stores:
    """All stores over one connection, and the clock their scripts act at."""

    infrastructure: Infrastructure
    connection: Connection
    keys: Keys
    core: CoreStores
    nodes: NodeStore
    slots: NodeSlotStore
    jobs: JobStore
    declines: DeclineStore
    hedges: HedgeStore
    outcomes: OutcomeStore
    sessions: SessionStore
    timers: TimerStore
    pools: PoolStore
    membership: MembershipStore
    decisions: DecisionStore
    runtime: RuntimeStore
    tenants: TenantStore
    unavailable_services: UnavailableServiceStore
    credentials: CredentialStore
    allowances: AllowanceStore
    instances: InstanceStore
    index: NodeIndexStore
    history: HistoryStore
    hooks: HookStore
    recordings: RecordingStore
    mirrors: MirrorStore
    pairing_codes: PairingCodeStore
    rooms: RoomStore
    room_seats: RoomSeatStore
    now_ms: int = START_MS

    def advance_clock(self, span_ms: int) -> None:
        self.set_clock(self.now_ms + span_ms)

    def set_clock(self, now_ms: int) -> None:
        self.now_ms = now_ms
        for store in (
            *(self.nodes, self.slots, self.jobs, self.outcomes, self.sessions, self.timers),
            *(self.instances, self.index, self.history, self.declines, self.hedges, self.rooms),
        ):
            store.test_clock = str(now_ms)
        for other in (
            *(self.pools, self.tenants, self.unavailable_services),
            *(self.credentials, self.allowances),
        ):
            other.test_clock = now_ms

    def use_redis_clock(self) -> None:
        """Let Redis's own clock decide, as it does in the product."""
        for store in (
            *(self.nodes, self.slots, self.jobs, self.declines, self.outcomes),
            *(self.sessions, self.timers, self.hedges),
        ):
            store.test_clock = ""


def make_infrastructure(
    connection: Connection, *, keys: Keys, instance_id: str = "i1", seed: int = 1
) -> Infrastructure:
    """Return what an instance stands on; its dice fall as `seed` says."""
    return Infrastructure(
        instance_id=instance_id,
        connection=connection,
        keys=keys,
        metrics=Metrics(),
        rng=random.Random(seed),
        webhook_client=_WEBHOOK_CLIENT,
    )


def make_stores(
    client: "redis.asyncio.Redis",
    *,
    prefix: str,
    job_limits: JobLimits = JOB_LIMITS,
    node_limits: NodeLimits = NODE_LIMITS,
) -> Stores:
    """Return stores whose clock stands at `START_MS`, and that a busy Redis does not alarm."""
    infrastructure = make_infrastructure(
        Connection(client, metrics=Metrics(), overdue_s=UNHURRIED_S, stalled_s=UNHURRIED_S),
        keys=Keys(prefix),
    )
    connection, keys = infrastructure.connection, infrastructure.keys
    core = build_stores(
        infrastructure, dataclasses.replace(CORE, jobs=job_limits, nodes=node_limits)
    )
    stores = Stores(
        infrastructure=infrastructure,
        connection=connection,
        keys=keys,
        core=core,
        nodes=core.nodes,
        slots=core.slots,
        jobs=core.jobs,
        declines=core.declines,
        hedges=core.hedges,
        outcomes=core.outcomes,
        sessions=SessionStore(connection, keys=keys, life_ms=60_000),
        timers=core.timers,
        pools=PoolStore(connection, keys=keys),
        membership=MembershipStore(connection, keys=keys),
        decisions=core.decisions,
        runtime=core.runtime,
        tenants=core.tenants,
        unavailable_services=UnavailableServiceStore(
            connection,
            keys=keys,
            mark_ms=60_000,
            debounce_ms=5_000,
            window_ms=10_000,
            most_per_window=30,
        ),
        credentials=CredentialStore(connection, keys=keys, life_ms=60_000),
        allowances=AllowanceStore(connection, keys=keys),
        instances=InstanceStore(connection, keys=keys, presence_ms=10_000),
        index=NodeIndexStore(connection, keys=keys),
        history=HistoryStore(connection, keys=keys, shards=4, record_ms=JOB_LIMITS.retention_ms),
        hooks=HookStore(connection, keys=keys, life_ms=60_000),
        recordings=RecordingStore(connection, keys=keys, life_ms=60_000),
        mirrors=MirrorStore(connection, keys=keys),
        pairing_codes=PairingCodeStore(connection, keys=keys),
        rooms=RoomStore(connection, keys=keys, limits=ROOM_LIMITS),
        room_seats=RoomSeatStore(connection, keys=keys, life_ms=60_000),
    )
    stores.set_clock(START_MS)
    return stores


async def register(
    stores: Stores,
    node_id: str = "n1",
    *,
    max_jobs: int = 2,
    shown_token: str = "",
    kept_token: str = "",
    instance_id: str = "i1",
    cordoned: bool = False,
) -> Registered | None:
    """Register a node as `DESCRIPTION` says."""
    return await stores.nodes.register(
        node_id=node_id,
        instance_id=instance_id,
        max_jobs=max_jobs,
        description=DESCRIPTION,
        shown_token=shown_token,
        kept_token=kept_token,
        cordoned=cordoned,
    )


async def beat(
    stores: Stores,
    node: Node,
    *,
    healthy: bool = True,
    draining: bool | None = None,
    running: Sequence[tuple[str, int]] | None = None,
    description: NodeDescription | None = None,
    usage: Usage = Usage(),  # noqa: B008 - a frozen value
) -> HeartbeatRecorded | None:
    """Let a node send one heartbeat."""
    return await stores.nodes.record_heartbeat(
        node_id=node.node_id,
        conn_epoch=node.conn_epoch,
        healthy=healthy,
        usage=usage,
        description=description,
        draining=draining,
        running=running,
    )


async def make_ready(stores: Stores, node_id: str = "n1", *, max_jobs: int = 2) -> Node:
    """Register a node and let it send a good heartbeat."""
    registered = await register(stores, node_id, max_jobs=max_jobs)
    assert registered is not None
    node = make_node(node_id, conn_epoch=registered.conn_epoch, max_jobs=max_jobs)
    recorded = await beat(stores, node)
    assert recorded is not None
    assert recorded.status is NodeStatus.READY
    return node


async def reserve(
    stores: Stores, node: Node, job_id: str = JOB, attempt: int = 1, *, types: tuple[str, ...] = ()
) -> SlotReply:
    """Reserve a slot for an attempt that needs services of `types`."""
    return await stores.slots.reserve(node=node, job_id=job_id, attempt=attempt, types=types)


async def run(stores: Stores, node: Node, job_id: str = JOB, attempt: int = 1) -> None:
    """Reserve a slot and commit it."""
    assert (await reserve(stores, node, job_id, attempt)).done
    assert (await stores.slots.commit(node_id=node.node_id, job_id=job_id, attempt=attempt)).done


async def create(
    stores: Stores, request: Request | None = None, *, node_id: str = "n1"
) -> str | None:
    """Create a job whose next step is due within the acknowledgment's time."""
    request = request or make_request()
    return await stores.jobs.create(
        request=request,
        frame=encode_frame(request),
        node_id=node_id,
        deadline_ms=JOB_LIMITS.ack_timeout_ms,
    )


async def advance(
    stores: Stores, state: JobState, *, attempt: int = 1, node_id: str = "n1", job_id: str = JOB
) -> Reply:
    """Take an attempt to `state`, with the run timeout as its deadline."""
    return await stores.jobs.advance(
        session_id=SESSION,
        job_id=job_id,
        attempt=attempt,
        node_id=node_id,
        state=state,
        deadline_ms=JOB_LIMITS.run_timeout_ms,
    )


async def requeue(
    stores: Stores,
    *,
    attempt: int = 1,
    node_id: str = "n1",
    reported: bool = False,
    may_deliver: bool = False,
    failure: Refused | None = None,
    job_id: str = JOB,
    reason: str = "it failed",
) -> Requeued:
    """Fail an attempt."""
    return await stores.jobs.requeue(
        session_id=SESSION,
        job_id=job_id,
        attempt=attempt,
        node_id=node_id,
        reason=reason,
        reported=reported,
        may_deliver=may_deliver,
        failure=failure,
    )


async def place(
    stores: Stores,
    *,
    attempt: int = 1,
    node_id: str = "n1",
    job_id: str = JOB,
    stands_at: str | None = None,
) -> Reply:
    """Place an attempt at a node, or at none."""
    return await stores.jobs.place(
        stands_at=stands_at,
        session_id=SESSION,
        job_id=job_id,
        attempt=attempt,
        node_id=node_id,
        deadline_ms=JOB_LIMITS.ack_timeout_ms,
    )


async def finish(
    stores: Stores,
    state: JobState = JobState.DONE,
    *,
    attempt: int | None = 1,
    node_id: str = "n1",
    job_id: str = JOB,
) -> Ended | None:
    """End a job: with a result when DONE, refused otherwise."""
    return await stores.jobs.finish(
        session_id=SESSION,
        job_id=job_id,
        state=state,
        outcome=RESULT if state is JobState.DONE else REFUSED,
        reason="" if state is JobState.DONE else REFUSED.code,
        attempt=attempt,
        node_id=node_id,
    )


async def note_delivered(stores: Stores, *, job_id: str = JOB) -> bool:
    """Note that the speaker has the outcome."""
    return await stores.outcomes.note_delivered(session_id=SESSION, job_id=job_id)


async def complete(stores: Stores, request: Request | None = None) -> Completed:
    """Say that the speech of a job is over."""
    request = request or make_request()
    return await stores.jobs.complete(request=request, frame=encode_frame(request))


async def bring_to(
    stores: Stores, state: JobState, *, job_id: str = JOB, is_open: bool = False
) -> None:
    """Create a job and bring it to `state`, at node n1 where that state has one.

    With `is_open` it is created when its speech begins.
    """
    request = make_request(job_id)
    if is_open:
        request = begin(request)
    placed = state not in {JobState.SELECTING, JobState.RETRYING}
    await create(stores, request, node_id="n1" if placed or state is JobState.RETRYING else "")
    match state:
        case JobState.RETRYING:
            assert (await requeue(stores, job_id=job_id)).done
        case JobState.DISPATCHED | JobState.ACKED | JobState.RUNNING:
            assert (await advance(stores, state, job_id=job_id)).done
        case JobState.DONE | JobState.FAILED | JobState.CANCELLED:
            assert await finish(stores, state, job_id=job_id)
        case JobState.RELEASED:
            assert await finish(stores, JobState.DONE, job_id=job_id)
            assert await note_delivered(stores, job_id=job_id)
        case _:
            pass
    record = await stores.jobs.find(session_id=SESSION, job_id=job_id)
    assert record is not None
    assert record.state is state
