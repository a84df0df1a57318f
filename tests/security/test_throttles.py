"""Who asks too often, or is wrong too often, waits; on every view, and nobody else with him."""

import asyncio
import collections
import itertools
from collections.abc import Awaitable, Callable

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from tests.peers.http import Reply, ask
from tests.security.conftest import Build
from tests.security.fortress import Fortress
from tests.security.people import Page, Person, add_superuser
from tests.waiting import eventually

pytestmark = pytest.mark.req("ED12")

_WRONG = "lat_0123456789ab_" + "A" * 43
# What costs next to nothing, and what is not Django's.
_FREE = ("health", "ready", "static/")


@pytest.fixture(params=["uvicorn"])
def server_name(request: pytest.FixtureRequest) -> str:
    """One server: what counts stands behind both, before any of their differences."""
    name: str = request.param
    return name


def _list_paths(patterns: list[URLPattern | URLResolver], before: str = "") -> list[str]:
    """Return a path of each view there is, with something in the place of what varies."""
    paths = []
    for one in patterns:
        route = before + str(one.pattern).replace("^", "").replace("$", "")
        if isinstance(one, URLResolver):
            paths += _list_paths(one.url_patterns, route)
        elif not route.startswith(_FREE) and "(?" not in route:
            parts = ["x" if part.startswith("<") else part for part in route.split("/")]
            paths.append("/" + "/".join(parts))
    return paths


async def _get(fortress: Fortress, path: str, token: str = "", **headers: str) -> Reply:
    return await ask(fortress.instance.address, path, method="GET", token=token, headers=headers)


async def _ask_often(times: int, one: Callable[[], Awaitable[Reply]]) -> list[Reply]:
    """Ask so many times, some at once, as a program without manners does."""
    replies: list[Reply] = []
    for _ in range(times // 20):
        replies += await asyncio.gather(*(one() for _ in range(20)))
    return replies


async def test_one_token_that_asks_too_often_is_told_when_to_come_back(
    build_fortress: Build,
) -> None:
    # So slow that a machine of any speed asks for more.
    fortress = build_fortress(LINGUA_REQUESTS_PER_SECOND="1")
    greedy = fortress.issue("api", "greedy", "--scope", "read")
    other = fortress.issue("api", "other", "--scope", "read")

    replies = await _ask_often(300, lambda: _get(fortress, "/api/v1/stats", greedy))
    refused = [reply for reply in replies if reply.status == 429]

    assert len(refused) > 20
    assert refused[0].json["error"] == "RATE_LIMITED"
    assert int(refused[0].headers["retry-after"]) >= 1
    assert (await _get(fortress, "/api/v1/stats", other)).status == 200


async def test_no_view_is_left_out(build_fortress: Build) -> None:
    # So slow that nothing is given anew while all views are asked.
    fortress = build_fortress(LINGUA_REQUESTS_PER_SECOND="0.01", LINGUA_REQUEST_BURST="1")
    greedy = fortress.issue("api", "greedy", "--scope", "read")
    await _get(fortress, "/api/v1/stats", greedy)
    paths = [*_list_paths(get_resolver().url_patterns), "/api/v1/nothing", "/nothing"]

    statuses = {path: (await _get(fortress, path, greedy)).status for path in paths}

    assert len(paths) > 60
    assert {path for path, status in statuses.items() if status != 429} == set()


async def test_wrong_tokens_are_not_looked_up_any_more(build_fortress: Build) -> None:
    fortress = build_fortress()
    known = fortress.issue("api", "known", "--scope", "read", "--scope", "session")
    never_seen = fortress.issue("api", "never seen", "--scope", "read")
    assert (await _get(fortress, "/api/v1/stats", known)).status == 200

    replies = await _ask_often(160, lambda: _get(fortress, "/api/v1/stats", _WRONG))
    statuses = collections.Counter(reply.status for reply in replies)
    # One a second is looked up again: on a slow machine perhaps the first of these.
    by_http = await eventually(
        lambda: _get(fortress, "/v1/job/job-1", _WRONG), fits=lambda reply: reply.status == 429
    )

    # Twenty, those under way at once, and one a second.
    assert statuses[429] > 80
    assert statuses[401] + statuses[429] == 160
    assert by_http.status == 429
    assert int(by_http.headers["retry-after"]) >= 1
    assert by_http.json["error"] == "RATE_LIMITED"
    assert (await _get(fortress, "/api/v1/stats", known)).status == 200, "proved good before"

    async def is_let_in() -> bool:
        return (await _get(fortress, "/api/v1/stats", never_seen)).status == 200

    await eventually(is_let_in, within_s=60)


async def test_failed_logins_wait_longer_each_time_and_the_right_password_with_them(
    build_fortress: Build,
) -> None:
    fortress = build_fortress()
    await asyncio.to_thread(add_superuser, fortress, "mira", "a password of mira")
    mira = Person(address=fortress.instance.address)

    pages: list[Page] = []

    async def waits_long() -> bool:
        pages.append(await mira.log_in("mira", "wrong"))
        return int(pages[-1].headers.get("Retry-After", "0")) >= 4

    await eventually(waits_long, within_s=60)
    right = await mira.log_in("mira", "a password of mira")

    looked_at = [page for page in pages if page.status == 200]
    assert len(looked_at) <= 7, "the form again: three are free, then 1 s, 2 s, 4 s and 8 s"
    assert right.status == 429
    assert int(right.headers["Retry-After"]) >= 1

    async def comes_in() -> bool:
        return (await mira.log_in("mira", "a password of mira")).status == 302

    await eventually(comes_in, within_s=60)


async def test_an_address_in_a_header_counts_only_behind_a_trusted_proxy(
    build_fortress: Build,
) -> None:
    # The test connects from there, as the proxy would.
    fortress = build_fortress(LINGUA_TRUSTED_PROXIES="127.0.0.0/8")

    async def wrong(forwarded: str) -> Reply:
        return await _get(fortress, "/api/v1/stats", _WRONG, **{"X-Forwarded-For": forwarded})

    others = (f"198.51.100.{number}" for number in itertools.cycle(range(250)))
    # What the client itself wrote stands before what the proxy added.
    await eventually(
        lambda: wrong(f"{next(others)}, 203.0.113.9"), fits=lambda reply: reply.status == 429
    )
    assert (await wrong("203.0.113.9, 203.0.113.10")).status == 401
