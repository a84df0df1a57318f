"""Pieces of messages, pings and pongs by the thousand, and messages that nobody ends."""

import asyncio
import json
import time

import pytest
from websockets.asyncio.client import connect

from tests.security.conftest import Build
from tests.security.fortress import DEADLINE_S, UPGRADE, Fortress
from tests.waiting import eventually, keeps_to

pytestmark = pytest.mark.req("ED12")

_MASK = bytes(4)
_UPGRADE = "\r\n".join(["GET /ws/session HTTP/1.1", "Host: localhost", *UPGRADE, "", ""]).encode()
# 1.2 MB each, and two hundred thousand frames.
_FLOODS = {
    "empty continuations": b"\x01\x80" + _MASK + (b"\x00\x80" + _MASK) * 200_000,
    "pieces of a byte": b"\x02\x80" + _MASK + (b"\x00\x81" + _MASK + b"a") * 200_000,
    "messages of two pieces": (b"\x01\x80" + _MASK + b"\x80\x80" + _MASK) * 100_000,
    "pings": (b"\x89\x80" + _MASK) * 200_000,
    "pongs": (b"\x8a\x80" + _MASK) * 200_000,
    "pings with much in them": (b"\x89\xfd" + _MASK + bytes(125)) * 50_000,
}


async def _open(fortress: Fortress) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*fortress.instance.address.split(":"))
    writer.write(_UPGRADE)
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
    return reader, writer


async def _flood(fortress: Fortress, frames: bytes) -> bytes:
    """Send frames on a socket of their own; return all that came back until its end."""
    reader, writer = await _open(fortress)
    try:
        writer.write(frames)
        return await asyncio.wait_for(reader.read(), DEADLINE_S)
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


async def _ask(fortress: Fortress) -> float:
    """Return how long another one's question took, in s."""
    begun_at = time.monotonic()
    assert (await fortress.ask("/health", "Host: localhost")).startswith(b"HTTP/1.1 200")
    return time.monotonic() - begun_at


@pytest.mark.parametrize("kind", list(_FLOODS))
async def test_small_frames_by_the_thousand_close_their_socket_and_hold_up_nobody(
    open_house: Fortress, kind: str
) -> None:
    async def flooded() -> float:
        flooding = asyncio.create_task(_flood(open_house, _FLOODS[kind]))
        asked: list[float] = []
        while not flooding.done():
            asked.append(await _ask(open_house))
        told.append(await flooding)
        return max(asked)

    told: list[bytes] = []
    await keeps_to(0.5, flooded)

    # A close frame with 1008, unless the reset of what it never read came first.
    assert all(not each or b"\x03\xf0too many small frames" in each for each in told)
    assert "Traceback" not in open_house.instance.errors


async def test_a_message_in_a_thousand_pieces_is_a_message(open_house: Fortress) -> None:
    pieces = ["{", *("x" * 2_000 for _ in range(1_000)), "}"]

    async with connect(open_house.url("/ws/session")) as socket:
        await socket.send(pieces)
        answer = await asyncio.wait_for(socket.recv(), DEADLINE_S)

    assert "INVALID_MESSAGE" in str(answer)


async def test_messages_that_nobody_ends_are_kept_up_to_a_bound(build_fortress: Build) -> None:
    # The least there may be: otherwise a test would have to send 128 MB.
    fortress = build_fortress(
        LINGUA_SESSION_AUTH="off",
        LINGUA_NODE_AUTH="off",
        LINGUA_MAX_UNFINISHED_BYTES=str(4 * 1024 * 1024),
    )
    begun = b"\x81\xff" + (2_000_000).to_bytes(8, "big") + _MASK + b"a" * 1_900_000
    peers = [await _open(fortress) for _ in range(4)]
    try:
        for _, writer in peers:
            writer.write(begun)
            await writer.drain()
        dropped = await asyncio.wait_for(peers[0][0].readuntil(b"finished"), DEADLINE_S)
        await eventually(lambda: _ask(fortress), fits=lambda took_s: took_s < 1)

        assert b"\x03\xf0a message was not finished" in dropped
        assert not peers[3][0].at_eof(), "who began last goes on"
    finally:
        for _, writer in peers:
            writer.transport.abort()


_INIT = '{"type":"session_init","client_version":"1","platform":5,'
_UNREADABLE = {
    "hundreds of thousands of members": _INIT
    + '"features":{'
    + ",".join(f'"a{number}":1' for number in range(600_000))
    + "}}",
    "halves of surrogates": _INIT + '"x":"' + "\\ud800" * 1_300_000 + '"}',
    "backslashes alone": '{"' + "\\" * 8_000_000,
}


@pytest.mark.parametrize("kind", list(_UNREADABLE))
async def test_unreadable_megabytes_use_up_a_share_and_hold_up_nobody(
    open_house: Fortress, kind: str
) -> None:
    async def flooded() -> float:
        asked: list[float] = []
        async with connect(open_house.url("/ws/session")) as socket:

            async def flood() -> None:
                await socket.send(_UNREADABLE[kind])
                while "INVALID_MESSAGE" not in (told := str(await socket.recv())):
                    kinds.append(json.loads(told)["type"])

            flooding = asyncio.create_task(asyncio.wait_for(flood(), DEADLINE_S))
            while not flooding.done():
                asked.append(await _ask(open_house))
            await flooding
        return max(asked)

    kinds: list[str] = []
    await keeps_to(0.5, flooded)

    assert "backpressure" in kinds
