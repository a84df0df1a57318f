"""The API of nodes and pools on a real server with real nodes."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.databases import Database
from tests.e2e.servers import Lingua
from tests.operators.conftest import Api
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually, keeps_to

_DEADLINE_S = 60
_MAKE = (
    "INSERT INTO operators_ownedpool (pool_id, name, kind, required, languages, nodes)"
    " VALUES ('desk-made', '', 'capability', '[\"tone\"]', '[]', '[]')"
)
# The pool asks for a service that jobs of this file do not: its tenant's jobs are refused.
_SEND = (
    "INSERT INTO operators_tenantpolicy (tenant_id, max_jobs, jobs_per_s, burst, min_slots, weight,"
    " pool_id) SELECT 'test', 0, 0, 1, 0, 1, id FROM operators_ownedpool WHERE pool_id='desk-made'"
)
_FREE = "DELETE FROM operators_tenantpolicy WHERE tenant_id = 'test'"
_DROP = "DELETE FROM operators_ownedpool WHERE pool_id = 'desk-made'"
# What the instance says of itself all the time, whoever asks it.
_SIGNS_OF_LIFE = ("{poolcfg}:leader", "{instances}:seen", ":figures")
# When each node was last heard; which nodes there are stands there, too.
_SEEN = "{nodes}:last_seen"
_TRIES = 5
# Timers of nodes: of one that lives they move, of those that left before they run out.
_OF_NODES = ("silent|", "gone|")
_COMMANDS = ("drain", "resume", "cordon", "disconnect")


@pytest.fixture
def act(lingua: Lingua, token: str) -> Callable[..., Any]:
    """Post to a path; return the status and what was answered."""

    def post(path: str, headers: dict[str, str]) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"http://{lingua.instance.address}{path}", method="POST", headers=headers, data=b""
        )
        try:
            with urllib.request.urlopen(request, timeout=_DEADLINE_S) as answer:  # noqa: S310 - ours
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    async def ask(path: str, *, shown: str = token) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {shown}"} if shown else {}
        return await asyncio.to_thread(post, path, headers)

    return ask


def read_whole(lingua: Lingua) -> dict[str, object]:
    """Return everything under the server's prefix, lists and sets too."""
    keys = list(lingua.redis.scan_iter(f"{lingua.prefix}:v2:*", count=1000))
    told = lingua.dump()
    for key in keys:
        name = key.removeprefix(f"{lingua.prefix}:v2:")
        match lingua.redis.type(key):
            case "list":
                told[name] = lingua.redis.lrange(key, 0, -1)
            case "set":
                told[name] = lingua.redis.smembers(key)
            case _:
                told.setdefault(name, None)
    return told


def find_pool(told: dict[str, Any], languages: tuple[str, str]) -> dict[str, Any] | None:
    wanted = "-".join(sorted(languages))
    return next((pool for pool in told["pools"] if pool["pool_name"] == wanted), None)


async def await_pool(api: Api, languages: tuple[str, str], *, nodes: int = 1) -> dict[str, Any]:
    def has_member(told: dict[str, Any]) -> bool:
        pool = find_pool(told, languages)
        return pool is not None and pool["total_nodes"] == nodes

    pool = find_pool(await api.until("/api/v1/phase3/pools", has_member), languages)
    assert pool is not None
    return pool


def simulate(languages: tuple[str, str], more: str = "") -> str:
    src, tgt = languages
    return (
        f"/api/v1/phase3/simulate?routing_key=test&src_lang={src}&tgt_lang={tgt}"
        f"&required=asr&required=NMT,tts{more}"
    )


@pytest.mark.req("P14")
async def test_pools_show_what_is_installed_and_what_is_ready(lingua: Lingua, api: Api) -> None:
    languages = draw_languages()
    async with FakeNode.open(lingua.url("/ws/node"), languages) as node:
        pool = await await_pool(api, languages)
        told = await api.json("/api/v1/phase3/pools")
        one = await api.json(f"/api/v1/admin/pools/{pool['pool_id']}")
        old = await api.json(f"/api/admin/pools/{pool['pool_id']}")

    assert pool["sample_node_ids"] == [node.node_id]
    assert pool["core_services_installed"] == {"asr": 1, "nmt": 1, "tts": 1}
    assert pool["core_services_ready"] == {"asr": 1, "nmt": 1, "tts": 1}
    assert one["node_ids"] == old["node_ids"] == [node.node_id]
    assert told["config"]["mode"] == "two_level"
    assert told["config"]["auto_pool_config"]["max_pools"] == 50
    assert (await api.text("/api/v1/admin/pools/p-none"))[0] == 404


def list_jobs_with_timers(told: dict[str, Any]) -> list[str]:
    """Return what anybody must look at because of a job; a key may go while all are read."""
    timers = [timers for key, timers in told.items() if key.endswith(":timers")]
    return [entity for few in timers for entity in few or () if not entity.startswith(_OF_NODES)]


def list_seen(told: dict[str, Any]) -> set[str]:
    """Return the nodes of which it is known when they were last heard."""
    return {node_id for key, seen in told.items() if key.endswith(_SEEN) for node_id in seen or ()}


@pytest.mark.req("P15")
async def test_a_hundred_dry_runs_change_nothing_in_redis(lingua: Lingua, api: Api) -> None:
    languages = draw_languages()
    async with FakeNode.open(lingua.url("/ws/node"), languages) as node:
        pool = await await_pool(api, languages)
        # Jobs of others that still have timers would end meanwhile.
        await eventually(
            lambda: asyncio.to_thread(read_whole, lingua),
            "jobs of others do not end",
            fits=lambda told: not list_jobs_with_timers(told),
            within_s=_DEADLINE_S,
        )
        before = read_whole(lingua)
        answers = [await api.json(simulate(languages)) for _ in range(100)]
        after = read_whole(lingua)

    assert {answer["selected_node_id"] for answer in answers} == {node.node_id}
    assert {answer["debug"]["selected_pool"] for answer in answers} == {pool["pool_id"]}
    assert answers[0]["required"] == ["asr", "nmt", "tts"]
    assert answers[0]["debug"]["attempts"] == [[pool["pool_id"], "ok", 1]]
    # A node may be heard meanwhile.
    quiet = (*_SIGNS_OF_LIFE, ":timers", _SEEN)
    keys = {key for key in before.keys() | after.keys() if not key.endswith(quiet)}
    assert {key: after.get(key) for key in keys} == {key: before.get(key) for key in keys}
    assert list_seen(after) == list_seen(before) >= {node.node_id}
    assert list_jobs_with_timers(after) == []


@pytest.mark.req("P15")
async def test_a_dry_run_leaves_out_a_node_while_there_is_another(lingua: Lingua, api: Api) -> None:
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as one,
        FakeNode.open(lingua.url("/ws/node"), languages) as other,
    ):
        await await_pool(api, languages, nodes=2)
        told = await api.json(simulate(languages, f"&exclude_node_id={one.node_id}"))

    assert told["selected_node_id"] == other.node_id
    seen = {row["node_id"]: row["passed_over"] for row in told["looked_at"]}
    assert seen == {one.node_id: "excluded", other.node_id: None}
    assert told["breakdown"]["excluded"] == 1


@pytest.mark.req("P15")
async def test_a_dry_run_names_a_service_that_is_not_known(api: Api) -> None:
    status, told = await api.text(simulate(("en", "de"), "&required=magic"))

    assert status == 400
    assert "no service is called magic" in told


@pytest.mark.req("P11", "P14")
async def test_a_pool_that_operators_make_is_in_force_within_a_second(
    lingua: Lingua, api: Api
) -> None:
    database = Database(lingua.instance.notes_file.parent / "var")
    loop = asyncio.get_running_loop()

    def has(told: dict[str, Any]) -> bool:
        return "desk-made" in {pool["pool_id"] for pool in told["pools"]}

    async def change(statement: str, holds: Callable[[dict[str, Any]], bool]) -> float:
        database.change(statement)
        changed_at = loop.time()
        await api.until("/api/v1/phase3/pools", holds)
        return loop.time() - changed_at

    async def make_and_drop() -> float:
        return max(await change(_MAKE, has), await change(_DROP, lambda told: not has(told)))

    await keeps_to(1, make_and_drop)


@pytest.mark.req("P15")
async def test_a_dry_run_goes_where_the_tenant_behind_the_key_is_sent(
    lingua: Lingua, api: Api
) -> None:
    database = Database(lingua.instance.notes_file.parent / "var")
    languages = draw_languages()

    def change(*statements: str) -> None:
        for statement in statements:
            database.change(statement)

    def is_refused(told: dict[str, Any]) -> bool:
        return bool(told["refused"] == "tenant_pool_unavailable")

    async with FakeNode.open(lingua.url("/ws/node"), languages) as node:
        await await_pool(api, languages)
        path = simulate(languages)
        assert (await api.json(path))["selected_node_id"] == node.node_id
        change(_MAKE, _SEND)
        told = await api.until(path, is_refused)
        by_name = await api.json(path.replace("routing_key", "tenant_id"))
        other = await api.json(path.replace("routing_key=test", "routing_key=other"))
        change(_FREE, _DROP)

    assert told["selected_node_id"] is by_name["selected_node_id"] is None
    assert told["refused"] == by_name["refused"]
    assert other["selected_node_id"] == node.node_id


@pytest.mark.req("ED3", "P15")
async def test_a_dry_run_names_what_is_no_language(api: Api) -> None:
    status, told = await api.text(simulate(("english", "de")))

    assert status == 400
    assert "'english' is no language tag" in told


@pytest.mark.req("P16")
@pytest.mark.parametrize("root", ["/api/v1/admin", "/api/admin"])
async def test_a_rebuild_makes_one_version(root: str, act: Callable[..., Any], api: Api) -> None:
    made = []
    while 1 not in made and len(made) < _TRIES:  # pools of other tests' nodes end meanwhile
        before = (await api.json(f"{root}/pools"))["version"]
        status, told = await act(f"{root}/pools/rebuild")
        assert status == 200
        made.append(told["version"] - before)
    assert 1 in made


@pytest.mark.req("N6")
@pytest.mark.parametrize(("command", "status"), [("drain", "Draining"), ("cordon", "Cordoned")])
async def test_a_drained_node_gets_nothing_until_it_is_resumed(
    command: str, status: str, lingua: Lingua, api: Api, act: Callable[..., Any]
) -> None:
    languages = draw_languages()
    async with FakeNode.open(lingua.url("/ws/node"), languages) as node:
        await await_pool(api, languages)
        path = f"/api/v1/nodes/{node.node_id}"
        assert (await api.json(path))["status"] == "Ready"

        assert await act(f"{path}/{command}") == (
            200,
            {"node_id": node.node_id, "action": command},
        )
        drained = await api.json(path)
        dry = await api.json(simulate(languages))
        grid = await api.json("/api/v1/coverage")
        await act(f"{path}/resume")
        resumed = await api.json(path)

    assert (drained["status"], drained["draining"]) == (status, True)
    assert drained["pools"]
    assert dry["looked_at"][0]["passed_over"] == "status_not_ready"
    rows = {(row["src"], row["tgt"]): row for row in grid["pairs"]}
    assert rows[languages]["ready_nodes"] == 0
    assert resumed["status"] == "Ready"


@pytest.mark.req("ED8")
async def test_a_disconnected_node_is_shown_offline(
    lingua: Lingua, api: Api, act: Callable[..., Any]
) -> None:
    async with FakeNode.open(lingua.url("/ws/node"), draw_languages()) as node:
        status, _ = await act(f"/api/v1/nodes/{node.node_id}/disconnect")
        assert status == 200
        await api.until(
            "/api/v1/nodes",
            lambda told: (
                (node.node_id, False) in {(row["node_id"], row["online"]) for row in told["nodes"]}
            ),
        )
    assert (await api.json(f"/api/v1/nodes/{node.node_id}"))["status"] == "Offline"
    assert (await act(f"/api/v1/nodes/{node.node_id}/drain"))[0] in {200, 404}
    assert (await act("/api/v1/nodes/node-nobody/drain"))[0] == 404


@pytest.mark.req("ED8")
async def test_a_node_that_was_drained_before_it_left_counts_as_left(
    lingua: Lingua, api: Api, act: Callable[..., Any]
) -> None:
    left = 'scheduler_nodes_total{status="left"}'
    before = (await api.samples())[left]
    async with FakeNode.open(lingua.url("/ws/node"), draw_languages()) as node:
        status, _ = await act(f"/api/v1/nodes/{node.node_id}/drain")
    assert status == 200

    await eventually(
        api.samples,
        "a node that was drained is lost",
        # Those of other tests may be counted late.
        fits=lambda samples: samples[left] > before,
        within_s=60,
    )
    assert (await api.json(f"/api/v1/nodes/{node.node_id}"))["status"] == "Offline"


@pytest.mark.parametrize("command", _COMMANDS)
async def test_strangers_command_nothing(command: str, act: Callable[..., Any]) -> None:
    assert (await act(f"/api/v1/nodes/node-1/{command}", shown=""))[0] == 401


@pytest.mark.req("O13")
async def test_a_job_says_why_it_was_refused(
    lingua: Lingua, api: Api, act: Callable[..., Any]
) -> None:
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        await await_pool(api, languages)
        await act(f"/api/v1/nodes/{node.node_id}/drain")
        await speaker.say(0)
        ended = await api.until(
            f"/api/v1/jobs?session_id={speaker.session_id}",
            lambda told: told["results"],
        )
        job_id = ended["results"][0]["job_id"]
        why = await api.json(f"/api/v1/jobs/{job_id}/why")
        why_not = await api.json(f"/api/v1/jobs/{job_id}/why-not/{node.node_id}")
        stranger = await api.json(f"/api/v1/jobs/{job_id}/why-not/node-nobody")

    assert why["state"] in {"FAILED", "RELEASED"}
    [seen] = why["decisions"][0]["looked_at"]
    assert (seen["node_id"], seen["passed_over"]) == (node.node_id, "status_not_ready")
    assert (await api.text("/api/v1/jobs/job-nothing/why"))[0] == 404
    assert why_not["now"] == "status_not_ready"
    assert why_not["then"][0] == "status_not_ready"
    assert why_not["answers"] == []
    assert len(why_not["pools"]) > 0
    assert stranger["now"] == "unknown"
    assert (await api.text("/api/v1/jobs/job-nothing/why-not/node-1"))[0] == 404
