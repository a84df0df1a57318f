"""The fleet against Redis: what news told is not read again, what they did not tell is."""

import msgspec
import pytest

from scheduling.fleet.fleet_watch import FleetWatch
from scheduling.model import clock
from scheduling.model.delivery import Delivery
from scheduling.model.nodes import Node, NodeDescription, NodeStatus, Usage
from scheduling.placement.snapshot import Fleet
from scheduling.store.node_index import NodeIndexStore
from tests.redis_under_test import Client, OwnRedis, list_keys, open_redis
from tests.scheduling.core import Services
from tests.scripts.fixtures import DESCRIPTION, NEED, make_stores


class Watcher:
    """Another instance, which holds no node."""

    def __init__(self, core: Services) -> None:
        self.index = NodeIndexStore(core.held.connection, keys=core.held.keys)
        self.fleet = Fleet(require_gpu=False)
        self.watch = FleetWatch(
            index=self.index,
            fleet=self.fleet,
            delivery=Delivery(),
            departure=core.departure,
            interval_s=1,
            forget_ms=600_000,
        )

    def find(self) -> Node:
        node = self.fleet.find("n1")
        assert node is not None
        return node


async def beat(
    core: Services,
    watcher: Watcher,
    node: Node,
    *,
    cpu: float = 0.0,
    description: NodeDescription | None = None,
) -> Node:
    """Let a node be heard of at its instance, and leave out the news."""
    heard = await core.registry.record_heartbeat(
        node=node,
        usage=Usage(cpu=cpu),
        description=description or node.description,
        healthy=True,
        draining=None,
        running=None,
    )
    await watcher.index.note_seen([node.node_id])
    return heard.node


@pytest.mark.req("N12", "I-32")
async def test_a_node_of_which_news_came_is_not_read_again(core: Services) -> None:
    watcher = Watcher(core)
    node = await core.register()
    await watcher.index.note_seen([node.node_id])
    assert await watcher.watch.run_once() == 1

    heard = await beat(core, watcher, node, cpu=10.0)
    watcher.fleet.learn(msgspec.structs.replace(heard, heartbeat_at_ms=clock.now_ms()))

    assert await watcher.watch.run_once() == 0


@pytest.mark.req("N8")
async def test_what_a_node_came_to_offer_is_read_where_no_news_of_it_came(core: Services) -> None:
    watcher = Watcher(core)
    node = await core.register()
    watcher.index.test_clock = clock.now_ms() - 1_000
    await watcher.index.note_seen([node.node_id])
    await watcher.watch.run_once()
    watcher.index.test_clock = ""
    wanted = msgspec.structs.replace(NEED, types=("asr", "nmt", "tts"))
    newer = msgspec.structs.replace(DESCRIPTION, ready_types=frozenset(wanted.types))
    assert not watcher.fleet.snapshot.index.find(wanted)

    await beat(core, watcher, node, description=newer)
    await watcher.watch.run_once()

    assert watcher.find().description == newer
    assert watcher.fleet.snapshot.index.find(wanted) == ("n1",)


@pytest.mark.req("N12", "I-32")
async def test_a_node_whose_news_were_lost_is_read(core: Services) -> None:
    watcher = Watcher(core)
    node = await core.register()
    # A heartbeat within the millisecond of the reading would not be later than it.
    watcher.index.test_clock = clock.now_ms() - 1_000
    await watcher.index.note_seen([node.node_id])
    await watcher.watch.run_once()
    watcher.index.test_clock = ""
    told = watcher.find().usage

    for cpu in (10.0, 20.0):
        node = await beat(core, watcher, node, cpu=cpu)
    read = await watcher.watch.run_once()

    assert (read, told.cpu, watcher.find().usage.cpu) == (1, 0.0, 20.0)
    assert watcher.find().status is NodeStatus.READY


@pytest.mark.req("G3", "I-32")
async def test_who_cannot_be_asked_about_is_not_taken_for_gone(
    own_redis: OwnRedis, prefix: str
) -> None:
    core = Services(make_stores(open_redis(own_redis.url), prefix=prefix))
    watcher = Watcher(core)
    node = await core.register()
    await watcher.index.note_seen([node.node_id])
    await watcher.watch.run_once()
    before = watcher.find()
    own_redis.kill()

    assert await watcher.watch.run_once() == 0

    assert watcher.find() == before
    await core.held.connection.close()


@pytest.mark.req("ED8", "N6")
async def test_an_offline_node_is_shown_until_it_is_forgotten_and_gets_no_job(
    core: Services, redis_client: Client
) -> None:
    watcher, late = Watcher(core), Watcher(core)
    node = await core.register()
    # What is heard within the millisecond of the reading would not be later than it.
    watcher.index.test_clock = clock.now_ms() - 1_000
    await watcher.index.note_seen([node.node_id])
    await watcher.watch.run_once()
    watcher.index.test_clock = ""
    await core.stores.nodes.retire(node_id=node.node_id, conn_epoch=node.conn_epoch)
    core.held.advance_clock(1_000)
    await watcher.index.note_seen([node.node_id])

    for other in (watcher, late):
        await other.watch.run_once()

        assert other.fleet.find("n1") is None
        assert not other.fleet.snapshot.index.find(NEED)
        assert [one.status for one in other.fleet.list_known()] == [NodeStatus.OFFLINE]
    watcher.watch = late.watch = FleetWatch(
        index=watcher.index,
        fleet=watcher.fleet,
        delivery=Delivery(),
        departure=core.departure,
        interval_s=1,
        forget_ms=0,
    )
    stamp = core.held.keys.node.stamp("n1")
    await core.held.connection.execute("HSET", stamp, "version", 1)
    await watcher.watch.run_once()
    assert watcher.fleet.list_known() == []
    assert await list_keys(redis_client, "*{node:n1}*") == []


@pytest.mark.req("ED8")
async def test_a_node_that_is_back_is_shown_once(core: Services) -> None:
    watcher = Watcher(core)
    node = await core.register()
    watcher.fleet.learn(node)

    watcher.fleet.unlearn(node.node_id, conn_epoch=node.conn_epoch)
    watcher.fleet.learn(msgspec.structs.replace(node, conn_epoch=node.conn_epoch + 1))

    assert [one.status for one in watcher.fleet.list_known()] == [node.status]


@pytest.mark.req("ED1")
async def test_a_record_that_cannot_be_read_is_passed_over_with_a_warning(
    core: Services, caplog: pytest.LogCaptureFixture
) -> None:
    """It stopped every instance's start, and the watch of all other nodes."""
    watcher = Watcher(core)
    node = await core.register()
    await watcher.index.note_seen([node.node_id])
    broken = '{"machine": {"gpu_memory_gb": null}}'
    info = core.held.keys.node.info(node.node_id)
    await core.held.connection.execute("HSET", info, "description", broken)

    await watcher.watch.run_once()

    assert watcher.fleet.find(node.node_id) is None
    assert "the record of a node cannot be read" in caplog.text
