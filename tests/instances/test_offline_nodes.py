"""What is gone stays in every view of operators until it is forgotten (ED8)."""

import asyncio

import pytest

from tests.instances.servers import Cluster, kill
from tests.instances.test_cluster_wide import Operator
from tests.instances.test_degraded_reads import ask
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.waiting import eventually

# A silent node is noticed soon; one that works beats each second.
SOON = {
    "LINGUA_HEARTBEAT_INTERVAL_S": "1",
    "LINGUA_HEARTBEAT_TIMEOUT_S": "2",
    "LINGUA_STATS_INTERVAL_S": "0.2",
}
OFFLINE = 'scheduler_nodes_total{status="offline"} 1.0'


@pytest.mark.req("ED8", "N6", "D6", "V9")
async def test_a_silent_node_is_offline_in_every_view_of_every_instance_until_it_is_forgotten(
    cluster: Cluster,
) -> None:
    forgets = {"LINGUA_NODE_STALE_S": "15"}
    one, two = (cluster.start(**SOON, **forgets) for _ in range(2))
    async with WorkingNode.connect(one.url("/ws/node")) as node:
        await node.register(draw_languages())
        kept = node.node_id
        for instance in (one, two):
            operator = Operator(instance)
            cluster_view = await operator.until(
                "/api/v1/cluster", lambda told: told["total_nodes"] > told["online_nodes"]
            )
            (row,) = cluster_view["nodes"]
            assert (row["node_id"], row["online"], row["status"]) == (kept, False, "Offline")
            (listed,) = (await operator.get("/api/v1/nodes"))["nodes"]
            assert (listed["node_id"], listed["status"]) == (kept, "Offline")
            assert (await operator.get(f"/api/v1/nodes/{kept}"))["status"] == "Offline"
            assert OFFLINE in (await asyncio.to_thread(ask, instance, "/metrics"))[1]
        for instance in (one, two):
            await eventually(
                lambda instance=instance: asyncio.to_thread(ask, instance, f"/api/v1/nodes/{kept}"),
                "it is not forgotten",
                fits=lambda told: told[0] == 404,
                within_s=60,
            )
            await Operator(instance).until("/api/v1/cluster", lambda told: told["nodes"] == [])


@pytest.mark.req("ED8", "N6")
async def test_the_nodes_of_a_dead_instance_are_shown_by_one_that_started_after_it(
    cluster: Cluster,
) -> None:
    one = cluster.start(**SOON, LINGUA_PRESENCE_TTL_S="2")
    async with WorkingNode.connect(one.url("/ws/node")) as node:
        await node.register(draw_languages())
        kill(one)
        two = cluster.start(**SOON, LINGUA_PRESENCE_TTL_S="2")
        view = await Operator(two).until("/api/v1/cluster", lambda told: told["online_nodes"] == 0)
        view = await Operator(two).until("/api/v1/cluster", lambda told: told["nodes"])
        assert [row["node_id"] for row in view["nodes"]] == [node.node_id]
