"""Bytes that are no request, or nearly one: each is answered or dropped soon, and leaves a word."""

import asyncio
import random
import time

import pytest

from tests.security.fortress import DEADLINE_S, UPGRADE, Fortress

pytestmark = pytest.mark.req("ED11")

_HOST = b"Host: localhost\r\n"
_CLOSE = b"Connection: close\r\n\r\n"
_UP = _HOST + "\r\n".join([*UPGRADE, ""]).encode()
_WS = b"GET /ws/session HTTP/1.1\r\n" + _UP
_NO_WS = b"GET /ws/nothing HTTP/1.1\r\n" + _UP
_GET = b"GET /health HTTP/1.1\r\n" + _HOST
_POST = b"POST /v1/dispatch/f2f HTTP/1.1\r\n" + _HOST
_LOGIN = b"POST /admin/login/ HTTP/1.1\r\n" + _HOST
_JSON = b"Content-Type: application/json\r\n"
_KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def _lines(count: int) -> bytes:
    return b"".join(b"X-%d: 1\r\n" % number for number in range(count))


_TOO_LARGE = {
    "a line of 9 KB in an upgrade": _WS + b"X-A: " + b"a" * 9_000 + b"\r\n\r\n",
    "a line of 9 KB": _GET + b"X-A: " + b"a" * 9_000 + b"\r\n\r\n",
    "a line of 1 MB": _GET + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "a line of 1 MB in an upgrade": _WS + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "a cookie of 10 KB in an upgrade": _WS + b"Cookie: " + b"a=b;" * 2_500 + b"\r\n\r\n",
    "200 lines in an upgrade": _WS + _lines(200) + b"\r\n",
    "129 lines in an upgrade": _WS + _lines(129 - 5) + b"\r\n",
    "200 lines": _GET + _lines(200) + b"\r\n",
    "100 lines of 7 KB": _GET + (b"X-A: " + b"a" * 7_000 + b"\r\n") * 100 + b"\r\n",
    "lines without end": _GET + _lines(20_000),
}
_MALFORMED = {
    "no key": _WS.replace(_KEY, b"") + b"\r\n",
    "a bad key": _WS.replace(_KEY, b"Sec-WebSocket-Key: x\r\n") + b"\r\n",
    "two keys": _WS + _KEY + b"\r\n",
    "an old version": _WS.replace(b": 13", b": 8") + b"\r\n",
    "no version": _WS.replace(b": 13", b": x") + b"\r\n",
    "no Connection": _WS.replace(b"Connection: Upgrade\r\n", b"") + _CLOSE,
    "another method": _WS.replace(b"GET", b"POST") + b"\r\n",
    "HEAD": _WS.replace(b"GET", b"HEAD") + b"\r\n",
    "no such method": _WS.replace(b"GET", b"\xe9") + b"\r\n",
    "no ASCII in the path": _WS.replace(b"/session", b"/s\xe9") + b"\r\n",
    "no ASCII in the query": _WS.replace(b"/session", b"/session?\xff") + b"\r\n",
    "no ASCII in a name": _WS + b"X\xe9: 1\r\n\r\n",
    "no ASCII in a subprotocol": _WS + b"Sec-WebSocket-Protocol: \xe9\r\n\r\n",
    "a zero byte": _WS + b"X: a\x00b\r\n\r\n",
    "a host in the target": _WS.replace(b"/ws", b"http://localhost/ws") + b"\r\n",
    "a broken host in the target": _WS.replace(b"/ws", b"http://[::1/ws") + b"\r\n",
    "a star": _WS.replace(b"/ws/session", b"*") + b"\r\n",
    "a port that is none": _WS.replace(b"localhost", b"localhost:x") + b"\r\n",
    "an origin that is none": _WS + b"Origin: http://[::1\r\n\r\n",
    "no path of ours": _NO_WS + b"\r\n",
    "no path of ours, escaped": _NO_WS.replace(b"nothing", b"%ff%00%zz") + b"\r\n",
    "a root of the client's": _NO_WS + b"Daphne-Root-Path: /ws\xe9\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n" * 5,
    "no version of HTTP": b"GET /health\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tunnel": b"CONNECT evil.com:443 HTTP/1.1\r\n" + _HOST + b"\r\n",
    "no colon": _GET + b"nothing\r\n\r\n",
    "a length below zero": _POST + b"Content-Length: -1\r\n\r\n",
    "two lengths": _POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length that is a superscript": _POST + b"Content-Length: \xb2\r\n\r\n",
    "a length of 20 digits": _POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "a length of 5,000 digits": _POST + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n",
    "a length of 5,000 zeros": _POST + b"Content-Length: " + b"0" * 5_000 + b"\r\n\r\n",
    "a length of 5,000 digits in an upgrade": _WS
    + b"Content-Length: "
    + b"9" * 5_000
    + b"\r\n\r\n",
    "a length and chunks": _POST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": _POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "a version of 5,000 digits": _WS.replace(b": 13", b": " + b"1" * 5_000) + b"\r\n",
    "a port of 5,000 digits": _WS.replace(b"localhost", b"localhost:" + b"1" * 5_000) + b"\r\n",
    "an origin with a port of 5,000 digits": _WS
    + b"Origin: http://a:"
    + b"1" * 5_000
    + b"\r\n\r\n",
    "no chunk": _POST + _JSON + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "no such coding": _POST + b"Transfer-Encoding: gzip\r\n\r\nzz\r\n",
    "no multipart": _LOGIN + b"Content-Type: multipart/form-data\r\nContent-Length: 2\r\n\r\nab",
    "out of a folder": _GET.replace(b"/health", b"/static/../../etc/passwd") + _CLOSE,
    "out of a folder, escaped": _GET.replace(b"/health", b"/static/%2e%2e/%2e%2e/x") + _CLOSE,
    "a zero byte in a name": _GET.replace(b"/health", b"/static/%00") + _CLOSE,
    "cookies": _GET.replace(b"/health", b"/nothing") + b"Cookie: \xff=\xe9; ;=;\r\n" + _CLOSE,
    "a charset": _LOGIN
    + b"Content-Type: text/plain; charset=zzz\r\nContent-Length: 0\r\n"
    + _CLOSE,
    "fields": _LOGIN
    + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 8000\r\n"
    + _CLOSE
    + b"a=1&" * 2_000,
}


async def _send(fortress: Fortress, request: bytes) -> tuple[bytes, float]:
    """Return the first of the answer, and how long the connection lasted."""
    begun_at = time.monotonic()
    answer = await fortress.send_raw(request)
    return answer.partition(b"\r\n")[0], time.monotonic() - begun_at


def _errors(fortress: Fortress) -> list[str]:
    """Return the lines of the log that tell of a fault of ours."""
    signs = ('"level":"ERROR"', '"exception":', "Traceback")
    lines = fortress.instance.errors.splitlines()
    return [line for line in lines if any(sign in line for sign in signs)]


async def test_a_head_that_is_too_large_is_431_and_closed(open_house: Fortress) -> None:
    answers = await asyncio.gather(*(_send(open_house, each) for each in _TOO_LARGE.values()))

    told = {name: first for name, (first, _) in zip(_TOO_LARGE, answers, strict=True)}
    assert {name: first for name, first in told.items() if b" 431 " not in first} == {}
    assert max(took_s for _, took_s in answers) < DEADLINE_S
    assert _errors(open_house) == []


async def test_a_head_that_is_just_small_enough_is_served(open_house: Fortress) -> None:
    ample = b"X-A: " + b"a" * 8_100 + b"\r\n" + _lines(100)

    first, _ = await _send(open_house, _GET + ample + _CLOSE)
    upgraded = await open_house.open_by_hand(
        "/ws/session", "Host: localhost", ample.decode().rstrip("\r\n")
    )

    assert b" 200 " in first
    assert upgraded.startswith(b"HTTP/1.1 101")


async def test_what_is_no_request_is_refused_without_a_traceback(open_house: Fortress) -> None:
    answers = await asyncio.gather(*(_send(open_house, each) for each in _MALFORMED.values()))

    told = {name: first for name, (first, _) in zip(_MALFORMED, answers, strict=True)}
    wrong = {name: first for name, first in told.items() if not first.startswith(b"HTTP/1.1 4")}
    assert wrong in ({}, {"no such coding": b"HTTP/1.1 501 Not Implemented"})
    assert max(took_s for _, took_s in answers) < DEADLINE_S
    assert _errors(open_house) == []


async def test_bytes_changed_at_random_are_answered_or_dropped(open_house: Fortress) -> None:
    rng = random.Random(11)
    samples = [*_MALFORMED.values(), _WS + b"\r\n", _GET + _CLOSE]
    samples = [each for each in samples if len(each) < 2_000]
    at_once = asyncio.Semaphore(20)

    async def try_one() -> float:
        changed = bytearray(rng.choice(samples))
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(changed))
            changed[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        async with at_once:
            return await _outlast(open_house, bytes(changed) + b"\r\n\r\n")

    lasted = await asyncio.gather(*(try_one() for _ in range(400)))

    assert max(lasted) < DEADLINE_S
    assert _errors(open_house) == []


async def _outlast(fortress: Fortress, request: bytes) -> float:
    """Send bytes and no more; return when there was an answer, or the connection was closed."""
    host, port = fortress.instance.address.split(":")
    begun_at = time.monotonic()
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        writer.write_eof()
        async with asyncio.timeout(DEADLINE_S * 2):
            await reader.read(1)
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()  # what was not sent is not waited for
    return time.monotonic() - begun_at


async def test_a_stranger_with_hundreds_of_requests_leaves_no_row_and_few_lines(
    open_house: Fortress,
) -> None:
    """Five hundred here: what is counted and written does not depend on how many there are."""
    rows = open_house.count_rows("operators_auditentry")
    counter = 'scheduler_kept_out_total{reason="UNAUTHORIZED"}'
    counted = await open_house.count(counter)
    lines = len(open_house.instance.errors.splitlines())
    begun_at = time.monotonic()
    answered = await asyncio.gather(*(_flood(open_house, 100) for _ in range(5)))
    took_s = time.monotonic() - begun_at

    assert sum(answered) == 500
    assert open_house.count_rows("operators_auditentry") == rows
    assert await open_house.count(counter) == counted + 500
    # Twenty a second of each kind: not found, forbidden.
    written = len(open_house.instance.errors.splitlines()) - lines
    assert written <= 40 * (took_s + 2)
    assert _errors(open_house) == []


async def _flood(fortress: Fortress, count: int) -> int:
    """Ask for changes on one connection, one after the other; return how many were refused."""
    host, port = fortress.instance.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    refused = 0
    for number in range(count):
        path = f"/api/nothing/{number}" if number % 2 else "/api/v1/dlq/purge"
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode()
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
        refused += head.startswith(b"HTTP/1.1 4")
        length = next(line for line in head.lower().split(b"\r\n") if b"content-length" in line)
        await reader.readexactly(int(length.partition(b":")[2]))
    writer.transport.abort()  # what was not sent is not waited for
    return refused
