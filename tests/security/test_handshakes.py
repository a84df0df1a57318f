"""Attacks before a socket exists: handshakes that never end, paths and headers that lie."""

import asyncio
import time

import pytest

from tests.security.conftest import Build
from tests.security.fortress import DEADLINE_S, Fortress, drip
from tests.waiting import eventually, stretch

_UPGRADE = (
    b"Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


async def _send_raw(fortress: Fortress, request: bytes) -> bytes:
    """Send bytes and return the answer's head."""
    host, port = fortress.instance.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        async with asyncio.timeout(DEADLINE_S):
            return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.transport.abort()  # what was not sent is not waited for


@pytest.mark.parametrize("opening", [b"", b"GET /ws/node HTTP/1.1\r\nHost: localhost\r\nX-A: "])
async def test_a_handshake_that_never_ends_is_dropped(
    build_fortress: Build, opening: bytes
) -> None:
    fortress = build_fortress(LINGUA_HANDSHAKE_TIMEOUT_S="1")
    host, port = fortress.instance.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(opening)
    begun_at = time.monotonic()
    dripping = asyncio.create_task(drip(writer, b"x"))

    async with asyncio.timeout(DEADLINE_S):
        try:
            left = await reader.read()
        except ConnectionError:
            left = b""
    dripping.cancel()
    writer.transport.abort()  # what was not sent is not waited for

    took_s = time.monotonic() - begun_at
    assert took_s < 5 or took_s < stretch(5)
    assert b"200" not in left
    # Whoever is held up for a second is dropped as well, and asks again.
    await eventually(lambda: _is_healthy(fortress))
    assert "Traceback" not in fortress.instance.errors


async def _is_healthy(fortress: Fortress) -> bool:
    try:
        answer = await _send_raw(fortress, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    return answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "path",
    [
        b"/ws/node/",
        b"/ws/nodes",
        b"/ws//node",
        b"/ws/node/../session",
        b"/ws/node%2f..%2fsession",
        b"//ws/node",
        b"/ws/live/..%00",
    ],
)
async def test_no_spelling_of_a_path_is_a_way_past_authentication(
    fortress: Fortress, path: bytes
) -> None:
    answer = await _send_raw(fortress, b"GET " + path + b" HTTP/1.1\r\n" + _UPGRADE + b"\r\n")

    assert not answer.startswith(b"HTTP/1.1 101")


@pytest.mark.parametrize(
    "headers",
    [
        b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n",
        b"Authorization: Basic bG50OnNlY3JldA==\r\n",
        b"Sec-WebSocket-Protocol: lingua.v1, lingua.bearer.a%0d%0aSet-Cookie: x\r\n",
        b"Cookie: sessionid=forged\r\n",
    ],
)
async def test_no_header_is_a_way_past_authentication(fortress: Fortress, headers: bytes) -> None:
    for path in (b"/ws/node", b"/ws/session"):
        request = b"GET " + path + b" HTTP/1.1\r\n" + _UPGRADE + headers + b"\r\n"
        answer = await _send_raw(fortress, request)

        assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400"))
        assert b"Set-Cookie" not in answer


async def test_nothing_of_a_secret_is_in_the_log(fortress: Fortress) -> None:
    secret = b"lnt_0123456789ab_" + b"S" * 43
    await _send_raw(
        fortress,
        b"GET /ws/session?ticket="
        + secret
        + b" HTTP/1.1\r\n"
        + _UPGRADE
        + b"Authorization: Bearer "
        + secret
        + b"\r\n\r\n",
    )

    assert "S" * 43 not in fortress.instance.errors
