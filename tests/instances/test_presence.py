"""Who lives, and under which name: presence before the first socket, one process per id."""

import json

import pytest

from tests.instances.servers import MORTAL, Cluster, kill, pause, resume
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually


def read_presence(cluster: Cluster, instance_id: str) -> dict[str, object]:
    found = cluster.read_hash(f"{{instance:{instance_id}}}:presence")
    return json.loads(found["record"]) if found else {}


@pytest.mark.req("I1", "I2", "I-31")
async def test_presence_is_there_before_the_port_opens_and_its_start_never_changes(
    cluster: Cluster,
):
    cluster.start(LINGUA_INSTANCE_ID="one")

    first = read_presence(cluster, "one")
    seen = cluster.redis.zscore(cluster.key("{instances}:seen"), "one")
    await eventually(
        lambda: cluster.redis.zscore(cluster.key("{instances}:seen"), "one") != seen, "no renewal"
    )

    assert first["pid"]
    assert read_presence(cluster, "one") == first
    assert 0 < cluster.redis.pttl(cluster.key("{instance:one}:presence")) <= 10_000


@pytest.mark.req("I1", "I2")
def test_a_second_process_under_a_living_id_refuses_to_start(cluster: Cluster):
    first = cluster.start(LINGUA_INSTANCE_ID="one")

    second = cluster.start(LINGUA_INSTANCE_ID="one", awaiting_ready=False)

    assert second.wait() != 0
    assert "Another process lives under this instance id" in second.errors
    assert read_presence(cluster, "one")["pid"] == first.process.pid


@pytest.mark.req("I1")
def test_a_killed_process_gives_its_id_to_the_next_on_its_host(cluster: Cluster):
    kill(cluster.start(LINGUA_INSTANCE_ID="one"))

    second = cluster.start(LINGUA_INSTANCE_ID="one")

    assert read_presence(cluster, "one")["pid"] == second.process.pid


@pytest.mark.req("I2")
async def test_an_instance_that_leaves_in_order_is_gone_at_once(cluster: Cluster):
    one = cluster.start(LINGUA_INSTANCE_ID="one")

    one.terminate()

    assert one.wait() == 0
    assert read_presence(cluster, "one") == {}
    assert cluster.redis.zscore(cluster.key("{instances}:seen"), "one") is None


@pytest.mark.req("G2")
@pytest.mark.parametrize("shared_first", [True, False])
def test_a_single_instance_does_not_start_beside_another(cluster: Cluster, *, shared_first: bool):
    alone, shared = {"LINGUA_DEGRADE": "local_single_instance"}, {}
    first, second = (shared, alone) if shared_first else (alone, shared)
    cluster.start(**first)

    refused = cluster.start(awaiting_ready=False, **second)

    assert refused.wait() != 0
    assert "share a Redis" in refused.errors


@pytest.mark.req("I3", "N14", "N12", "I-47")
async def test_nodes_of_a_killed_instance_get_no_jobs_and_theirs_move(cluster: Cluster):
    one, two = cluster.start(**MORTAL), cluster.start(**MORTAL)
    pair = draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as lost,
        WorkingNode.connect(two.url("/ws/node")) as node,
        Speaker.connect(two.url("/ws/session")) as speaker,
    ):
        await lost.register(pair)
        await speaker.init(pair)
        await speaker.say(0)
        await lost.acknowledge(await lost.job())
        kill(one)
        node.works = True
        await node.register(pair)

        result = await speaker.result(0)

        assert result["text_translated"] == f"by {node.node_id}, attempt 2"


@pytest.mark.req("I11", "X11")
async def test_the_place_of_a_killed_leader_is_taken_by_another(cluster: Cluster):
    hasty, leader = {"LINGUA_POOL_LEADER_TTL_S": "3"}, "{poolcfg}:leader"
    one = cluster.start(LINGUA_INSTANCE_ID="one", **hasty)
    await eventually(lambda: cluster.read_hash(leader).get("instance_id") == "one", "nobody leads")
    fence = int(cluster.read_hash(leader)["fence"])
    cluster.start(LINGUA_INSTANCE_ID="two", **hasty)

    kill(one)

    await eventually(
        lambda: cluster.read_hash(leader).get("instance_id") == "two", "nobody took over"
    )
    assert int(cluster.read_hash(leader)["fence"]) > fence


@pytest.mark.req("I2", "G5")
async def test_an_instance_that_slept_past_its_presence_comes_back_whole(cluster: Cluster):
    one = cluster.start(LINGUA_INSTANCE_ID="one", **MORTAL)
    two = cluster.start(LINGUA_INSTANCE_ID="two", **MORTAL)
    pair = draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(two.url("/ws/session")) as speaker,
    ):
        node.works = True
        await node.register(pair)
        await speaker.init(pair)
        pause(one)
        await eventually(
            lambda: read_presence(cluster, "one") == {}, "presence outlived its process"
        )
        resume(one)
        await eventually(lambda: read_presence(cluster, "one") != {}, "presence is not back")
        await node.heartbeat()

        await speaker.say(0)

        assert await speaker.result(0)


@pytest.mark.req("N13")
async def test_a_node_silent_for_too_long_leaves_nothing_behind(cluster: Cluster):
    one = cluster.start(
        LINGUA_NODE_STALE_S="5", LINGUA_HEARTBEAT_TIMEOUT_S="30", LINGUA_POOL_CLEANUP_S="1"
    )
    async with WorkingNode.connect(one.url("/ws/node")) as node:
        await node.register(draw_languages())
        assert cluster.redis.zscore(cluster.key("{nodes}:last_seen"), node.node_id)

        await eventually(
            lambda: not cluster.redis.zcard(cluster.key("{nodes}:last_seen")), "still in the index"
        )

    of_the_node = cluster.key(f"{{node:{node.node_id}}}:*")
    await eventually(
        lambda: (
            set(cluster.redis.scan_iter(of_the_node))
            <= {cluster.key(f"{{node:{node.node_id}}}:stamp")}
        ),
        "something of it is left",
    )


@pytest.mark.req("V9", "N12")
async def test_an_instance_knows_every_node_before_its_first_socket(cluster: Cluster):
    one = cluster.start()
    pair = draw_languages()
    async with WorkingNode.connect(one.url("/ws/node")) as node:
        node.works = True
        await node.register(pair)
        # It looks at nobody again: what it did not know at its start it never learns.
        two = cluster.start(LINGUA_SNAPSHOT_REFRESH_MS="600000")
        async with Speaker.connect(two.url("/ws/session")) as speaker:
            await speaker.init(pair)
            await speaker.say(0)

            assert await speaker.result(0)


@pytest.mark.req("I4", "N4")
async def test_a_node_that_moved_is_fenced_on_its_older_instance(cluster: Cluster):
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as older,
        WorkingNode.connect(two.url("/ws/node")) as newer,
        Speaker.connect(one.url("/ws/session")) as speaker,
    ):
        await older.register(pair)
        newer.works = True
        await newer.register(pair, node_id=older.node_id)

        assert await older.closed() == 4409
        await speaker.init(pair)
        await speaker.say(0)
        assert await speaker.result(0)
