"""A secret key that is changed with the old one kept beside it throws nobody out."""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.security.conftest import Build
from tests.security.fortress import DEADLINE_S, INIT, REGISTER, Fortress, bearer
from tests.security.people import Person, add_superuser

_OLD = "the key before: nobody but this test knows it; it is long enough"
_NEW = "the key after: nobody but this test knows it; it is long enough"


async def _ask(socket: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    await socket.send(json.dumps(message))
    answer: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), DEADLINE_S))
    return answer


async def _open(fortress: Fortress, token: str, **changes: Any) -> dict[str, Any]:
    """Open a session that may come back, or come back to one."""
    async with connect(fortress.url("/ws/session"), additional_headers=bearer(token)) as socket:
        return await _ask(socket, {**INIT, "resume_token": "", **changes})


async def _register(fortress: Fortress, token: str, node_id: str) -> dict[str, Any]:
    async with connect(fortress.url("/ws/node"), additional_headers=bearer(token)) as socket:
        return await _ask(socket, {**REGISTER, "node_id": node_id})


@pytest.mark.req("ED13")
@pytest.mark.parametrize("server_name", ["uvicorn"], indirect=True)
async def test_what_the_old_key_signed_stays_good_while_it_is_a_fallback(
    build_fortress: Build,
) -> None:
    # A ticket must outlive a restart, however slow the machine.
    before = build_fortress(SECRET_KEY=_OLD, LINGUA_TICKET_TTL_S="600")
    token, node_token = before.issue("api", "speakers"), before.issue("node", "nodes")
    other_node_token = before.issue("node", "others")
    await asyncio.to_thread(add_superuser, before, "mira", "a password of mira")
    mira = Person(address=before.instance.address)
    await mira.log_in("mira", "a password of mira")
    ticket = json.loads((await mira.post("/api/v1/tickets", {})).text)["ticket"]
    resume_token = (await _open(before, token))["resume_token"]
    await _register(before, node_token, "n-rotated")
    before.instance.terminate()
    before.instance.wait()

    after = build_fortress(SECRET_KEY=_NEW, SECRET_KEY_FALLBACKS=_OLD, LINGUA_TICKET_TTL_S="600")
    mira.address = after.instance.address
    async with connect(after.url(f"/ws/session?ticket={ticket}")) as socket:
        by_ticket = await _ask(socket, INIT)

    assert (await mira.get("/dashboard")).status == 200
    assert by_ticket["type"] == "session_init_ack"
    assert (await _open(after, token, resume_token=resume_token))["resumed"]
    assert (await _register(after, node_token, "n-rotated"))["type"] == "node_register_ack"
    assert (await _register(after, other_node_token, "n-rotated"))["code"] == "NODE_ID_FORBIDDEN"


@pytest.mark.req("ED13")
@pytest.mark.parametrize("server_name", ["uvicorn"], indirect=True)
async def test_without_the_fallback_a_login_of_the_old_key_ends(build_fortress: Build) -> None:
    before = build_fortress(SECRET_KEY=_OLD)
    await asyncio.to_thread(add_superuser, before, "mira", "a password of mira")
    mira = Person(address=before.instance.address)
    await mira.log_in("mira", "a password of mira")
    before.instance.terminate()
    before.instance.wait()

    mira.address = build_fortress(SECRET_KEY=_NEW).instance.address

    assert (await mira.get("/dashboard")).status == 302
