"""Ten thousand connections of one principal: bounded, and nobody else is rejected."""

import asyncio
import base64
import json
import resource
import time

import pytest
from websockets.asyncio.client import connect

from tests.security.conftest import Build
from tests.security.fortress import INIT, Fortress, bearer

_ATTEMPTS = 10_000
_MOST = 1_000
_AT_ONCE = 200
_DEADLINE_S = 400
_SWITCHING, _FORBIDDEN = 101, 403
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _knock(fortress: Fortress, token: str, turn: asyncio.Semaphore) -> tuple[int, Streams]:
    """Ask for a session socket by hand: a client library would cost more than the server."""
    host, port = fortress.instance.address.split(":")
    key = base64.b64encode(b"0123456789abcdef").decode()
    async with turn:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"GET /ws/session HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except ConnectionResetError:
            # Rejected so fast that the answer did not arrive whole.
            head = b"HTTP/1.1 403 "
    status = int(head.split(b" ", 2)[1])
    if status != _SWITCHING:
        writer.close()
    return status, (reader, writer)


@pytest.fixture
def many_files() -> None:
    """Let this process open as many sockets as the system lets it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    assert most >= _ATTEMPTS + _MOST, "this test needs `ulimit -Hn` of 11,000 or more"


@pytest.mark.alone("ten thousand sockets take half the ports there are, and both processors")
@pytest.mark.usefixtures("many_files")
async def test_ten_thousand_connections_of_one_principal_are_a_thousand(
    build_fortress: Build,
) -> None:
    fortress = build_fortress(
        LINGUA_PRINCIPAL_MAX_CONNECTIONS=str(_MOST),
        LINGUA_CONNECT_BURST="100000",
        LINGUA_HANDSHAKE_TIMEOUT_S="120",
        # Nobody answers pings here: the sockets must not die of it while the others knock.
        LINGUA_PING_INTERVAL_S="600",
    )
    greedy, modest = fortress.issue("api", "greedy"), fortress.issue("api", "modest")
    before_mb = fortress.instance.resident_mb()
    turn = asyncio.Semaphore(_AT_ONCE)
    async with asyncio.timeout(_DEADLINE_S):
        knocks = [asyncio.create_task(_knock(fortress, greedy, turn)) for _ in range(_ATTEMPTS)]
        await asyncio.wait(knocks, return_when=asyncio.FIRST_COMPLETED)
        began = time.monotonic()
        async with connect(
            fortress.url("/ws/session"), additional_headers=bearer(modest), open_timeout=120
        ) as socket:
            await socket.send(json.dumps(INIT))
            served = json.loads(await socket.recv())
            served_while = sum(not knock.done() for knock in knocks)
        told = await asyncio.gather(*knocks)
        held_mb = fortress.instance.resident_mb()
        statuses = [status for status, _ in told]
        admitted = [streams for status, streams in told if status == _SWITCHING]
        held = sum(not reader.at_eof() for reader, _ in admitted)
        for _, (_, writer) in told:
            writer.transport.abort()
        await asyncio.gather(
            *(writer.wait_closed() for _, (_, writer) in told), return_exceptions=True
        )

    assert served["type"] == "session_init_ack"
    assert served_while > 0, f"the other came in only after all, {time.monotonic() - began:.1f} s"
    assert set(statuses) == {_SWITCHING, _FORBIDDEN}
    assert held == _MOST, f"{held} of {len(admitted)} admitted are open"
    assert held_mb - before_mb < 200
    assert "Traceback" not in fortress.instance.errors
