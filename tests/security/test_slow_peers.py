"""A stranger who takes all the time in the world, at each stage of a request, on both servers."""

import asyncio
import contextlib
import socket as sockets
import time

import pytest

from tests.security.conftest import Build
from tests.security.fortress import DEADLINE_S, UPGRADE, Fortress, drip
from tests.waiting import eventually

pytestmark = pytest.mark.req("ED11")

_HEAD = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
_POST = b"POST /v1/dispatch/f2f HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
_UPGRADE = "\r\n".join(["GET /ws/session HTTP/1.1", "Host: localhost", *UPGRADE, ""]).encode()
_OPEN = _UPGRADE + b"\r\n"
# Frames of a message of 100 bytes, masked with zeros: its head, and its first piece.
_LONG, _PIECE, _PONG = b"\x81\xe4" + bytes(4), b"\x01\x81" + bytes(5), b"\x8a\x80" + bytes(4)
# What a peer sends at once, and what it then repeats, a byte or so at a time.
_STAGES = {
    "nothing": (b"", b""),
    "blank lines": (b"", b"\r\n"),
    "request line": (b"GET /", b"a"),
    "header": (_HEAD + b"X-A: ", b"a"),
    "header after header": (_HEAD, b"X-A: a\r\n"),
    "upgrade": (_UPGRADE, b"X-A: a\r\n"),
    "second request": (_HEAD + b"\r\nGET /", b"a"),
    "body that stops": (_POST + b"Content-Length: 100\r\n\r\n{", b""),
    "body that drips": (_POST + b"Content-Length: 100000\r\n\r\n", b"a"),
    "chunk that stops": (_POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", b""),
    "chunks that drip": (_POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "message that stops": (_OPEN + _LONG + b"{", b""),
    "message that drips": (_OPEN + _LONG.replace(b"\xe4", b"\xfe\xff\xff") + b"{", b"a"),
    "message in pieces, and pongs": (_OPEN + _PIECE, _PONG),
    "message begun after another": (_OPEN + b"\x81\x81" + bytes(5) + _PIECE, _PONG),
    "body that came fast, then drips": (
        _POST + b"Content-Length: 4000000\r\n\r\n" + bytes(3_000_000),
        b"a",
    ),
    "body of an upgrade": (_UPGRADE + b"Content-Length: 100000\r\n\r\n", b"a"),
}


@pytest.fixture
def impatient(build_fortress: Build) -> Fortress:
    """A server that waits a second at each stage: what a test waits for must come soon."""
    return build_fortress(
        LINGUA_HANDSHAKE_TIMEOUT_S="1",
        LINGUA_STALL_TIMEOUT_S="1",
        # Bodies are read, and sockets open, before anybody is asked who sends.
        LINGUA_NODE_AUTH="off",
        LINGUA_SESSION_AUTH="off",
    )


async def _linger(fortress: Fortress, opening: bytes, dripped: bytes) -> float:
    """Send an opening, then drip; return how long the connection lasted."""
    host, port = fortress.instance.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    begun_at = time.monotonic()
    if opening.startswith(_OPEN):
        writer.write(_OPEN)
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
    writer.write(opening.removeprefix(_OPEN))
    dripping = asyncio.create_task(drip(writer, dripped))
    try:
        async with asyncio.timeout(DEADLINE_S):
            while await reader.read(65_536):
                pass
    except ConnectionError:
        pass
    finally:
        dripping.cancel()
        writer.transport.abort()
    return time.monotonic() - begun_at


async def test_no_stage_of_a_request_lasts_for_ever(impatient: Fortress) -> None:
    stages = list(_STAGES)

    lasted = await asyncio.gather(*(_linger(impatient, *_STAGES[stage]) for stage in stages))

    late = {stage: took_s for stage, took_s in zip(stages, lasted, strict=True) if took_s > 30}
    assert late == {}
    await eventually(lambda: _is_healthy(impatient))
    assert "Traceback" not in impatient.instance.errors


async def test_who_does_not_read_the_answer_is_dropped(impatient: Fortress) -> None:
    host, port = impatient.instance.address.split(":")
    plain = sockets.socket()
    plain.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    plain.connect((host, int(port)))
    reader, writer = await asyncio.open_connection(sock=plain, limit=1)
    # More answers than every buffer on the way holds, and nobody who reads them.
    request = b"GET /static/admin/js/vendor/xregexp/xregexp.js HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def is_dropped() -> bool:
        writer.write(request * 20)
        await asyncio.sleep(0)
        return writer.transport.is_closing()

    with contextlib.closing(writer):
        await eventually(is_dropped, "it is still served", within_s=DEADLINE_S)
    del reader
    assert "Traceback" not in impatient.instance.errors


async def test_who_asks_ahead_and_reads_late_has_every_answer(build_fortress: Build) -> None:
    # With the patience that is shipped: a busy machine may keep a reader from it for a second.
    patient = build_fortress()
    host, port = patient.instance.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=64 * 1024)
    head = b"GET /static/admin/js/vendor/xregexp/xregexp.js HTTP/1.1\r\nHost: localhost\r\n"

    # Fewer bytes than what is read ahead, far more in answers than any buffer holds.
    writer.write((head + b"\r\n") * 49 + head + b"Connection: close\r\n\r\n")
    async with asyncio.timeout(DEADLINE_S):
        answers = await reader.read()
    writer.close()

    assert answers.count(b"HTTP/1.1 200") == 50


async def _is_healthy(fortress: Fortress) -> bool:
    return (await fortress.ask("/health", "Host: localhost")).startswith(b"HTTP/1.1 200")
