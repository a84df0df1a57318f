"""What is one tenant's, no credential of another reads or resumes."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.peers.http import HttpNode, Reply, ask
from tests.security.fortress import DEADLINE_S, INIT, Fortress, bearer
from tests.waiting import eventually

pytestmark = pytest.mark.req("ED13")

_AUDIO = "AQ" * 800
# Of the addresses described, those that answer for one tenant; all others are for everybody's.
_OF_ONE_TENANT = {
    "/api/v1/jobs",
    "/api/v1/jobs/failed",
    "/api/v1/jobs/history",
    "/api/v1/jobs/{job_id}",
    "/api/v1/jobs/{job_id}/why",
    "/api/v1/jobs/{job_id}/why-not/{node_id}",
    "/api/v1/rooms",
    "/api/v1/sessions",
    "/api/v1/sessions/{session_id}",
}


@pytest.fixture(scope="module")
def fortress(uvicorn_fortress: Fortress) -> Fortress:
    """One server: whose a thing is stands behind both kinds, before any of their differences."""
    return uvicorn_fortress


async def _ask(socket: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    await socket.send(json.dumps(message))
    answer: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), DEADLINE_S))
    return answer


@asynccontextmanager
async def _speak_as(fortress: Fortress, token: str) -> AsyncIterator[ClientConnection]:
    async with connect(fortress.url("/ws/session"), additional_headers=bearer(token)) as socket:
        yield socket


@pytest.fixture
def acme(fortress: Fortress) -> str:
    return fortress.issue("api", "acme", "--tenant", "acme")


@pytest.fixture
def globex(fortress: Fortress) -> str:
    return fortress.issue("api", "globex", "--tenant", "globex")


async def test_a_resume_token_is_worth_nothing_to_another_tenant(
    fortress: Fortress, acme: str, globex: str
) -> None:
    async with _speak_as(fortress, acme) as owner, _speak_as(fortress, globex) as thief:
        opened = await _ask(owner, {**INIT, "resume_token": ""})
        stolen = await _ask(thief, {**INIT, "resume_token": opened["resume_token"]})
        beat = {"type": "client_heartbeat", "session_id": opened["session_id"], "timestamp": 1}
        answered = await _ask(owner, beat)

    assert not stolen.get("resumed")
    assert stolen["session_id"] != opened["session_id"]
    assert answered["type"] == "server_heartbeat", "the owner notices nothing"


async def test_nor_to_a_principal_without_a_tenant(fortress: Fortress, acme: str) -> None:
    nobodys = fortress.issue("api", "of no tenant")
    others = fortress.issue("api", "another of no tenant")
    for owner_token, thief_token in ((acme, nobodys), (nobodys, acme), (nobodys, others)):
        async with _speak_as(fortress, owner_token) as owner:
            opened = await _ask(owner, {**INIT, "resume_token": ""})
        async with _speak_as(fortress, thief_token) as thief:
            stolen = await _ask(thief, {**INIT, "resume_token": opened["resume_token"]})

        assert stolen["session_id"] != opened["session_id"]


async def test_a_session_goes_on_for_its_principal_and_for_others_of_its_tenant(
    fortress: Fortress, acme: str
) -> None:
    colleague = fortress.issue("api", "colleague", "--tenant", "acme")
    async with _speak_as(fortress, acme) as socket:
        opened = await _ask(socket, {**INIT, "resume_token": ""})
    for token in (acme, colleague, acme):
        async with _speak_as(fortress, token) as socket:
            resumed = await _ask(socket, {**INIT, "resume_token": opened["resume_token"]})

        assert resumed["resumed"]
        assert resumed["session_id"] == opened["session_id"]


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """What another tenant has: an open session, and a job that is over."""

    session_id: str
    job_id: str

    def is_in(self, text: str) -> bool:
        return any(word in text for word in (self.session_id, self.job_id, "globex"))


async def _read(fortress: Fortress, path: str, token: str) -> Reply:
    return await ask(fortress.instance.address, path, method="GET", token=token)


@pytest.fixture
async def foreign(fortress: Fortress, globex: str) -> AsyncIterator[Foreign]:
    """A session of globex, and a job of its that the history has, too."""
    all_seeing = fortress.issue("api", "desk", "--scope", "read")
    node_token = fortress.issue("node", "nodes")
    async with (
        HttpNode(fortress.instance.address, token=node_token) as node,
        _speak_as(fortress, globex) as socket,
    ):
        await node.register(("en", "es"))
        node.work()
        opened = await _ask(socket, INIT)
        said = {
            "type": "utterance",
            "session_id": opened["session_id"],
            "utterance_index": 0,
            "manual_cut": True,
            "src_lang": "en",
            "tgt_lang": "es",
            "audio": _AUDIO,
            "audio_format": "pcm16",
            "sample_rate": 16000,
        }
        await socket.send(json.dumps(said))

        async def find() -> list[dict[str, Any]]:
            kept = await _read(fortress, "/api/v1/jobs/history?tenant_id=globex", all_seeing)
            listed = await _read(fortress, "/api/v1/sessions?tenant_id=globex", all_seeing)
            is_listed = opened["session_id"] in listed.text
            found: list[dict[str, Any]] = kept.json["results"] if is_listed else []
            return found

        kept = await eventually(find, "its job is not in the history", within_s=60)
        yield Foreign(session_id=opened["session_id"], job_id=kept[0]["job_id"])


async def test_no_address_of_the_api_shows_a_tenant_what_is_anothers(
    fortress: Fortress, foreign: Foreign
) -> None:
    bound = fortress.issue("api", "acme's desk", "--tenant", "acme", "--scope", "admin")
    all_seeing = fortress.issue("api", "desk", "--scope", "read")
    described = (await _read(fortress, "/api/schema?format=json", all_seeing)).json
    reads = [path for path, item in described["paths"].items() if "get" in item]
    reads = [path for path in reads if path.startswith("/api/")]
    known = {"job_id": foreign.job_id, "session_id": foreign.session_id, "node_id": "n"}
    shown, statuses = {}, {}
    for path in (*reads, "/metrics", "/api/schema"):
        named = path.format_map({**dict.fromkeys(("pool_id", "letter_id", "id"), "x"), **known})
        for query in ("", "?tenant_id=globex", f"?session_id={foreign.session_id}"):
            reply = await _read(fortress, named + query, bound)
            statuses[path] = reply.status
            if foreign.is_in(reply.text.replace(named, "")):
                shown[named + query] = reply.text

    assert shown == {}
    assert len(reads) > 15
    refused = {path for path, status in statuses.items() if status == 403}
    assert refused == set(statuses) - _OF_ONE_TENANT


async def test_a_tenant_reads_what_is_its_own(fortress: Fortress, acme: str) -> None:
    bound = fortress.issue("api", "acme's desk", "--tenant", "acme", "--scope", "admin")
    async with _speak_as(fortress, acme) as socket:
        session_id = (await _ask(socket, INIT))["session_id"]

        async def is_listed() -> bool:
            return session_id in (await _read(fortress, "/api/v1/sessions", bound)).text

        await eventually(is_listed)
        one = await _read(fortress, f"/api/v1/sessions/{session_id}", bound)

    assert one.status == 200


@pytest.mark.req("RE10")
async def test_of_a_room_a_tenant_sees_its_own_members(
    fortress: Fortress, acme: str, globex: str
) -> None:
    desks = {
        name: fortress.issue("api", f"{name}'s desk", "--tenant", name, "--scope", "read")
        for name in ("acme", "globex", "initech")
    }
    create = {"type": "room_create", "client_ts": 1}
    async with _speak_as(fortress, acme) as host, _speak_as(fortress, globex) as guest:
        own = {"acme": (await _ask(host, INIT))["session_id"]}
        code = (await _ask(host, create))["room_code"]
        own["globex"] = (await _ask(guest, INIT))["session_id"]
        await _ask(guest, {"type": "room_join", "client_ts": 1, "room_code": code})

        async def look(desk: str) -> dict[str, Any]:
            rooms = (await _read(fortress, "/api/v1/rooms", desks[desk])).json["results"]
            found: dict[str, Any] = {room["room_code"]: room for room in rooms}.get(code, {})
            return found

        rooms = {}
        for name in own:
            rooms[name] = await eventually(functools.partial(look, name), "it sees no room")
        assert await look("initech") == {}

    for name, room in rooms.items():
        assert [member["session_id"] for member in room["members"]] == [own[name]]
    assert rooms["acme"]["host_id"] == own["acme"]
    assert rooms["globex"]["host_id"] == ""


async def test_a_tenant_acts_on_nothing_that_serves_others(fortress: Fortress) -> None:
    bound = fortress.issue("api", "acme's desk", "--tenant", "acme", "--scope", "admin")
    for path in ("nodes/n/drain", "dlq/purge", "admin/pools/rebuild", "dlq/process:a/1-0/replay"):
        reply = await ask(fortress.instance.address, f"/api/v1/{path}", token=bound)

        assert reply.status == 403, path
