"""The table of attacks on sockets, each with its outcome, on both servers."""

import asyncio
import contextlib
import json
import socket as socket_module
import time
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from lingua import settings
from scheduling.model.credentials import Principal, Scope
from sockets.tickets import sign_ticket
from tests.redis_under_test import open_redis
from tests.security.conftest import Build
from tests.security.fortress import DEADLINE_S, INIT, REGISTER, Fortress, bearer, prefix_of
from tests.waiting import eventually, keeps_to

_SOCKETS = ("/ws/node", "/ws/session")
_UNKNOWN = "lnt_0123456789ab_" + "A" * 43
_FOREIGN = "https://evil.example"
# A speaker who sends as fast as it can has filled all buffers long before.
_FILLED_WITHIN_S = 6


async def _ask(socket: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    await socket.send(json.dumps(message))
    answer: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), DEADLINE_S))
    return answer


async def _find_close_code(socket: ClientConnection) -> int:
    await asyncio.wait_for(socket.wait_closed(), DEADLINE_S)
    assert socket.close_code is not None
    return socket.close_code


async def _is_refused(url: str, **options: Any) -> int:
    """Return the status with which a handshake was refused."""
    with pytest.raises(websockets.InvalidStatus) as refused:
        await connect(url, **options)
    return refused.value.response.status_code


def _connect_with_small_buffer(fortress: Fortress) -> socket_module.socket:
    """Return a connection that takes in little which nobody reads."""
    host, port = fortress.instance.address.split(":")
    plain = socket_module.socket()
    plain.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_RCVBUF, 4096)
    plain.connect((host, int(port)))
    plain.settimeout(0)
    return plain


@pytest.fixture
def node_token(fortress: Fortress) -> str:
    return fortress.issue("node", "nodes")


@pytest.fixture
def api_token(fortress: Fortress) -> str:
    return fortress.issue("api", "speakers")


def _sign(monkeypatch: pytest.MonkeyPatch, fortress: Fortress, token: str, *, life_ms: int) -> str:
    """Sign a ticket as the server would."""
    monkeypatch.setattr(settings, "SECRET_KEY", fortress.variables["SECRET_KEY"])
    from django.conf import settings as django_settings  # noqa: PLC0415 - patched here alone

    monkeypatch.setattr(django_settings, "SECRET_KEY", fortress.variables["SECRET_KEY"])
    principal = Principal(
        principal_id="lat-test", credential=prefix_of(token), scopes=(Scope.SESSION,)
    )
    return sign_ticket(principal, life_ms=life_ms)[0]


async def test_who_shows_a_token_comes_in(
    fortress: Fortress, node_token: str, api_token: str
) -> None:
    async with (
        connect(fortress.url("/ws/node"), additional_headers=bearer(node_token)) as node,
        connect(fortress.url("/ws/session"), additional_headers=bearer(api_token)) as speaker,
    ):
        registered = await _ask(node, REGISTER)
        opened = await _ask(speaker, INIT)

    assert registered["type"] == "node_register_ack"
    assert opened["type"] == "session_init_ack"


@pytest.mark.parametrize("path", _SOCKETS)
async def test_no_token_is_403(fortress: Fortress, path: str) -> None:
    assert await _is_refused(fortress.url(path)) == 403


@pytest.mark.parametrize("path", _SOCKETS)
@pytest.mark.parametrize(
    "shown",
    [
        _UNKNOWN,
        "lnt_0123456789ab_short",
        "Bearer",
        "'; DROP TABLE tokens; --",
        "lnt_{creds}0123_" + "A" * 43,
        "\u00ff" * 60,
    ],
)
async def test_a_wrong_token_is_403(fortress: Fortress, path: str, shown: str) -> None:
    headers = {"Authorization": f"Bearer {shown}".encode("latin1").decode("latin1")}

    assert await _is_refused(fortress.url(path), additional_headers=headers) == 403


async def test_a_right_prefix_with_a_wrong_secret_is_403(
    fortress: Fortress, node_token: str
) -> None:
    forged = node_token[:-1] + ("A" if node_token[-1] != "A" else "B")

    status = await _is_refused(fortress.url("/ws/node"), additional_headers=bearer(forged))

    assert status == 403


@pytest.mark.parametrize("path", _SOCKETS)
async def test_a_token_for_something_else_is_403(
    fortress: Fortress, path: str, node_token: str, api_token: str
) -> None:
    wrong = api_token if path == "/ws/node" else node_token

    assert await _is_refused(fortress.url(path), additional_headers=bearer(wrong)) == 403


async def test_a_token_in_the_address_is_not_taken(fortress: Fortress, api_token: str) -> None:
    for name in ("ticket", "token", "access_token"):
        assert await _is_refused(fortress.url(f"/ws/session?{name}={api_token}")) == 403


async def test_an_expired_token_is_403_and_ends_its_socket(fortress: Fortress) -> None:
    token = fortress.manage("token", "create", "api", "brief", "--days", str(8 / 86_400))
    async with connect(fortress.url("/ws/session"), additional_headers=bearer(token)) as socket:
        code = await _find_close_code(socket)

    assert code == 4401
    assert await _is_refused(fortress.url("/ws/session"), additional_headers=bearer(token)) == 403


@pytest.mark.parametrize(("kind", "path"), [("node", "/ws/node"), ("api", "/ws/session")])
async def test_a_revocation_closes_the_socket_within_two_seconds(
    fortress: Fortress, kind: str, path: str
) -> None:
    async def revoke() -> float:
        token = fortress.manage("token", "create", kind, "to be revoked")
        async with connect(fortress.url(path), additional_headers=bearer(token)) as socket:
            await asyncio.to_thread(fortress.manage, "token", "revoke", prefix_of(token))
            told_at = time.monotonic()
            code = await _find_close_code(socket)
            took_s = time.monotonic() - told_at
        assert code == 4401
        assert await _is_refused(fortress.url(path), additional_headers=bearer(token)) == 403
        return took_s

    await keeps_to(2, revoke)


async def test_a_revoked_speaker_who_does_not_read_is_gone_all_the_same(
    build_fortress: Build,
) -> None:
    # So many frames at once that their answers fill every buffer on the way.
    fortress = build_fortress(LINGUA_PRINCIPAL_FRAME_BURST="1000000")
    await keeps_to(3, lambda: _revoke_deaf_speaker(fortress))


async def _revoke_deaf_speaker(fortress: Fortress) -> float:
    """Revoke the token of a speaker who does not read; return how long the session outlived it."""
    token = fortress.manage("token", "create", "api", "deaf")
    headers = bearer(token)
    url = fortress.url("/ws/session")
    small = _connect_with_small_buffer(fortress)
    async with (
        connect(
            url, sock=small, additional_headers=headers, max_queue=1, compression=None
        ) as socket,
        open_redis(fortress.redis_url) as client,
    ):
        session_id = (await _ask(socket, INIT))["session_id"]
        record = f"{fortress.prefix}:v2:{{session:{session_id}}}:info"
        assert await client.exists(record)
        # Each is answered, until every buffer on the way is full and nothing more is read.
        beat = {"type": "client_heartbeat", "session_id": session_id, "timestamp": 1}
        frame = json.dumps(beat)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FILLED_WITHIN_S):
                while True:
                    await socket.send(frame)
        await asyncio.to_thread(fortress.manage, "token", "revoke", prefix_of(token))
        told_at = time.monotonic()

        async def is_gone() -> bool:
            return not await client.exists(record)

        await eventually(is_gone, "the session is still there", within_s=DEADLINE_S)
        took_s = time.monotonic() - told_at
        socket.transport.abort()
    return took_s


async def test_a_rotated_token_and_its_successor_are_one_principal(fortress: Fortress) -> None:
    token = fortress.manage("token", "create", "node", "rotated")
    successor = fortress.manage("token", "rotate", prefix_of(token))
    wanted = {**REGISTER, "node_id": "kept-over-rotation"}

    for shown in (token, successor):
        async with connect(fortress.url("/ws/node"), additional_headers=bearer(shown)) as node:
            assert (await _ask(node, wanted))["node_id"] == "kept-over-rotation"


@pytest.mark.req("N4", "I-49")
async def test_another_nodes_id_is_refused(fortress: Fortress, node_token: str) -> None:
    other_token = fortress.issue("node", "others")
    mine = {**REGISTER, "node_id": "mine"}
    async with (
        connect(fortress.url("/ws/node"), additional_headers=bearer(node_token)) as owner,
        connect(fortress.url("/ws/node"), additional_headers=bearer(other_token)) as thief,
    ):
        await _ask(owner, mine)
        refused = await _ask(thief, mine)
        code = await _find_close_code(thief)
        await asyncio.wait_for(await owner.ping(), DEADLINE_S)

    assert refused["code"] == "NODE_ID_FORBIDDEN"
    assert code == 1008


@pytest.mark.req("N2", "N3", "I-56")
async def test_a_registration_that_is_refused_claims_no_id(
    fortress: Fortress, node_token: str
) -> None:
    other_token = fortress.issue("node", "others")
    free = {**REGISTER, "node_id": "free"}
    async with connect(fortress.url("/ws/node"), additional_headers=bearer(node_token)) as first:
        refused = await _ask(first, {**free, "capability_schema_version": "1.0"})
    async with connect(fortress.url("/ws/node"), additional_headers=bearer(other_token)) as second:
        given = await _ask(second, free)

    assert refused["code"] == "INVALID_CAPABILITY_SCHEMA"
    assert given["node_id"] == "free"


async def test_a_token_that_names_a_node_is_that_node_alone(
    fortress: Fortress, node_token: str
) -> None:
    named = fortress.issue("node", "Berlin", "--node-id", "berlin-1")
    headers = bearer(named)
    async with connect(fortress.url("/ws/node"), additional_headers=headers) as node:
        given = await _ask(node, REGISTER)
    async with connect(fortress.url("/ws/node"), additional_headers=headers) as node:
        refused = await _ask(node, {**REGISTER, "node_id": "paris-1"})
    # Even while it is away nobody else gets its id.
    async with connect(fortress.url("/ws/node"), additional_headers=bearer(node_token)) as node:
        taken = await _ask(node, {**REGISTER, "node_id": "berlin-1"})

    assert given["node_id"] == "berlin-1"
    assert refused["code"] == taken["code"] == "NODE_ID_FORBIDDEN"


async def test_another_tenants_session_is_refused(fortress: Fortress, api_token: str) -> None:
    acme = fortress.issue("api", "acme", "--tenant", "acme")
    async with (
        connect(fortress.url("/ws/session"), additional_headers=bearer(acme)) as one,
        connect(fortress.url("/ws/session"), additional_headers=bearer(api_token)) as other,
    ):
        foreign = await _ask(one, {**INIT, "tenant_id": "globex"})
        own = await _ask(one, {**INIT, "tenant_id": "acme"})
        spoken = await _ask(
            other,
            {
                "type": "audio_chunk",
                "session_id": own["session_id"],
                "seq": 0,
                "is_final": True,
                "payload": "AAAA",
            },
        )
        beaten = await _ask(
            other,
            {"type": "client_heartbeat", "session_id": own["session_id"], "timestamp": 1},
        )

    assert foreign["code"] == "FORBIDDEN"
    assert own["type"] == "session_init_ack"
    assert "Session does not exist" in spoken["message"]
    assert beaten["code"] == "INVALID_SESSION"


async def test_a_ticket_is_good_once(
    fortress: Fortress, api_token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = _sign(monkeypatch, fortress, api_token, life_ms=30_000)
    url = fortress.url(f"/ws/session?ticket={ticket}")
    async with connect(url) as speaker:
        opened = await _ask(speaker, INIT)

    assert opened["type"] == "session_init_ack"
    assert await _is_refused(url) == 403
    assert await _is_refused(fortress.url(f"/ws/node?ticket={ticket}")) == 403


async def test_a_ticket_travels_as_a_subprotocol(
    fortress: Fortress, api_token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = _sign(monkeypatch, fortress, api_token, life_ms=30_000)
    offered: Any = ["lingua.v1", f"lingua.bearer.{ticket}"]

    async with connect(fortress.url("/ws/session"), subprotocols=offered) as speaker:
        chosen = speaker.subprotocol
        opened = await _ask(speaker, INIT)

    assert chosen == "lingua.v1", "the secret is never sent back"
    assert opened["type"] == "session_init_ack"


async def test_a_stolen_ticket_is_useless_after_its_end(
    fortress: Fortress, api_token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = _sign(monkeypatch, fortress, api_token, life_ms=-1)
    forged = _sign(monkeypatch, fortress, api_token, life_ms=30_000)[:-1] + "!"

    for ticket in (late, forged, "", "a.b.c"):
        assert await _is_refused(fortress.url(f"/ws/session?ticket={ticket}")) == 403


async def test_a_ticket_of_a_revoked_token_is_useless(
    fortress: Fortress, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = fortress.manage("token", "create", "api", "revoked before its ticket was used")
    ticket = _sign(monkeypatch, fortress, token, life_ms=30_000)
    fortress.manage("token", "revoke", prefix_of(token))

    assert await _is_refused(fortress.url(f"/ws/session?ticket={ticket}")) == 403


@pytest.mark.req("ED9")
async def test_a_page_of_a_foreign_site_is_403_whatever_it_shows(
    fortress: Fortress, api_token: str
) -> None:
    for origin in (_FOREIGN, "http://localhost.evil.example", "null", "file://"):
        status = await _is_refused(
            fortress.url("/ws/session"),
            additional_headers=bearer(api_token),
            origin=websockets.Origin(origin),
        )
        assert status == 403


async def test_a_page_of_our_own_site_comes_in_and_is_told_4401_without_a_ticket(
    fortress: Fortress, api_token: str
) -> None:
    origin = websockets.Origin("http://localhost:9001")
    async with connect(
        fortress.url("/ws/session"), additional_headers=bearer(api_token), origin=origin
    ) as socket:
        opened = await _ask(socket, INIT)
    async with connect(fortress.url("/ws/session"), origin=origin) as socket:
        code = await _find_close_code(socket)

    assert opened["type"] == "session_init_ack"
    assert code == 4401


@pytest.mark.parametrize(("kind", "path"), [("node", "/ws/node"), ("api", "/ws/session")])
async def test_a_frame_of_8_mib_and_one_byte_is_1009(
    fortress: Fortress, kind: str, path: str
) -> None:
    token = fortress.issue(kind, "huge")
    async with connect(fortress.url(path), additional_headers=bearer(token)) as socket:
        # The server reads the length alone: it may have closed before all was sent.
        with suppress(websockets.ConnectionClosed):
            await socket.send("x" * (8 * 1024 * 1024 + 1))
        assert await _find_close_code(socket) == 1009


async def test_each_kind_of_socket_has_a_limit_of_its_own(build_fortress: Build) -> None:
    fortress = build_fortress(LINGUA_NODE_MAX_FRAME_BYTES="2048")
    token = fortress.issue("node", "huge")
    async with connect(fortress.url("/ws/node"), additional_headers=bearer(token)) as socket:
        await socket.send("\u00e9" * 1025)
        assert await _find_close_code(socket) == 1009


async def test_one_principal_cannot_take_all_sockets(build_fortress: Build) -> None:
    fortress = build_fortress(LINGUA_PRINCIPAL_MAX_CONNECTIONS="20")
    token, other = fortress.issue("api", "greedy"), fortress.issue("api", "modest")
    url = fortress.url("/ws/session")
    async with AsyncExitStack() as sockets:
        for _ in range(20):
            await sockets.enter_async_context(connect(url, additional_headers=bearer(token)))
        refused = await asyncio.gather(
            *(_is_refused(url, additional_headers=bearer(token)) for _ in range(20))
        )
        async with connect(url, additional_headers=bearer(other)) as socket:
            served = await _ask(socket, INIT)

    assert set(refused) == {403}
    assert served["type"] == "session_init_ack"


async def test_one_principal_cannot_reconnect_without_end(build_fortress: Build) -> None:
    fortress = build_fortress(LINGUA_CONNECT_BURST="5", LINGUA_CONNECTS_PER_SECOND="0.01")
    token = fortress.issue("api", "restless")
    url = fortress.url("/ws/session")
    for _ in range(5):
        async with connect(url, additional_headers=bearer(token)):
            pass
    async with connect(
        url, additional_headers=bearer(token), origin=websockets.Origin("http://localhost")
    ) as socket:
        code = await _find_close_code(socket)

    assert await _is_refused(url, additional_headers=bearer(token)) == 403
    assert code == 4429


async def test_credentials_come_back_after_redis_lost_everything(
    fortress: Fortress, node_token: str
) -> None:
    async with connect(
        fortress.url("/ws/node"), additional_headers=bearer(node_token)
    ) as bystander:
        async with open_redis(fortress.redis_url) as client:
            await client.flushall()

        async def is_let_in() -> bool:
            try:
                async with connect(fortress.url("/ws/node"), additional_headers=bearer(node_token)):
                    return True
            except websockets.InvalidStatus:
                return False

        await eventually(is_let_in, "it is still refused", within_s=DEADLINE_S)
        still = await _ask(bystander, REGISTER)

    assert still["type"] == "node_register_ack"
