"""A page of another site, in a browser on this machine, while nobody needs a credential."""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Origin

from tests.security.conftest import Build
from tests.security.fortress import DEADLINE_S, INIT, REGISTER, Fortress

pytestmark = pytest.mark.req("ED9")

_SOCKETS = ("/ws/session", "/ws/node", "/ws/live")
_PATHS = ("/v1/job/job-1", "/api/v1/stats", "/admin/login/", "/dashboard", "/")
_FOREIGN_HOSTS = (
    ("Host: evil.com",),
    ("Host: 127.0.0.1.evil.com",),
    ("Host: localhost:99999",),
    ("Host: LOCALHOST.evil.com",),
    ("Host: [::ffff:127.0.0.1]:5010",),
    ("Host: localhost@evil.com",),
    ("Host: localhost", "Host: evil.com"),
    ("Host: localhost, evil.com",),
    ("Host:",),
    (),
)
_FOREIGN_ORIGINS = (
    ("Origin: http://evil.com",),
    ("Origin: null",),
    ("Origin: http://localhost.evil.com",),
    ("Origin: http://localhost@evil.com",),
    ("Origin: http://localhost", "Origin: http://evil.com"),
    ("Origin: file://",),
)


@pytest.mark.parametrize("host", _FOREIGN_HOSTS)
async def test_a_page_that_rebound_its_name_opens_no_socket(
    open_house: Fortress, host: tuple[str, ...]
) -> None:
    for path in _SOCKETS:
        answer = await open_house.shake_hands(path, *host)

        assert answer.startswith(b"HTTP/1.1 400")
    assert "Traceback" not in open_house.instance.errors


@pytest.mark.parametrize("host", _FOREIGN_HOSTS)
async def test_a_page_that_rebound_its_name_reads_nothing(
    open_house: Fortress, host: tuple[str, ...]
) -> None:
    for path in _PATHS:
        answer = await open_house.ask(path, *host)

        assert answer.startswith(b"HTTP/1.1 400")
    assert "Traceback" not in open_house.instance.errors


@pytest.mark.parametrize("origin", _FOREIGN_ORIGINS)
async def test_a_page_of_another_site_opens_no_socket(
    open_house: Fortress, origin: tuple[str, ...]
) -> None:
    for path in _SOCKETS:
        answer = await open_house.shake_hands(path, "Host: localhost", *origin)

        assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400"))
    assert "Traceback" not in open_house.instance.errors


@pytest.mark.parametrize("origin", _FOREIGN_ORIGINS)
async def test_a_page_of_another_site_posts_nothing(
    open_house: Fortress, origin: tuple[str, ...]
) -> None:
    rows = open_house.count_rows("operators_auditentry")
    sent = json.dumps({**REGISTER, "node_id": "thief"}).encode()
    for path in ("/v1/node/register", "/v1/dispatch/f2f", "/api/v1/dlq/purge", "/admin/login/"):
        answer = await open_house.ask(
            path,
            *("Host: localhost", "Content-Type: application/json", *origin),
            method="POST",
            body=sent,
        )

        assert answer.startswith(b"HTTP/1.1 403")
        assert b"FOREIGN_ORIGIN" in answer
    assert open_house.count_rows("operators_auditentry") == rows


@pytest.mark.parametrize(
    "target", ["http://evil.com/v1/job/job-1", "http://localhost/v1/job/job-1", "//evil.com/v1"]
)
async def test_no_target_names_another_host(open_house: Fortress, target: str) -> None:
    answer = await open_house.ask(target, "Host: localhost")
    upgraded = await open_house.shake_hands(target, "Host: localhost")

    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404"))
    assert upgraded.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404"))
    assert "Traceback" not in open_house.instance.errors


async def test_who_is_kept_out_is_told_why_counted_and_logged_in_one_line(
    build_fortress: Build,
) -> None:
    """On a server of its own: of the strangers of one second only twenty are logged."""
    house = build_fortress(LINGUA_NODE_AUTH="off", LINGUA_SESSION_AUTH="off")
    counter = 'scheduler_kept_out_total{reason="FOREIGN_HOST"}'
    answers = [
        await house.shake_hands("/ws/node", "Host: once.evil.com"),
        await house.ask("/v1/job/job-1", "Host: once.evil.com"),
    ]

    assert all(b'"error":"FOREIGN_HOST"' in answer for answer in answers)
    assert await house.count(counter) == 2
    lines = [line for line in house.instance.errors.splitlines() if "once.evil.com" in line]
    assert len(lines) == 2
    assert all("WARNING" in line for line in lines)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_our_own_pages_come_in(open_house: Fortress, name: str) -> None:
    port = open_house.instance.address.split(":")[1]
    origin = Origin(f"http://{name}:{port}")
    async with connect(f"ws://{name}:{port}/ws/session", origin=origin) as speaker:
        await speaker.send(json.dumps(INIT))
        opened = json.loads(await asyncio.wait_for(speaker.recv(), DEADLINE_S))
    async with connect(f"ws://{name}:{port}/ws/live", origin=origin):
        pass
    page = await open_house.ask("/talk", f"Host: {name}:{port}", f"Origin: {origin}")

    assert opened["type"] == "session_init_ack"
    assert page.startswith(b"HTTP/1.1 200")


async def test_programs_come_in(open_house: Fortress) -> None:
    async with connect(open_house.url("/ws/node"), origin=None) as node:
        await node.send(json.dumps(REGISTER))
        registered = json.loads(await asyncio.wait_for(node.recv(), DEADLINE_S))

    assert registered["type"] == "node_register_ack"


async def test_a_page_behind_a_proxy_that_ends_tls_comes_in(build_fortress: Build) -> None:
    fortress = build_fortress(
        LINGUA_SESSION_AUTH="off",
        LINGUA_NODE_AUTH="off",
        # Behind a proxy the name is not this machine's.
        ALLOWED_HOSTS="lingua.example",
    )
    forwarded = ("Host: lingua.example", "X-Forwarded-Proto: https", "X-Forwarded-For: 203.0.113.9")
    own = await fortress.open_by_hand("/ws/session", *forwarded, "Origin: https://lingua.example")
    foreign = await fortress.shake_hands("/ws/session", *forwarded, "Origin: https://evil.com")
    lying = await fortress.shake_hands(
        "/ws/session", "Host: evil.com", "X-Forwarded-Host: lingua.example"
    )

    assert own.startswith(b"HTTP/1.1 101")
    assert foreign.startswith(b"HTTP/1.1 403")
    assert lying.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("host", ["10.1.2.3:5010", "[fd00::5]:5010", "127.0.0.2"])
async def test_a_probe_by_the_address_of_a_pod_is_answered(open_house: Fortress, host: str) -> None:
    for path in ("/health", "/ready", "/metrics"):
        answer = await open_house.ask(path, f"Host: {host}")

        assert answer.startswith(b"HTTP/1.1 200")


async def test_an_old_probe_that_names_no_host_is_answered(open_house: Fortress) -> None:
    for path in (b"/health", b"/ready", b"/metrics"):
        answer = await open_house.send_raw(b"GET " + path + b" HTTP/1.0\r\n\r\n")

        assert b" 200 " in answer.splitlines()[0]


@pytest.mark.parametrize("name", ["evil.com", "evil", "127.0.0.1.evil.com"])
async def test_a_page_that_rebound_its_name_is_told_no_figure(
    open_house: Fortress, name: str
) -> None:
    health = await open_house.ask("/health", f"Host: {name}")
    ready = await open_house.ask("/ready", f"Host: {name}")
    metrics = await open_house.ask("/metrics", f"Host: {name}")

    assert health.endswith(b"\r\n\r\nOK")
    assert ready.endswith(b"\r\n\r\nREADY")
    assert metrics.startswith(b"HTTP/1.1 401")
    assert b"scheduler_" not in metrics


async def test_a_scraper_with_a_token_scrapes_under_any_name(fortress: Fortress) -> None:
    token = fortress.issue("api", "Prometheus", "--scope", "read")
    by_token = await fortress.ask(
        "/metrics", "Host: lingua-7.internal:5010", f"Authorization: Bearer {token}"
    )

    assert by_token.startswith(b"HTTP/1.1 200")
    assert b"scheduler_" in by_token


async def test_a_scraper_of_an_allowed_network_may_use_a_containers_name(
    build_fortress: Build,
) -> None:
    fortress = build_fortress(LINGUA_METRICS_ALLOW="127.0.0.0/8")  # where this test comes from

    for host, status in (("one:5010", 200), ("10.0.0.9:5010", 200), ("evil.com", 401)):
        answer = await fortress.ask("/metrics", f"Host: {host}")

        assert answer.startswith(f"HTTP/1.1 {status}".encode())
