"""The table of attacks on work over HTTP, each with its outcome."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.peers.frames import draw_languages
from tests.peers.http import AUDIO, HttpNode, ask
from tests.peers.node import FakeNode
from tests.redis_under_test import OwnRedis
from tests.security.conftest import start_fortress
from tests.security.fortress import DEADLINE_S, Fortress, prefix_of
from tests.server.launcher import Launcher
from tests.waiting import keeps_to

_NODE_PATHS = (
    *("/v1/node/register", "/v1/node/heartbeat", "/v1/node/poll"),
    *("/v1/job/ack", "/v1/job/decline", "/v1/job/done", "/v1/job/fail"),
)
_SPEAKER_PATHS = ("/v1/dispatch/f2f", "/v1/audio")
_NO_JOB = "/v1/job/job-00000000-000000000000"


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def fortress(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    redis_server: OwnRedis,
):
    directory: Path = tmp_path_factory.mktemp(f"work-{request.param}")
    launcher = Launcher(directory=directory)
    # Wrong tokens by the dozen, all from one address.
    yield start_fortress(
        launcher, redis_server, directory, request.param, LINGUA_WRONG_CREDENTIAL_BURST="1000"
    )
    launcher.end()


async def speak(fortress: Fortress, token: str, pair: tuple[str, str], **changes: Any) -> Any:
    message = {"src_lang": pair[0], "tgt_lang": pair[1], "audio": AUDIO} | changes
    return await ask(fortress.instance.address, "/v1/dispatch/f2f", message, token=token)


@pytest.mark.parametrize("path", [*_NODE_PATHS, *_SPEAKER_PATHS])
@pytest.mark.parametrize("token", ["", "lnt_0123456789ab_" + "A" * 43, "'; DROP TABLE"])
async def test_no_token_or_a_wrong_one_is_401(fortress: Fortress, path: str, token: str) -> None:
    reply = await ask(fortress.instance.address, path, {}, token=token)

    assert (reply.status, reply.json["error"]) == (401, "UNAUTHORIZED")
    assert "bearer" in reply.headers["www-authenticate"].lower()


@pytest.mark.parametrize("path", [*_NODE_PATHS, *_SPEAKER_PATHS])
async def test_a_token_for_something_else_is_403(fortress: Fortress, path: str) -> None:
    token = fortress.issue("api" if path in _NODE_PATHS else "node", "other")

    reply = await ask(fortress.instance.address, path, {}, token=token)

    assert (reply.status, reply.json["error"]) == (403, "FORBIDDEN")


@pytest.mark.req("N18")
async def test_another_principals_token_does_nothing_in_a_nodes_name(fortress: Fortress) -> None:
    # Before the node is there: issuing takes a second, and a node that asks nothing is soon gone.
    own, foreign = fortress.issue("node", "own"), fortress.issue("node", "foreign")
    speaker = fortress.issue("api", "speaker")
    pair = draw_languages()
    address = fortress.instance.address
    async with HttpNode(address, token=own) as node, HttpNode(address, token=foreign) as thief:
        assert (await node.register(pair)).status == 200
        told = (await speak(fortress, speaker, pair)).json
        job = await node.job()
        thief.node_id, thief.resume_token = node.node_id, node.resume_token
        replies = [
            await thief.heartbeat(),
            await thief.poll(wait_ms=0),
            await thief.ack(job),
            await thief.done(job),
            await thief.fail(job, "X"),
            await thief.register(pair, node_id=node.node_id),
        ]
        assert {(reply.status, reply.json["error"]) for reply in replies} == {
            (403, "NODE_ID_FORBIDDEN")
        }
        assert (await node.ack(job)).status == 200
        assert (await node.done(job)).status == 200
        found = await ask(address, f"/v1/job/{told['job_id']}", method="GET", token=speaker)
        assert found.json["result"]["text_asr"] == "heard 0"


@pytest.mark.req("N4", "N18")
async def test_a_node_on_a_socket_yields_its_id_over_http_to_its_own_credential_alone(
    fortress: Fortress,
) -> None:
    own, foreign = fortress.issue("node", "own"), fortress.issue("node", "foreign")
    address, pair = fortress.instance.address, draw_languages()
    headers = {"Authorization": f"Bearer {own}"}
    async with (
        FakeNode.connect(fortress.instance.url("/ws/node"), headers=headers) as node,
        HttpNode(address, token=foreign) as thief,
        HttpNode(address, token=own) as same,
    ):
        await node.register(pair)
        await node.make_ready()
        refused = await thief.register(pair, node_id=node.node_id)
        assert (refused.status, refused.json["error"]) == (403, "NODE_ID_FORBIDDEN")
        await node.heartbeat(draining=True)
        await node.next("node_status", status="draining")
        assert (await same.register(pair, node_id=node.node_id)).status == 200
        assert await node.closed() == 4409


@pytest.mark.req("J16")
async def test_another_tenants_job_session_and_audio_are_not_there(fortress: Fortress) -> None:
    own = fortress.issue("api", "hers", "--tenant", "hers")
    foreign = fortress.issue("api", "his", "--tenant", "his")
    colleague = fortress.issue("api", "colleague", "--tenant", "hers")
    address = fortress.instance.address
    pair = draw_languages()
    async with HttpNode(address, token=fortress.issue("node", "nodes")) as node:
        await node.register(pair)
        node.work()
        told = (await speak(fortress, own, pair)).json
        path = f"/v1/job/{told['job_id']}"
        polled = await ask(address, path, method="GET", token=foreign)
        assert (polled.status, polled.json["error"]) == (404, "NO_SUCH_JOB")
        assert polled.text == (await ask(address, _NO_JOB, method="GET", token=foreign)).text
        assert (await ask(address, path, method="GET", token=colleague)).status == 200
        said = await speak(fortress, foreign, pair, session_id=told["session_id"])
        assert (said.status, said.json["error"]) == (404, "INVALID_SESSION")
        named = await speak(fortress, foreign, pair, tenant_id="hers")
        assert (named.status, named.json["error"]) == (403, "FORBIDDEN")
        octets = {"Content-Type": "application/octet-stream"}
        kept = await ask(address, "/v1/audio", raw=b"\1\0" * 99, headers=octets, token=own)
        stolen = await speak(fortress, foreign, pair, audio=None, **kept.json)
        assert (stolen.status, stolen.json["error"]) == (404, "NO_SUCH_AUDIO")


async def test_a_body_of_8_mib_and_a_byte_is_413(fortress: Fortress) -> None:
    token = fortress.issue("api", "speaker")
    octets = {"Content-Type": "application/octet-stream"}
    for announced in (True, False):
        headers = octets if announced else octets | {"Content-Length": str(8 * 2**20 + 1)}
        reply = await ask(
            fortress.instance.address,
            "/v1/audio",
            raw=b"\0" * (8 * 2**20 + 1) if announced else b"",
            headers=headers,
            token=token,
        )
        assert reply.status == 413


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, json.dumps({"a": 1}).encode()],
)
async def test_a_body_that_is_no_message_is_400(fortress: Fortress, body: bytes) -> None:
    token = fortress.issue("api", "speaker")

    reply = await ask(fortress.instance.address, "/v1/dispatch/f2f", raw=body, token=token)

    assert (reply.status, reply.json["error"]) == (400, "INVALID_MESSAGE")


@pytest.mark.req("N18")
async def test_a_revoked_token_ends_a_poll_within_two_seconds(fortress: Fortress) -> None:
    async def revoke() -> float:
        token = fortress.manage("token", "create", "node", "to be revoked")
        async with HttpNode(fortress.instance.address, token=token) as node:
            await node.register(draw_languages())
            await node.next("node_status")
            waiting = asyncio.create_task(node.poll(wait_ms=20_000))
            await asyncio.to_thread(fortress.manage, "token", "revoke", prefix_of(token))
            told_at = time.monotonic()
            ended = await asyncio.wait_for(waiting, DEADLINE_S)
            took_s = time.monotonic() - told_at
            assert (ended.status, ended.json["error"]) == (401, "UNAUTHORIZED")
            assert (await node.poll()).status == 401
        return took_s

    await keeps_to(3, revoke)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory, redis_server: OwnRedis):
    """A server whose shares are soon used up, and hardly filled again while a test runs."""
    directory: Path = tmp_path_factory.mktemp("narrow")
    launcher = Launcher(directory=directory)
    limits = {
        "LINGUA_WORK_REQUEST_BURST": "5",
        "LINGUA_WORK_REQUESTS_PER_SECOND": "0.01",
        "LINGUA_PRINCIPAL_FRAME_BURST": "200",
        "LINGUA_PRINCIPAL_FRAME_RATE_PER_S": "1",
    }
    yield start_fortress(launcher, redis_server, directory, "uvicorn", **limits)
    launcher.end()


async def test_a_flood_of_one_principal_is_429_and_others_are_served(narrow: Fortress) -> None:
    loud, quiet = narrow.issue("api", "loud"), narrow.issue("api", "quiet")
    address = narrow.instance.address
    replies = [await ask(address, _NO_JOB, method="GET", token=loud) for _ in range(6)]
    other = await ask(address, _NO_JOB, method="GET", token=quiet)
    nowhere = [await ask(address, f"/v1/{each}", token=f"lat_{each}") for each in range(6)]

    assert [reply.status for reply in replies] == [404] * 5 + [429]
    assert replies[-1].json["details"]["retry_after_ms"] > 0
    assert "retry-after" in replies[-1].headers
    assert other.status == 404
    assert [reply.status for reply in nowhere] == [404] * 5 + [429]


@pytest.mark.req("ED12")
@pytest.mark.parametrize(("kind", "path"), [("node", "/v1/job/done"), ("api", "/v1/dispatch/f2f")])
async def test_bodies_that_cannot_be_read_count_by_their_bytes(
    narrow: Fortress, kind: str, path: str
) -> None:
    token, other = narrow.issue(kind, f"messy-{kind}"), narrow.issue(kind, f"tidy-{kind}")
    address, long = narrow.instance.address, {"job_id": 1, "audio": 1, "noise": "x" * 500_000}

    replies = [await ask(address, path, long, token=token) for _ in range(3)]
    another = await ask(address, path, long, token=other)

    assert [reply.status for reply in replies] == [400, 429, 429]
    assert replies[-1].json["error"] == "RATE_LIMITED"
    assert int(replies[-1].headers["retry-after"]) >= 1
    assert another.status == 400


@pytest.mark.req("ED12")
async def test_who_shows_no_token_at_all_asks_only_so_often(narrow: Fortress) -> None:
    address = narrow.instance.address
    replies = [await ask(address, "/v1/job/done", {}) for _ in range(6)]

    assert replies[-1].status == 429
