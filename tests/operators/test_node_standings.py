"""Operators see the standing of nodes, quarantine them and absolve them; all is audited."""

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.e2e.servers import Lingua
from tests.manage import issue_api_token
from tests.operators.conftest import Api
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode, WorkingNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

GOOD = {"state": "good", "reason": "", "since_ms": 0, "ends_at_ms": 0}
_DEADLINE_S = 60
_TEN_MINUTES_MS = 600_000


@pytest.fixture(scope="module")
def token(lingua: Lingua) -> str:
    return issue_api_token(var=lingua.instance.notes_file.parent / "var", scope="admin")


@pytest.fixture
def order(lingua: Lingua, token: str) -> Any:
    """Give a node a command by the API; return the status."""

    def post(node_id: str, action: str) -> int:
        url = f"http://{lingua.instance.address}/api/v1/nodes/{node_id}/{action}"
        headers = {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(url, method="POST", headers=headers, data=b"")
        try:
            with urllib.request.urlopen(request, timeout=_DEADLINE_S) as answer:  # noqa: S310 - ours
                json.loads(answer.read())
                status: int = answer.status
                return status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    async def ask(node: FakeNode | str, action: str) -> int:
        node_id = node if isinstance(node, str) else node.node_id
        return await asyncio.to_thread(post, node_id, action)

    return ask


async def find_standing(api: Api, node: FakeNode) -> dict[str, Any]:
    standing: dict[str, Any] = (await api.json(f"/api/v1/nodes/{node.node_id}"))["standing"]
    return standing


@pytest.mark.req("ND15")
async def test_a_node_in_quarantine_gets_no_job_until_it_is_absolved(
    lingua: Lingua, api: Api, order: Any
) -> None:
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        WorkingNode.connect(lingua.url("/ws/node")) as other,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        other.works = True
        await other.register(languages)
        assert await find_standing(api, node) == GOOD

        assert await order(node, "quarantine") == 200
        shown = await find_standing(api, node)
        for index in range(6):
            await speaker.say(index)
            await speaker.result(index)
        job_id = speaker.told("translation_result")[-1]["job_id"]
        why = await api.json(f"/api/v1/jobs/{job_id}/why")
        why_not = await api.json(f"/api/v1/jobs/{job_id}/why-not/{node.node_id}")
        assert await order(node, "absolve") == 200
        absolved = await find_standing(api, node)

        assert (shown["state"], shown["reason"]) == ("quarantine", "operator")
        assert shown["ends_at_ms"] - shown["since_ms"] == _TEN_MINUTES_MS
        assert not node.told("job_assign")
        seen = {row["node_id"]: row["passed_over"] for row in why["decisions"][0]["looked_at"]}
        assert seen == {node.node_id: "quarantined", other.node_id: None}
        assert why["standings"] == [{"node_id": node.node_id, **shown}]
        assert (why_not["now"], why_not["then"]) == ("quarantined", ["quarantined"])
        assert absolved == GOOD


@pytest.mark.req("ND15", "ND1")
async def test_the_only_node_serves_in_quarantine_too(lingua: Lingua, api: Api, order: Any) -> None:
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        await order(node, "quarantine")
        await speaker.say(0)
        await node.finish(await node.job())

        await speaker.result(0)
        assert (await find_standing(api, node))["state"] == "quarantine"


@pytest.mark.req("ND15")
async def test_every_change_of_a_standing_is_audited_and_counted(
    lingua: Lingua, api: Api, order: Any, token: str
) -> None:
    async with FakeNode.open(lingua.url("/ws/node"), draw_languages()) as node:
        for action in ("quarantine", "absolve", "absolve"):
            assert await order(node, action) == 200

        async def read() -> list[dict[str, Any]]:
            _, text = await api.text(
                f"/api/v1/audit?target={node.node_id}&actor=scheduler", token=token
            )
            told: list[dict[str, Any]] = json.loads(text)["results"]
            return told

        async with asyncio.timeout(_DEADLINE_S):
            while len(entries := await read()) < 2:
                pass
        samples = await api.samples()

    assert [entry["action"] for entry in entries] == [
        "node.standing.good",
        "node.standing.quarantine",
    ]
    assert entries[1]["detail"]["reason"] == "operator"
    name = 'scheduler_node_state_changes_total{before="good",state="quarantine"}'
    assert samples[name] >= 1


@pytest.mark.req("ND15")
@pytest.mark.parametrize("action", ["quarantine", "absolve"])
async def test_a_node_that_nobody_knows_is_not_judged(order: Any, action: str) -> None:
    assert await order("node-nobody", action) == 404


@pytest.mark.req("ND15", "ND1")
async def test_where_all_nodes_are_in_quarantine_they_serve_and_operators_are_told(
    lingua: Lingua, api: Api, order: Any
) -> None:
    languages = draw_languages()
    before = await api.samples()
    async with (
        WorkingNode.connect(lingua.url("/ws/node")) as one,
        WorkingNode.connect(lingua.url("/ws/node")) as other,
        WorkingNode.connect(lingua.url("/ws/node")) as third,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        nodes = (one, other, third)
        for node in nodes:
            node.works = True
            await node.register(languages)
            assert await order(node, "quarantine") == 200

        def covers(grid: Any) -> bool:
            rows = [row for row in grid["pairs"] if {row["src"], row["tgt"]} == set(languages)]
            return [row["held_back_nodes"] for row in rows] == [3, 3]

        await api.until("/api/v1/coverage", covers)
        for index in range(6):
            await speaker.say(index)
            await speaker.result(index)

        samples = await eventually(
            api.samples, fits=lambda found: found["scheduler_pools_held_back"] >= 1
        )
        states = [(await find_standing(api, node))["state"] for node in nodes]

    assert states == ["quarantine"] * 3
    assert samples['scheduler_node_standings{state="quarantine"}'] >= 3
    forced = "scheduler_forced_placements_total"
    assert samples[forced] - before[forced] >= 6


@pytest.mark.req("ND1", "G5")
@pytest.mark.parametrize("comes_back", ["by a heartbeat", "on another socket"])
async def test_a_node_that_redis_lost_is_in_quarantine_still(
    lingua: Lingua, api: Api, order: Any, comes_back: str
) -> None:
    pair = draw_languages()
    async with FakeNode.open(lingua.url("/ws/node"), pair) as node:
        await order(node, "quarantine")
        if comes_back == "by a heartbeat":
            _lose(lingua, node)
            await node.heartbeat()
            await _until_known(lingua, node)
            kept = await find_standing(api, node)
    if comes_back == "on another socket":
        await eventually(lambda: lingua.node(node.node_id)["status"] == "offline", "it is online")
        _lose(lingua, node)
        async with FakeNode.open(lingua.url("/ws/node"), pair, node_id=node.node_id) as again:
            kept = await find_standing(api, again)

    assert (kept["state"], kept["reason"]) == ("quarantine", "operator")
    assert kept["ends_at_ms"] - kept["since_ms"] == _TEN_MINUTES_MS


def _lose(lingua: Lingua, node: FakeNode) -> None:
    """Let Redis lose all it knows of a node."""
    lingua.redis.delete(*lingua.redis.keys(f"{lingua.prefix}:v2:{{node:{node.node_id}}}:*"))
    assert not lingua.node(node.node_id)


async def _until_known(lingua: Lingua, node: FakeNode) -> None:
    await eventually(lambda: "standing" in lingua.node(node.node_id), "it is not written back")
