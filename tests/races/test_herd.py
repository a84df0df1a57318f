"""Many instances at once choose among the same nodes, and none believes the fleet full (I-14)."""

import asyncio
import collections
import dataclasses
from collections.abc import AsyncIterator

import msgspec
import pytest

from scheduling.model import clock
from scheduling.model.events import JobAssigned, ToNode
from scheduling.model.jobs import Request
from scheduling.model.nodes import Node
from tests.redis_under_test import OwnRedis, open_redis
from tests.scheduling.core import Services
from tests.scripts.fixtures import make_ready, make_request, make_stores, reserve

INSTANCES, NODES, SLOTS = 8, 20, 5


@dataclasses.dataclass
class Socket:
    """A node's connection that keeps what it is sent."""

    conn_epoch: int
    assigned: list[str] = dataclasses.field(default_factory=list)

    def enqueue(self, event: ToNode) -> bool:
        assert isinstance(event, JobAssigned)
        self.assigned.append(event.job_id)
        return True


@pytest.fixture
async def instances(redis_server: OwnRedis, prefix: str) -> AsyncIterator[list[Services]]:
    cores = []
    for number in range(INSTANCES):
        client = open_redis(redis_server.url)
        stores = make_stores(client, prefix=prefix)
        await stores.connection.open()
        stores.use_redis_clock()
        cores.append(Services(stores, seed=number))
    yield cores
    for core in cores:
        await core.held.connection.close()


async def connect_nodes(instances: list[Services], *, count: int, slots: int) -> dict[str, Socket]:
    """Let every instance know `count` nodes and reach their connections."""
    sockets = {}
    for number in range(count):
        node = await make_ready(instances[0].held, f"n{number}", max_jobs=slots)
        node = msgspec.structs.replace(node, heartbeat_at_ms=clock.now_ms())
        sockets[node.node_id] = Socket(conn_epoch=node.conn_epoch)
        for core in instances:
            introduce(core, node, sockets[node.node_id])
    return sockets


def introduce(core: Services, node: Node, socket: Socket) -> None:
    core.fleet.put(node)
    core.delivery.local.attach_node(node.node_id, socket)


def make_requests(count: int) -> list[Request]:
    return [
        make_request(f"job-AAAA{number:04X}-{number:012x}", session_id=f"s-AAAA{number:04X}")
        for number in range(count)
    ]


@pytest.mark.req("L2", "P1", "R1", "J10")
async def test_as_many_jobs_as_slots_are_all_placed_at_once(instances: list[Services]) -> None:
    sockets = await connect_nodes(instances, count=NODES, slots=SLOTS)
    requests = make_requests(NODES * SLOTS)

    existing = await asyncio.gather(
        *(
            instances[number % INSTANCES].dispatcher.dispatch(request)
            for number, request in enumerate(requests)
        )
    )

    assert set(existing) == {None}
    assert [len(core.dispatcher.waiting) for core in instances] == [0] * INSTANCES
    assert {len(socket.assigned) for socket in sockets.values()} == {SLOTS}
    assigned = collections.Counter(job for socket in sockets.values() for job in socket.assigned)
    assert assigned == {request.assignment.job_id: 1 for request in requests}


@pytest.mark.req("L2", "J10", "V3", "I-14")
async def test_a_node_filled_since_it_was_looked_at_leaves_the_job_to_the_next(
    instances: list[Services],
) -> None:
    core, other = instances[:2]
    sockets = await connect_nodes([core], count=2, slots=1)
    core.fleet.loads.record("n1", 0)
    await reserve(other.held, core.fleet.snapshot.nodes["n0"], "job-BBBB0001-000000000001")

    for request in make_requests(1):
        await core.dispatcher.dispatch(request)

    assert {name: len(socket.assigned) for name, socket in sockets.items()} == {"n0": 0, "n1": 1}


@pytest.mark.req("L3")
async def test_one_sessions_jobs_spread_over_idle_nodes(instances: list[Services]) -> None:
    (core,) = instances[:1]
    sockets = await connect_nodes([core], count=NODES, slots=20)

    for number in range(200):
        request = make_request(f"job-AAAA0001-{number:012x}", utterance_index=number)
        await core.dispatcher.dispatch(request)

    assert len([socket for socket in sockets.values() if socket.assigned]) >= 15
