"""Loads on their way to other instances: gathered, but for a slot that somebody may wait for."""

import asyncio

import msgspec
import pytest

from scheduling.model import instance_messages
from scheduling.model.instance_messages import FleetNews
from scheduling.model.instances import InstanceRecord
from scheduling.model.lines import LineFigures, name_line
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import Usage
from scheduling.network.fleet_broadcast import FleetBroadcast
from scheduling.network.load_broadcast import LoadBroadcast
from scheduling.network.peers import Peers
from scheduling.network.remote_delivery import RemoteDelivery
from scheduling.store.node_index import NodeIndexStore
from tests.scheduling.core import Services
from tests.scheduling.test_placement import make_node
from tests.scheduling.test_wait_queue import make_placement_request

LONG_S = 3_600.0
WITHIN_S = 60.0
OWN = InstanceRecord(
    instance_id="i1",
    boot_id="b",
    channel="inbox!1",
    hostname="h",
    pid=1,
    version="1",
    started_at_ms=1,
)
OTHER = msgspec.structs.replace(OWN, instance_id="i2", channel="inbox!2")


async def _never(*_: object) -> None:
    raise NotImplementedError


class RecordingTransport:
    """A channel layer that keeps what it was to carry."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, instance_messages.Envelope]] = []
        self.told: list[instance_messages.Envelope] = []

    async def send(self, channel: str, body: bytes, *, facts: dict[str, str]) -> bool:
        assert not facts
        self.sent.append((channel, instance_messages.decode(body)))
        return True

    async def broadcast(self, body: bytes) -> None:
        self.told.append(instance_messages.decode(body))

    async def receive(self) -> bytes:
        raise NotImplementedError

    async def give_up(self) -> None:
        raise NotImplementedError


class Broadcaster:
    """The part of an instance that tells others of its nodes."""

    def __init__(self, core: Services, *, gather_s: float) -> None:
        self.transport = RecordingTransport()
        self.fleet = core.fleet
        self.peers = Peers(
            record=OWN,
            store=core.held.instances,
            interval_s=1,
            metrics=Metrics(),
            on_lost=_never,
            on_dead=_never,
        )
        self.remote_delivery = RemoteDelivery(
            peers=self.peers,
            transport=self.transport,
            fleet=self.fleet,
            nodes=core.held.nodes,
            sessions=core.held.sessions,
        )
        index = NodeIndexStore(core.held.connection, keys=core.held.keys)
        self.fleet_broadcast = FleetBroadcast(
            fleet=self.fleet, peers=self.peers, remote_delivery=self.remote_delivery, index=index
        )
        self.news = LoadBroadcast(
            fleet=self.fleet,
            peers=self.peers,
            remote_delivery=self.remote_delivery,
            outlook=core.outlook,
            gather_s=gather_s,
        )


def loads(**by_node: int) -> FleetNews:
    return FleetNews(sender="i1", loads=by_node)


@pytest.mark.req("N12")
async def test_loads_that_change_together_are_one_message_to_each_other_instance(
    core: Services,
) -> None:
    broadcaster = Broadcaster(core, gather_s=0.01)
    broadcaster.peers.note_came(OTHER)
    broadcaster.fleet.learn(make_node("n1", max_jobs=4))
    telling = asyncio.create_task(broadcaster.news.run_once())

    for load in (1, 2, 1):
        broadcaster.fleet.loads.record("n1", load)
    told = await asyncio.wait_for(telling, WITHIN_S)

    assert (told, broadcaster.transport.sent) == (1, [(OTHER.channel, loads(n1=1))])


@pytest.mark.req("N12")
async def test_a_slot_at_a_full_node_is_told_at_once(core: Services) -> None:
    broadcaster = Broadcaster(core, gather_s=LONG_S)
    broadcaster.peers.note_came(OTHER)
    broadcaster.fleet.learn(make_node("n1", max_jobs=2))
    telling = asyncio.create_task(broadcaster.news.run_once())

    broadcaster.fleet.loads.record("n1", 1)
    broadcaster.fleet.loads.record("n1", 2)
    await asyncio.sleep(0)
    assert not telling.done()
    broadcaster.fleet.loads.record("n1", 1)
    await asyncio.wait_for(telling, WITHIN_S)

    assert broadcaster.transport.sent == [(OTHER.channel, loads(n1=1))]


@pytest.mark.req("N12")
async def test_a_load_that_is_as_it_was_is_no_news(core: Services) -> None:
    broadcaster = Broadcaster(core, gather_s=0.01)
    broadcaster.peers.note_came(OTHER)
    for node_id in ("n1", "n2"):
        broadcaster.fleet.learn(make_node(node_id))
    telling = asyncio.create_task(broadcaster.news.run_once())

    broadcaster.fleet.loads.record("n1", 0)
    broadcaster.fleet.loads.record("n2", 1)
    await asyncio.wait_for(telling, WITHIN_S)

    assert broadcaster.transport.sent == [(OTHER.channel, loads(n2=1))]


@pytest.mark.req("N8")
async def test_what_a_node_comes_to_offer_is_told_to_the_others(core: Services) -> None:
    broadcaster = Broadcaster(core, gather_s=LONG_S)
    node = await core.beat(await core.register())
    await broadcaster.fleet_broadcast.run_once()
    broadcaster.peers.note_came(OTHER)
    newer = msgspec.structs.replace(node.description, ready_types=frozenset({"tts"}))

    await core.registry.record_heartbeat(
        node=node, usage=Usage(), description=newer, healthy=True, draining=None, running=None
    )
    await asyncio.wait_for(broadcaster.fleet_broadcast.run_once(), WITHIN_S)

    [told] = broadcaster.transport.told
    assert [each.description for each in told.nodes] == [newer]


@pytest.mark.req("N12")
async def test_whoever_is_alone_tells_nobody(core: Services) -> None:
    broadcaster = Broadcaster(core, gather_s=0.01)
    broadcaster.fleet.learn(make_node("n1"))

    broadcaster.fleet.loads.record("n1", 1)

    assert await asyncio.wait_for(broadcaster.news.run_once(), WITHIN_S) == 0
    assert broadcaster.transport.sent == []


@pytest.mark.req("N12")
async def test_a_node_that_comes_is_told_with_its_load(core: Services) -> None:
    broadcaster = Broadcaster(core, gather_s=LONG_S)
    broadcaster.peers.note_came(OTHER)
    node = make_node("n1")

    broadcaster.fleet.put(node)
    broadcaster.fleet.loads.record("n1", 3)
    await asyncio.wait_for(broadcaster.fleet_broadcast.run_once(), WITHIN_S)

    assert broadcaster.transport.told == [FleetNews(sender="i1", nodes=(node,), loads={"n1": 3})]


@pytest.mark.req("ND7")
async def test_how_many_wait_is_told_where_it_changed(core: Services) -> None:
    broadcaster = Broadcaster(core, gather_s=0.01)
    broadcaster.peers.note_came(OTHER)
    for job_id in ("job-0", "job-2"):
        core.dispatcher.waiting.add(make_placement_request(job_id))
    telling = asyncio.create_task(broadcaster.news.run_once())

    for tell in core.fleet.listeners.line:
        tell()
    await asyncio.wait_for(telling, WITHIN_S)

    kind = name_line(make_placement_request("job-0").need)
    told = FleetNews(sender="i1", lines={kind: LineFigures(2, 0.0)})
    assert broadcaster.transport.sent == [("inbox!2", told)]
