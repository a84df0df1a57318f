"""Who is admitted and who has to leave, without sockets and without waiting."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import redis.asyncio

from scheduling.access.access import Access, AccessLimits, CredentialWatch
from scheduling.access.admissions import Admission
from scheduling.model import clock, errors
from scheduling.model.credentials import (
    Credential,
    Kind,
    Principal,
    Scope,
    digest_secret,
    draw_token,
    parse_token,
)
from scheduling.model.metrics import Metrics
from scheduling.store.allowances import AllowanceStore
from scheduling.store.credentials import CredentialStore
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from tests.redis_under_test import OwnRedis, open_redis

_LIMITS = AccessLimits(
    most_connections=3,
    connects_per_s=100,
    connect_burst=100,
    requests_per_s=1,
    request_burst=2,
    work_per_s=1,
    work_burst=2,
)
_TOKEN = draw_token(Kind.NODE)


@dataclass(kw_only=True)
class Gate:
    """Access, its store and its watch; `closed` is what sockets were told."""

    access: Access
    store: CredentialStore
    watch: CredentialWatch
    connection: Connection
    closed: list[tuple[int, str]] = field(default_factory=list)

    async def enter(self) -> Admission:
        principal = await self.access.show_token(_TOKEN.text, scope=Scope.NODE)
        admission = await self.access.open(principal)
        admission.attend(lambda code, reason: self.closed.append((code, reason)))
        return admission


@pytest.fixture
async def gate(redis_server: OwnRedis, prefix: str) -> AsyncIterator[Gate]:
    connection = Connection(open_redis(redis_server.url), metrics=Metrics())
    store = CredentialStore(connection, keys=Keys(prefix), life_ms=60_000)
    allowances = AllowanceStore(connection, keys=Keys(prefix))
    access = Access(credentials=store, allowances=allowances, limits=_LIMITS)
    watch = CredentialWatch(access=access, credentials=store, interval_s=1, renew_every=3)
    yield Gate(access=access, store=store, watch=watch, connection=connection)
    await connection.close()


def make_credential(*, version: int = 1, revoked: bool = False, **principal: object) -> Credential:
    fields = {"principal_id": "p1", "credential": _TOKEN.prefix, "scopes": (Scope.NODE,)}
    return Credential(
        principal=Principal(**fields | principal),
        digest=digest_secret(_TOKEN.secret),
        version=version,
        revoked=revoked,
    )


def test_a_token_reads_as_it_was_drawn() -> None:
    drawn = draw_token(Kind.API)

    assert parse_token(drawn.text) == drawn
    assert drawn.text.startswith("lat_")
    assert parse_token(drawn.text + "x") is None
    assert parse_token("\u0661" + drawn.text[1:]) is None


@pytest.mark.parametrize(
    ("credential", "scope", "code"),
    [
        (None, Scope.NODE, "UNAUTHORIZED"),
        (make_credential(revoked=True), Scope.NODE, "UNAUTHORIZED"),
        (make_credential(expires_at_ms=1), Scope.NODE, "UNAUTHORIZED"),
        (make_credential(), Scope.SESSION, "FORBIDDEN"),
        (msgspec.structs.replace(make_credential(), digest="0" * 64), Scope.NODE, "UNAUTHORIZED"),
    ],
)
async def test_a_credential_that_admits_nobody(gate: Gate, credential, scope, code) -> None:
    if credential is not None:
        await gate.store.publish(credential)

    with pytest.raises(errors.AccessDenied) as denied:
        await gate.access.show_token(_TOKEN.text, scope=scope)

    assert denied.value.code == code
    assert gate.access.take_used() == {}


async def test_use_is_noted_once_and_taken_once(gate: Gate) -> None:
    await gate.store.publish(make_credential())
    await gate.enter()
    await gate.enter()

    assert list(gate.access.take_used()) == [_TOKEN.prefix]
    assert gate.access.take_used() == {}


async def test_one_pass_ends_what_was_revoked_and_the_next_changes_nothing(gate: Gate) -> None:
    await gate.store.publish(make_credential())
    await gate.enter()
    await gate.enter()
    assert await gate.watch.run_once() == 0

    await gate.store.publish(make_credential(version=2, revoked=True))

    assert await gate.watch.run_once() == 2
    assert gate.closed == [(4401, "the credential was revoked")] * 2
    assert await gate.watch.run_once() == 0
    assert list(gate.access.admissions) == []


async def test_a_revocation_while_the_socket_opens_is_not_missed(gate: Gate) -> None:
    await gate.store.publish(make_credential())
    principal = await gate.access.show_token(_TOKEN.text, scope=Scope.NODE)
    admission = await gate.access.open(principal)
    await gate.store.publish(make_credential(version=2, revoked=True))
    await gate.watch.run_once()

    admission.attend(lambda code, reason: gate.closed.append((code, reason)))

    assert gate.closed == [(4401, "the credential was revoked")]


async def test_a_revocation_told_to_a_redis_that_lost_it_is_found_in_time(
    gate: Gate, redis_client: "redis.asyncio.Redis", prefix: str
) -> None:
    await gate.store.publish(make_credential())
    await gate.enter()
    await gate.store.publish(make_credential(version=2, revoked=True))
    await redis_client.delete(Keys(prefix).access.changes())

    assert [await gate.watch.run_once() for _ in range(3)] == [0, 0, 1]


async def test_a_lost_record_closes_nobody(gate: Gate, redis_client: "redis.asyncio.Redis") -> None:
    await gate.store.publish(make_credential())
    await gate.enter()
    await redis_client.flushall()

    assert [await gate.watch.run_once() for _ in range(6)] == [0] * 6
    assert gate.closed == []


async def test_an_end_that_came_closes_the_socket(gate: Gate, monkeypatch) -> None:
    end_ms = clock.now_ms() + 60_000
    await gate.store.publish(make_credential(expires_at_ms=end_ms))
    await gate.enter()
    assert await gate.watch.run_once() == 0
    monkeypatch.setattr(clock, "now_ms", lambda: end_ms)

    assert await gate.watch.run_once() == 1
    assert gate.closed == [(4401, "the credential has expired")]


async def test_a_socket_that_left_makes_room(gate: Gate) -> None:
    await gate.store.publish(make_credential())
    held = [await gate.enter() for _ in range(3)]
    with pytest.raises(errors.TooManyRequests):
        await gate.enter()

    gate.access.leave(held[0])

    assert (await gate.enter()).principal.principal_id == "p1"


async def test_requests_are_counted(gate: Gate) -> None:
    waits = [await gate.access.take_request(principal_id="p1") for _ in range(3)]

    assert waits[:2] == [0, 0]
    assert 0 < waits[2] <= 1000


async def test_a_person_who_is_shut_out_can_use_no_ticket(gate: Gate) -> None:
    person = Principal(principal_id="user-7", credential="user-7", scopes=(Scope.SESSION,))

    async def show(ticket_id: str) -> Principal:
        return await gate.access.show_ticket(
            ticket_id=ticket_id,
            principal=person,
            expires_at_ms=clock.now_ms() + 10_000,
            scope=Scope.SESSION,
        )

    assert await show("t1") == person
    await gate.store.publish(Credential(principal=person, digest="", version=1, revoked=True))
    with pytest.raises(errors.AccessDenied):
        await show("t2")


async def test_a_socket_whose_place_others_took_is_closed(gate: Gate, redis_client: Any) -> None:
    await gate.store.publish(make_credential())
    late = await gate.enter()
    # The process stood still for longer than the lease of its sockets.
    await redis_client.delete(*[key async for key in redis_client.scan_iter("*:sockets")])
    for _ in range(_LIMITS.most_connections):
        await gate.enter()
    gate.watch._renewed_at_ms = -1e9

    ended = await gate.watch.run_once()

    assert ended == 1
    assert gate.closed == [(4429, "too many connections")]
    assert late not in list(gate.access.admissions)
