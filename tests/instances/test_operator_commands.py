"""Operators' commands and changes reach every instance, whichever they were given to."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Database
from tests.instances.servers import Cluster
from tests.manage import issue_api_token
from tests.peers.frames import draw_languages, register_frame
from tests.peers.node import WorkingNode
from tests.peers.sockets import DEADLINE_S
from tests.peers.speaker import Speaker
from tests.server.launcher import Instance
from tests.waiting import eventually, stretch

_MAKE = (
    "INSERT INTO operators_ownedpool (pool_id, name, kind, required, languages, nodes)"
    " VALUES ('desk-made', '', 'capability', '[\"tone\"]', '[]', '[]')"
)
_DROP = "DELETE FROM operators_ownedpool WHERE pool_id = 'desk-made'"


class Operator:
    """An operator with a token, who may ask any instance."""

    def __init__(self, directory: Path) -> None:
        self.write = Database(directory / "var").change
        self._token = issue_api_token(var=directory / "var")

    async def see(self, instance: Instance, path: str) -> Any:
        return (await asyncio.to_thread(self._ask, instance, path, "GET"))[1]

    async def command(self, instance: Instance, path: str) -> tuple[int, Any]:
        return await asyncio.to_thread(self._ask, instance, path, "POST")

    async def until(self, instance: Instance, path: str, fits: Callable[[Any], bool]) -> Any:
        return await eventually(
            lambda: self.see(instance, path), f"{path} still says", fits=fits, within_s=DEADLINE_S
        )

    def _ask(self, instance: Instance, path: str, method: str) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"http://{instance.address}/api/v1/{path}",
            method=method,
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
            data=b"" if method == "POST" else None,
        )
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:  # noqa: S310 - ours
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())


def has_status(status: str) -> Callable[[Any], bool]:
    return lambda told: told.get("status") == status


@pytest.mark.req("N6", "N12", "I9")
async def test_a_node_is_drained_resumed_and_disconnected_from_an_instance_that_does_not_hold_it(
    cluster: Cluster, tmp_path: Path
):
    one, two = cluster.start(), cluster.start()
    operator, pair = Operator(tmp_path), draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(one.url("/ws/session")) as speaker,
    ):
        node.works = True
        await node.register(pair)
        await speaker.init(pair)
        path = f"nodes/{node.node_id}"
        await operator.until(two, path, has_status("Ready"))

        assert (await operator.command(two, f"{path}/drain"))[0] == 200
        # No heartbeat comes meanwhile: the instance that holds the node was told.
        await operator.until(one, path, has_status("Draining"))
        await speaker.say(0)
        await operator.until(one, "metrics", lambda told: told["dispatch_exclude"]["by_reason"])
        assert node.told("job_assign") == []
        assert (await operator.command(two, f"{path}/resume"))[0] == 200
        await operator.until(one, path, has_status("Ready"))
        await speaker.result(0)

        for order in ("reload_config", "shutdown"):
            assert (await operator.command(two, f"{path}/{order}"))[0] == 200
            await node.next("node_control", command=order)
        assert (await operator.command(two, f"{path}/disconnect"))[0] == 200
        assert await node.closed() == 1000


@pytest.mark.req("N6", "N13", "G5")
async def test_a_cordon_outlives_the_connection_redis_and_every_instance(
    cluster: Cluster, tmp_path: Path
):
    one, two = cluster.start(), cluster.start()
    operator, pair = Operator(tmp_path), draw_languages()
    async with WorkingNode.connect(one.url("/ws/node")) as node:
        await node.register(pair)
        path = f"nodes/{node.node_id}"
        await operator.until(two, path, has_status("Ready"))
        assert (await operator.command(two, f"{path}/cordon"))[0] == 200
        await operator.until(one, path, has_status("Cordoned"))

        cluster.redis.flushall()
        info = cluster.key(f"{{node:{node.node_id}}}:info")
        await eventually(lambda: cluster.redis.hget(info, "held") == "cordon", "no cordon")
        await node.heartbeat()
        assert (await operator.see(one, path))["status"] == "Cordoned"

    one.terminate()
    two.terminate()
    assert one.wait() == two.wait() == 0
    cluster.redis.flushall()
    three = cluster.start()
    async with WorkingNode.connect(three.url("/ws/node")) as node:
        await node.send(_register_again(pair, path.removeprefix("nodes/")))
        node.node_id = (await node.next("node_register_ack"))["node_id"]
        await node.heartbeat()
        await operator.until(three, path, has_status("Cordoned"))
        assert (await operator.command(three, f"{path}/resume"))[0] == 200
        await operator.until(three, path, has_status("Ready"))
        version = (await operator.see(three, "phase3/pools"))["version"]
        await operator.until(three, "phase3/pools", lambda told: told["version"] >= version)
        assert (await operator.see(three, path))["held"] == ""


def _register_again(pair: tuple[str, str], node_id: str) -> dict[str, Any]:
    return register_frame(pair) | {
        "max_concurrent_jobs": 4,
        "advanced_features": ["job_ack"],
        "node_id": node_id,
    }


@pytest.mark.req("P16", "P11")
async def test_a_rebuild_asked_of_an_instance_that_does_not_lead_is_done_by_the_leader(
    cluster: Cluster, tmp_path: Path
):
    instances = [cluster.start(), cluster.start()]
    operator = Operator(tmp_path)
    for instance in instances:
        before = (await operator.see(instance, "admin/pools"))["version"]
        status, told = await operator.command(instance, "admin/pools/rebuild")
        assert status in {200, 202}, told
        for each in instances:
            await operator.until(
                each, "admin/pools", lambda told, v=before: told["version"] == v + 1
            )


@pytest.mark.req("P11", "V5")
async def test_what_an_operator_changes_is_in_force_on_every_instance_within_a_second(
    cluster: Cluster, tmp_path: Path
):
    instances = [cluster.start(), cluster.start()]
    operator = Operator(tmp_path)
    loop = asyncio.get_running_loop()
    took = []
    for statement, is_there in ((_MAKE, True), (_DROP, False)) * 3:
        operator.write(statement)
        changed_at = loop.time()
        for instance in instances:
            await operator.until(
                instance,
                "phase3/pools",
                lambda told, wanted=is_there: (
                    ("desk-made" in {pool["pool_id"] for pool in told["pools"]}) is wanted
                ),
            )
        took.append(loop.time() - changed_at)

    # A busy machine may delay any one of them.
    assert min(took) < 1 or min(took) < stretch(1)
