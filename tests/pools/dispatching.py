"""Schedulers that place jobs by pools, with the connections of their nodes kept in memory."""

import asyncio
import dataclasses
import itertools
from typing import Any

import msgspec

from lingua.composition.configuration import CoreConfiguration
from lingua.composition.services import build_services
from lingua.composition.stores import build_stores
from scheduling.model import clock, errors
from scheduling.model.events import JobAssigned, ToNode
from scheduling.model.jobs import Assignment, JobRecord, Need, Pipeline, Request, quote_base64
from scheduling.model.nodes import NodeDescription, Usage
from scheduling.model.outcomes import Refused
from scheduling.placement.candidates import Members, PoolTable
from scheduling.placement.pool_config import Owned, PoolConfig
from scheduling.placement.pool_matching import PoolMatcher
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from tests.pools.declared import describe, make_need, make_node
from tests.scripts.fixtures import CORE, make_infrastructure

_numbers = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class FixedSource:
    """What operators own, and never change."""

    owned: Owned

    async def read(self) -> Owned:
        return self.owned


@dataclasses.dataclass
class Socket:
    """A node's connection that keeps what it is sent."""

    conn_epoch: int
    received: list[JobAssigned] = dataclasses.field(default_factory=list)

    def enqueue(self, event: ToNode) -> bool:
        if isinstance(event, JobAssigned):
            self.received.append(event)
        return True


class Scheduler:
    """One instance without its speakers."""

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        *,
        seed: int = 1,
        configuration: CoreConfiguration = CORE,
    ) -> None:
        infrastructure = make_infrastructure(connection, keys=keys, instance_id="i-1", seed=seed)
        stores = build_stores(infrastructure, configuration)
        built = build_services(infrastructure, configuration, stores=stores)
        self.stores = built.stores
        self.metrics = infrastructure.metrics
        self.fleet = built.fleet
        self.delivery = built.delivery
        self.tenants = built.tenants
        self.settlement = built.settlement
        self.dispatcher = built.dispatcher
        self.retries = built.retries
        self.hedging = built.hedging
        self.explainer = built.explainer

    def use(self, config: PoolConfig, **members: set[str]) -> None:
        """Put a configuration in force, with these members."""
        self.fleet.put_pools(
            PoolTable(
                version=1,
                matcher=PoolMatcher(config),
                members={
                    pool_id: Members(
                        node_ids=frozenset(node_ids), version=1, fresh_until_ms=1 << 60
                    )
                    for pool_id, node_ids in members.items()
                },
            )
        )

    async def connect(
        self,
        *node_ids: str,
        description: NodeDescription | None = None,
        max_jobs: int = 4,
        known_to: "tuple[Scheduler, ...]" = (),
    ) -> dict[str, Socket]:
        """Connect ready nodes here, and let others know and reach them."""
        described = description or describe()
        sockets = {}
        for node_id in node_ids:
            registered = await self.stores.nodes.register(
                node_id=node_id,
                instance_id="i-1",
                max_jobs=max_jobs,
                description=described,
                shown_token="",
                kept_token="",
            )
            assert registered is not None
            await self.stores.nodes.record_heartbeat(
                node_id=node_id,
                conn_epoch=registered.conn_epoch,
                healthy=True,
                usage=Usage(),
                description=None,
                draining=None,
                running=None,
            )
            sockets[node_id] = Socket(conn_epoch=registered.conn_epoch)
            node = make_node(
                node_id,
                described,
                conn_epoch=registered.conn_epoch,
                heartbeat_at_ms=clock.now_ms(),
                max_jobs=max_jobs,
            )
            for scheduler in (self, *known_to):
                scheduler.fleet.put(node)
                scheduler.delivery.local.attach_node(node_id, sockets[node_id])
        return sockets

    async def ask(self, *, session: int = 1, **more: Any) -> str:
        """Dispatch one utterance and return its job's id."""
        request = make_request(session=session, **more)
        assert await self.dispatcher.dispatch(request) is None
        return request.assignment.job_id

    async def settle(self) -> None:
        """Wait until everything that was begun beside the callers is done."""
        while tasks := self.dispatcher._line._background._tasks:
            await asyncio.gather(*tasks)

    async def find(self, job_id: str) -> JobRecord:
        record = await self.stores.jobs.find(session_id=session_of(job_id), job_id=job_id)
        assert record is not None
        return record

    async def find_node(self, job_id: str) -> str:
        return (await self.find(job_id)).node_id

    async def refuse(self, **more: Any) -> errors.Refusal:
        """Dispatch one utterance that must be refused; return the refusal."""
        try:
            await self.ask(**more)
        except errors.Refusal as refusal:
            return refusal
        raise AssertionError("the job was taken")

    async def fail(self, job_id: str) -> None:
        """Let the node of a job report an error."""
        record = await self.find(job_id)
        await self.retries.retry(
            session_id=record.session_id,
            job_id=job_id,
            attempt=record.attempt,
            node_id=record.node_id,
            reason="PROCESSING_ERROR",
            refused=Refused(code="PROCESSING_ERROR", message="It failed."),
            reported=True,
        )


def session_of(job_id: str) -> str:
    return f"s-{job_id[4:12]}"


def make_request(
    *,
    session: int = 1,
    src: str = "zh",
    tgt: str = "en",
    tenant_id: str = "t",
    preferred_node_id: str = "",
    turn_id: str | None = None,
    max_duration: bool = False,
    need: Need | None = None,
) -> Request:
    number = next(_numbers)
    session_id = f"s-{session:08X}"
    assignment = Assignment(
        job_id=f"job-{session:08X}-{number:012x}",
        attempt_id=1,
        session_id=session_id,
        utterance_index=number,
        src_lang=src,
        tgt_lang=tgt,
        audio=quote_base64("AAAA"),
        audio_format="pcm16",
        sample_rate=16_000,
        trace_id="trace",
        pipeline=Pipeline(),
        enable_streaming_asr=False,
        partial_update_interval_ms=1_000,
        turn_id=turn_id,
        is_max_duration_triggered=max_duration,
    )
    return Request(
        assignment=assignment,
        need=need or make_need(src, tgt),
        tenant_id=tenant_id,
        preferred_node_id=preferred_node_id,
    )


def with_rules(config: PoolConfig, **rules: Any) -> PoolConfig:
    return msgspec.structs.replace(config, rules=msgspec.structs.replace(config.rules, **rules))
