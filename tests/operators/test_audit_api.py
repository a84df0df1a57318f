"""The audit log over the API: for admins alone, in pages, as it is sealed."""

import datetime as dt
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.e2e.servers import Lingua, Servers
from tests.manage import NO_REDIS, issue_api_token, manage
from tests.operators.conftest import Api

pytestmark = pytest.mark.req("ED13")
Ask = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture(scope="module")
def lingua(seen_redis: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lingua]:
    servers = Servers(directory=tmp_path_factory.mktemp("audit"), redis_url=seen_redis.url)
    try:
        yield servers.start("uvicorn")
    finally:
        servers.end()


@pytest.fixture(scope="module")
def var(lingua: Lingua) -> Path:
    return lingua.instance.notes_file.parent / "var"


@pytest.fixture(scope="module")
def tokens(var: Path) -> dict[str, str]:
    """Return tokens by their scopes; each leaves an entry in the log."""
    return {scope: issue_api_token(var=var, scope=scope) for scope in ("operate", "admin")}


@pytest.fixture
def ask(api: Api, tokens: dict[str, str]) -> Ask:
    """Ask for the audit log; return the status and what was answered."""

    async def read(*, scope: str = "admin", **asked: Any) -> tuple[int, Any]:
        path = f"/api/v1/audit?{urlencode(asked)}"
        status, text = await api.text(path, token=tokens.get(scope, ""))
        return status, json.loads(text)

    return read


async def test_an_admin_reads_what_export_writes(ask: Ask, var: Path) -> None:
    status, told = await ask()
    exported = manage("audit", "export", LINGUA_VAR_DIR=str(var), REDIS_URL=NO_REDIS)

    assert status == 200
    assert told["results"] == [json.loads(line) for line in reversed(exported.splitlines())]
    assert told["count"] >= 2


@pytest.mark.parametrize(("scope", "status"), [("operate", 403), ("", 401)])
async def test_nobody_else_reads_it_with_authentication_off_either(
    ask: Ask, scope: str, status: int
) -> None:
    assert (await ask(scope=scope))[0] == status


async def test_entries_are_found_by_who_what_and_when_page_by_page(ask: Ask) -> None:
    _, every = await ask(action="token.issue")
    newest, oldest = every["results"]
    later = dt.datetime.fromisoformat(oldest["at"]) + dt.timedelta(microseconds=1)

    assert (await ask(action="token.issue", limit=1, offset=1))[1]["results"] == [oldest]
    assert (await ask(target=newest["target"]))[1]["results"] == [newest]
    assert (await ask(action="token.issue", since=later.isoformat()))[1]["results"] == [newest]
    assert (await ask(action="token.issue", until=newest["at"]))[1]["results"] == [oldest]
    assert (await ask(actor=newest["actor"]))[1]["count"] >= 2
    assert (await ask(actor="nobody"))[1]["count"] == 0


@pytest.mark.parametrize("asked", [{"since": "yesterday"}, {"until": "0"}, {"actor": "a\0b"}])
async def test_a_filter_that_is_none_is_refused(ask: Ask, asked: dict[str, str]) -> None:
    status, told = await ask(**asked)

    assert (status, told["error"]) == (400, "INVALID_PARAMETER")
