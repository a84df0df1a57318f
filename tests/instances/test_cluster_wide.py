"""Statistics, sessions and dead letters are the same whichever instance is asked."""

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest

from tests.instances.lost_messages import lose_a_message
from tests.instances.servers import MORTAL, Cluster, kill
from tests.manage import issue_api_token
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.redis_under_test import OwnRedis
from tests.server.launcher import Instance
from tests.waiting import eventually

_DEADLINE_S = 60
_QUICK = {"LINGUA_STATS_INTERVAL_S": "0.2", **MORTAL}


class Operator:
    """Asks one instance's API, as who has a token that may operate."""

    def __init__(self, instance: Instance) -> None:
        self._address = instance.address
        self._var = instance.notes_file.parent / "var"
        self._token = ""

    def sign_in(self) -> None:
        """Issue a token by the command, on the instance's own database."""
        self._token = issue_api_token(var=self._var)

    async def ask(self, path: str, *, method: str = "GET", body: bytes = b"") -> tuple[int, Any]:
        return await asyncio.to_thread(self._ask, path, method, body)

    async def get(self, path: str) -> Any:
        status, told = await self.ask(path)
        assert status == 200, told
        return told

    async def until(self, path: str, fits: Any) -> Any:
        """Ask until the answer fits: figures are gathered in the background."""
        return await eventually(
            lambda: self.get(path), f"{path} still says", fits=fits, within_s=_DEADLINE_S
        )

    def _ask(self, path: str, method: str, body: bytes) -> tuple[int, Any]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(
            f"http://{self._address}{path}", headers=headers, method=method, data=body or None
        )
        try:
            with urllib.request.urlopen(request, timeout=_DEADLINE_S) as answer:  # noqa: S310 - ours
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


def _start(cluster: Cluster, *, count: int) -> list[Instance]:
    return [cluster.start(**_QUICK) for _ in range(count)]


@pytest.mark.req("D4", "D6", "I-61", "X11")
async def test_every_instance_counts_the_sessions_and_nodes_of_all(
    cluster: Cluster,
) -> None:
    one, two = _start(cluster, count=2)
    operators = [Operator(instance) for instance in (one, two)]
    first, second = draw_languages(), draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(one.url("/ws/session")) as here,
        Speaker.connect(two.url("/ws/session")) as there,
    ):
        await node.register(first)
        await here.init(first)
        await there.init(second)
        for operator in operators:
            stats = await operator.until(
                "/api/v1/stats", lambda told: told["web_clients"]["active_users"] == 2
            )
            usage = stats["web_clients"]["language_usage"]
            assert usage[first[0]] == {"as_source": 1, "as_target": 0, "total": 1}
            assert usage[second[1]] == {"as_source": 0, "as_target": 1, "total": 1}
            told = await operator.until(
                "/api/v1/cluster",
                lambda told: (
                    sorted((row["nodes_owned"], row["sessions_owned"]) for row in told["instances"])
                    == [(0, 1), (1, 1)]
                ),
            )
            assert (told["total_instances"], told["total_sessions"]) == (2, 2)
            assert told["total_nodes"] == 1
            assert {row["pid"] for row in told["instances"]} == {one.process.pid, two.process.pid}
        kill(two)
        told = await operators[0].until(
            "/api/v1/cluster", lambda told: told["total_instances"] == 1
        )
        assert told["total_sessions"] == 1


@pytest.mark.req("D4")
async def test_sessions_of_all_instances_are_listed_filtered_and_paged(
    cluster: Cluster,
) -> None:
    one, two = _start(cluster, count=2)
    operator = Operator(one)
    first, second = draw_languages(), draw_languages()
    async with (
        Speaker.connect(one.url("/ws/session")) as here,
        Speaker.connect(two.url("/ws/session")) as there,
    ):
        await here.init(first)
        await there.init(second)
        listed = await operator.until("/api/v1/sessions", lambda told: told["count"] == 2)
        rows = {row["session_id"]: row for row in listed["results"]}
        assert set(rows) == {here.session_id, there.session_id}
        assert rows[there.session_id]["languages"] == [{"src": second[0], "tgt": second[1]}]

        filtered = await operator.get(f"/api/v1/sessions?language={second[0]}")
        assert [row["session_id"] for row in filtered["results"]] == [there.session_id]
        page = await operator.get("/api/v1/sessions?limit=1&offset=1")
        assert page["results"] == listed["results"][1:]
        owner = rows[there.session_id]["instance_id"]
        alone = await operator.get(f"/api/v1/sessions?instance_id={owner}")
        assert [row["session_id"] for row in alone["results"]] == [there.session_id]

        detail = await operator.get(f"/api/v1/sessions/{there.session_id}")
        assert detail["instance_id"] == owner
        assert detail["profile"]["src_lang"] == second[0]
        assert "token" not in json.dumps(detail)
    await operator.until("/api/v1/sessions", lambda told: told["count"] == 0)
    status, told = await operator.ask("/api/v1/sessions/s-00000000")
    assert (status, told["error"]) == (404, "NO_SUCH_SESSION")


@pytest.mark.req("D4")
async def test_the_list_of_sessions_is_whole_again_after_redis_lost_it(
    cluster: Cluster,
) -> None:
    [one] = _start(cluster, count=1)
    operator = Operator(one)
    async with Speaker.connect(one.url("/ws/session")) as speaker:
        await speaker.init(draw_languages())
        await operator.until("/api/v1/sessions", lambda told: told["count"] == 1)
        cluster.redis.flushall()
        await operator.until("/api/v1/sessions", lambda told: told["count"] == 1)


@pytest.mark.req("D1")
async def test_statistics_stay_fresh_while_redis_does_not_answer(
    cluster: Cluster, own_redis: OwnRedis
) -> None:
    [one] = _start(cluster, count=1)
    operator = Operator(one)
    before = (await operator.get("/api/v1/metrics"))["stats"]["snapshot_updated_at_ms"]
    own_redis.stop()

    await operator.until(
        "/api/v1/metrics",
        lambda told: told["stats"]["snapshot_updated_at_ms"] > before + 1_000,
    )


@pytest.mark.req("T7", "D6")
async def test_an_operator_lists_replays_and_purges_dead_letters(
    cluster: Cluster, redis_url: str
) -> None:
    [one] = _start(cluster, count=1)
    operator = Operator(one)
    await lose_a_message(redis_url, prefix="i:asgi")

    [dead_letter] = (await operator.get("/api/v1/dlq?reason=process_gone"))["results"]
    assert (await operator.get("/api/v1/dlq?reason=undecodable"))["results"] == []
    path = f"/api/v1/dlq/{urllib.parse.quote(dead_letter['letter_id'])}"
    assert await operator.get(path) == dead_letter
    assert dead_letter["fields"] == {"job_id": "j"}
    await operator.until("/api/v1/cluster", lambda told: told["total_dlq"] == 1)
    strangers = [await operator.ask(f"{path}/{act}", method="POST") for act in ("replay", "purge")]
    assert [status for status, _ in strangers] == [401, 401]

    await asyncio.to_thread(operator.sign_in)
    status, replayed = await operator.ask(f"{path}/replay", method="POST")
    assert (status, replayed["outcome"]) == (200, "refused")
    for body in (b"{", b"[1]", b"\xff", b"7"):
        assert (await operator.ask("/api/v1/dlq/purge", method="POST", body=body))[0] == 400, body
    dry = await operator.ask("/api/v1/dlq/purge", method="POST", body=b'{"dry_run": true}')
    assert dry == (200, {"removed": 1})
    assert await operator.ask(f"{path}/purge?dry_run=true", method="POST") == (200, {"removed": 1})
    assert await operator.ask(f"{path}/purge", method="POST") == (200, {"removed": 1})
    assert (await operator.ask(f"{path}/purge", method="POST"))[0] == 404
    assert (await operator.ask(path))[0] == 404
    assert (await operator.ask("/api/v1/dlq/nonsense/replay", method="POST"))[0] == 404
    assert await operator.ask("/api/v1/dlq/purge", method="POST") == (200, {"removed": 0})
