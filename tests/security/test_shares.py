"""Whatever one principal takes, others have their part: on real servers, over real sockets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets
from streams_testing.listening import listening
from websockets.asyncio.client import ClientConnection, connect

from tests.http_api.hook_receiver import HookReceiver
from tests.peers.frames import draw_languages
from tests.peers.http import AUDIO, HttpNode, Reply, ask
from tests.peers.node import FakeNode
from tests.redis_under_test import open_redis
from tests.security.conftest import Build
from tests.security.fortress import DEADLINE_S, INIT, REGISTER, Fortress, bearer
from tests.waiting import eventually

pytestmark = pytest.mark.req("ED12")

_PAIR = ("en", "es")


@pytest.fixture(params=["uvicorn"])
def server_name(request: pytest.FixtureRequest) -> str:
    """One server: what counts stands behind both, before any of their differences."""
    name: str = request.param
    return name


async def _ask(socket: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    await socket.send(json.dumps(message))
    answer: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), DEADLINE_S))
    return answer


def _say(session_id: str, index: int) -> str:
    return json.dumps(
        {
            "type": "utterance",
            "session_id": session_id,
            "utterance_index": index,
            "manual_cut": True,
            "src_lang": _PAIR[0],
            "tgt_lang": _PAIR[1],
            "audio": AUDIO,
            "audio_format": "pcm16",
            "sample_rate": 16000,
        }
    )


async def _flood(fortress: Fortress, token: str, told: set[str]) -> None:
    """Say far more than a person could, until cancelled; note what kinds of answers there are."""
    async with connect(fortress.url("/ws/session"), additional_headers=bearer(token)) as socket:
        session_id = (await _ask(socket, INIT))["session_id"]

        async def read() -> None:
            async for frame in socket:
                message = json.loads(frame)
                details = message.get("details")
                is_full = isinstance(details, dict) and "queue_position" in details
                told.add("line full" if is_full else message["type"])

        reading = asyncio.create_task(read())
        try:
            for index in range(100_000):
                await socket.send(_say(session_id, index))
                await asyncio.sleep(1 / 400)
        finally:
            reading.cancel()


@contextlib.asynccontextmanager
async def _flooding(fortress: Fortress, token: str) -> AsyncIterator[set[str]]:
    """Four sockets of one principal, each with four hundred utterances a second."""
    told: set[str] = set()
    floods = [asyncio.create_task(_flood(fortress, token, told)) for _ in range(4)]
    try:
        # The line is full by then, or as full as one may make it.
        await eventually(lambda: "line full" in told, within_s=60)
        yield told
        assert [flood for flood in floods if flood.done()] == [], "its sockets stay open"
    finally:
        for flood in floods:
            flood.cancel()
        await asyncio.gather(*floods, return_exceptions=True)


async def test_a_flood_of_one_principal_leaves_another_its_work(build_fortress: Build) -> None:
    # So short a line that a machine of any speed fills it, and none too slow to come to its end.
    fortress = build_fortress(LINGUA_PENDING_MAX_JOBS="50", LINGUA_PENDING_TIMEOUT_S="60")
    loud, quiet = fortress.issue("api", "loud"), fortress.issue("api", "quiet", "--tenant", "acme")
    async with HttpNode(fortress.instance.address, token=fortress.issue("node", "nodes")) as node:
        await node.register(_PAIR, slots=2)
        node.work()
        async with (
            _flooding(fortress, loud),
            connect(fortress.url("/ws/session"), additional_headers=bearer(quiet)) as socket,
        ):
            session_id = (await _ask(socket, INIT))["session_id"]
            kinds = []
            for index in range(3):
                await socket.send(_say(session_id, index))
                kinds.append(await _await_end(socket, index))

    assert kinds == ["translation_result"] * 3


async def _await_end(socket: ClientConnection, index: int) -> str:
    """Return the type of the frame that ends an utterance; it is refused after ten seconds."""
    async with asyncio.timeout(4 * DEADLINE_S):
        while True:
            frame = json.loads(await socket.recv())
            if frame["type"] in {"translation_result", "missing_result"}:
                assert frame["utterance_index"] == index
                return str(frame["type"])


async def test_a_principal_holds_so_many_node_ids_and_those_it_leaves_are_free(
    build_fortress: Build,
) -> None:
    # Two, so that the test need not register a thousand nodes.
    fortress = build_fortress(LINGUA_PRINCIPAL_MAX_NODE_IDS="2")
    greedy, other = fortress.issue("node", "greedy"), fortress.issue("node", "other")
    url = fortress.url("/ws/node")
    async with (
        connect(url, additional_headers=bearer(greedy)) as one,
        connect(url, additional_headers=bearer(greedy)) as two,
        connect(url, additional_headers=bearer(greedy)) as three,
        connect(url, additional_headers=bearer(other)) as owner,
    ):
        for socket, node_id in ((one, "a"), (two, "b")):
            assert (await _ask(socket, {**REGISTER, "node_id": node_id}))["type"] != "error"
        refused = await _ask(three, {**REGISTER, "node_id": "c"})
        await asyncio.wait_for(await three.ping(), DEADLINE_S)
        taken = await _ask(owner, {**REGISTER, "node_id": "c"})
        again = await _ask(three, {**REGISTER, "node_id": "d"})

    assert (refused["code"], again["code"]) == ("RATE_LIMITED", "RATE_LIMITED")
    assert taken["type"] == "node_register_ack", "a refused claim keeps nobody out"


async def test_a_claim_ends_with_its_use(build_fortress: Build) -> None:
    fortress = build_fortress()
    first, other = fortress.issue("node", "first"), fortress.issue("node", "other")
    url = fortress.url("/ws/node")
    async with connect(url, additional_headers=bearer(first)) as socket:
        for index in range(20):
            ack = await _ask(socket, {**REGISTER, "node_id": f"n-{index}"})
            assert ack["type"] == "node_register_ack"
        async with connect(url, additional_headers=bearer(other)) as owner:
            taken = await _ask(owner, {**REGISTER, "node_id": "n-0"})
            kept = await _ask(owner, {**REGISTER, "node_id": "n-19"})
    async with open_redis(fortress.redis_url) as client:
        root = f"{fortress.prefix}:v2:"
        left_ms = await client.pttl(f"{root}{{node:n-19}}:owner")

    assert taken["type"] == "node_register_ack", "whoever moved on keeps nobody out"
    assert kept["code"] == "NODE_ID_FORBIDDEN"
    assert 0 < left_ms <= 600_000, "no longer than the node itself is remembered"


async def test_a_node_that_floods_is_read_no_faster_than_its_share(build_fortress: Build) -> None:
    # So little that a test of seconds sees it.
    fortress = build_fortress(
        LINGUA_PRINCIPAL_FRAME_RATE_PER_S="50", LINGUA_PRINCIPAL_FRAME_BURST="10"
    )
    token = fortress.issue("node", "nodes")
    async with connect(fortress.url("/ws/node"), additional_headers=bearer(token)) as node:
        began_s = asyncio.get_running_loop().time()
        for index in range(110):
            await node.send(json.dumps({**REGISTER, "node_id": f"n-{index % 2}"}))
        for _ in range(110):
            await asyncio.wait_for(node.recv(), DEADLINE_S)
        took_s = asyncio.get_running_loop().time() - began_s

    assert took_s >= 1.9


async def test_a_socket_carries_so_many_sessions(build_fortress: Build) -> None:
    fortress = build_fortress()
    token = fortress.issue("api", "speakers")
    async with connect(fortress.url("/ws/session"), additional_headers=bearer(token)) as socket:
        opened = [await _ask(socket, INIT) for _ in range(64)]
        refused = await _ask(socket, INIT)
        closing = {"type": "session_close", "session_id": opened[0]["session_id"]}
        await _ask(socket, {**closing, "reason": "done"})
        again = await _ask(socket, INIT)

    assert {one["type"] for one in opened} == {"session_init_ack"}
    assert refused["code"] == "RATE_LIMITED"
    assert again["type"] == "session_init_ack"


async def test_where_authentication_is_off_an_address_has_the_share_of_a_principal(
    build_fortress: Build,
) -> None:
    # Three, so that the test need not open a thousand sockets.
    fortress = build_fortress(
        LINGUA_NODE_AUTH="off", LINGUA_SESSION_AUTH="off", LINGUA_PRINCIPAL_MAX_CONNECTIONS="3"
    )
    url = fortress.url("/ws/session")
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(connect(url))
        with pytest.raises(websockets.InvalidStatus):
            await connect(url)
        async with connect(fortress.url("/ws/node")):
            pass
    async with connect(url) as socket:
        assert (await _ask(socket, INIT))["type"] == "session_init_ack"


async def test_where_authentication_is_off_node_ids_and_jobs_over_http_are_bounded_too(
    build_fortress: Build,
) -> None:
    # Few, so that the test need not register a thousand nodes.
    fortress = build_fortress(
        LINGUA_NODE_AUTH="off",
        LINGUA_SESSION_AUTH="off",
        LINGUA_PRINCIPAL_MAX_NODE_IDS="2",
        LINGUA_PRINCIPAL_MAX_HTTP_JOBS="1",
    )
    address, pair = fortress.instance.address, draw_languages()
    utterance = {"src_lang": pair[0], "tgt_lang": pair[1], "audio": AUDIO}
    async with (
        FakeNode.open(fortress.url("/ws/node"), pair, node_id="a") as node,
        connect(fortress.url("/ws/node")) as socket,
    ):
        replies = [await ask(address, "/v1/dispatch/f2f", utterance) for _ in range(2)]
        assert [reply.status for reply in replies] == [200, 429], replies
        await node.job()
        for _ in range(2):
            assert (await _ask(socket, {**REGISTER, "node_id": "b"}))["type"] != "error"
        for node_id in ("c", None):
            refused = await _ask(socket, {**REGISTER, "node_id": node_id})
            assert refused["code"] == "RATE_LIMITED"


async def _keep(fortress: Fortress, token: str, size: int) -> Reply:
    headers = {"Content-Type": "application/octet-stream"}
    address = fortress.instance.address
    return await ask(address, "/v1/audio", raw=b"\1\0" * (size // 2), token=token, headers=headers)


async def test_a_principal_keeps_so_many_bytes_of_audio(build_fortress: Build) -> None:
    # Little, so that the test need not send 64 MiB.
    fortress = build_fortress(LINGUA_PRINCIPAL_KEPT_BYTES="100000")
    greedy, other = fortress.issue("api", "greedy"), fortress.issue("api", "other")

    statuses = [(await _keep(fortress, greedy, 40_000)).status for _ in range(2)]
    refused = await _keep(fortress, greedy, 40_000)

    assert statuses == [201, 201]
    assert (refused.status, refused.json["error"]) == (429, "RATE_LIMITED")
    assert int(refused.headers["retry-after"]) > 10
    assert (await _keep(fortress, other, 40_000)).status == 201


async def _dispatch(fortress: Fortress, token: str, **changes: Any) -> Reply:
    message = {"src_lang": _PAIR[0], "tgt_lang": _PAIR[1], "audio": AUDIO} | changes
    return await ask(fortress.instance.address, "/v1/dispatch/f2f", message, token=token)


async def test_a_principal_has_so_many_jobs_under_way_over_http(build_fortress: Build) -> None:
    # Two, so that the test need not wait for five hundred; they wait for a node for long.
    fortress = build_fortress(LINGUA_PRINCIPAL_MAX_HTTP_JOBS="2")
    greedy, other = fortress.issue("api", "greedy"), fortress.issue("api", "other")
    node_token = fortress.issue("node", "nodes")
    async with HttpNode(fortress.instance.address, token=node_token) as node:
        await node.register(_PAIR, slots=4)
        replies = [await _dispatch(fortress, greedy) for _ in range(3)]
        others = await _dispatch(fortress, other)
        for _ in range(2):
            job = await node.job()
            await node.ack(job)
            await node.done(job)

        async def is_taken() -> bool:
            return (await _dispatch(fortress, greedy)).status == 200

        await eventually(is_taken)

    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[2].json["error"] == "RATE_LIMITED"
    assert others.status == 200


async def test_slow_receivers_of_one_principal_hold_up_no_other_ones_web_hooks(
    build_fortress: Build,
) -> None:
    async def never(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        asked.append(reader)
        await asyncio.Event().wait()

    asked: list[asyncio.StreamReader] = []
    fortress = build_fortress(LINGUA_HOOK_HOSTS="127.0.0.1", LINGUA_HOOK_TIMEOUT_S="60")
    slow, quick = fortress.issue("api", "slow"), fortress.issue("api", "quick")
    node_token = fortress.issue("node", "nodes")
    async with (
        HttpNode(fortress.instance.address, token=node_token) as node,
        HookReceiver.open() as receiver,
        listening(never) as hole,
    ):
        await node.register(_PAIR, slots=8)
        node.work()
        for _ in range(40):
            callback = {"url": f"http://{hole}/", "secret": "s" * 16}
            await _dispatch(fortress, slow, callback=callback)
        await eventually(lambda: len(asked) == 8)
        callback = {"url": f"http://{receiver.address}/", "secret": "s" * 16}
        await _dispatch(fortress, quick, callback=callback)
        told = await receiver.next(1)

        assert told.json["state"]
        assert len(asked) == 8
