"""What HTTP clients get from either server."""

import asyncio
import contextlib
import urllib.request

import pytest

from tests.server.launcher import Instance

_DEADLINE_S = 60


async def _ask(instance: Instance, request: bytes) -> bytes:
    host, port = instance.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.readline(), _DEADLINE_S)
    finally:
        writer.close()
        # The server may have closed first, with our body unread.
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_body_announced_too_long_is_refused_before_it_is_read(
    shared_instance: Instance,
) -> None:
    answer = await _ask(
        shared_instance,
        b"POST /dashboard HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n",
    )

    assert b" 413 " in answer


async def test_a_chunked_body_is_cut_off_at_the_limit(shared_instance: Instance) -> None:
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    answer = await _ask(
        shared_instance,
        b"POST /dashboard HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk * 9,
    )

    assert b" 413 " in answer


@pytest.mark.parametrize("path", ["/health", "/ready"])
async def test_a_probe_is_answered_with_a_head_alone_and_changes_nothing(
    shared_instance: Instance, path: str
) -> None:
    statuses = {
        method: await _ask(
            shared_instance, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        for method in ("GET", "HEAD", "POST", "DELETE")
    }

    assert {method: int(line.split()[1]) for method, line in statuses.items()} == {
        "GET": 200,
        "HEAD": 200,
        "POST": 405,
        "DELETE": 405,
    }


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_an_answer_to_a_probe_is_text_in_which_a_browser_runs_nothing(
    shared_instance: Instance, path: str
) -> None:
    with urllib.request.urlopen(f"http://{shared_instance.address}{path}", timeout=60) as answer:
        headers = answer.headers

    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_the_admin_has_its_style_sheet(shared_instance: Instance) -> None:
    url = f"http://{shared_instance.address}/static/admin/css/base.css"
    with urllib.request.urlopen(url, timeout=60) as answer:
        kind, body = answer.headers["Content-Type"], answer.read()

    assert kind == "text/css"
    assert b"--primary" in body


async def test_a_static_path_does_not_leave_its_folder(shared_instance: Instance) -> None:
    answer = await _ask(
        shared_instance, b"GET /static/../../manage.py HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )

    assert b" 404 " in answer or b" 400 " in answer
