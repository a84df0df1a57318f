"""The scripts of credentials and allowances, by whole state."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from scheduling.model.credentials import Credential, Principal, Scope
from scheduling.model.metrics import Metrics
from scheduling.store.allowances import AllowanceStore
from scheduling.store.credentials import CredentialStore
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from tests.redis_under_test import OwnRedis, open_redis
from tests.scripts.conftest import Watcher

_START_MS = 1_000_000
_PREFIX = "lnt_0123456789ab"
_RECORD, _CHANGES = f"{{creds}}:token:{_PREFIX}", "{creds}:changes"
_SOCKETS, _BUCKET = "{principal:p1}:sockets", "{principal:p1}:bucket:connect"


@pytest.fixture
async def connection(redis_server: OwnRedis) -> AsyncIterator[Connection]:
    made = Connection(open_redis(redis_server.url), metrics=Metrics())
    yield made
    await made.close()


@pytest.fixture
def credentials(connection: Connection, prefix: str) -> CredentialStore:
    store = CredentialStore(connection, keys=Keys(prefix), life_ms=60_000)
    store.test_clock = _START_MS
    return store


@pytest.fixture
def allowances(connection: Connection, prefix: str) -> AllowanceStore:
    store = AllowanceStore(connection, keys=Keys(prefix))
    store.test_clock = _START_MS
    return store


def make_credential(*, version: int = 1, revoked: bool = False) -> Credential:
    principal = Principal(principal_id="p1", credential=_PREFIX, scopes=(Scope.NODE,))
    return Credential(principal=principal, digest="d" * 64, version=version, revoked=revoked)


async def test_a_credential_is_published_and_its_change_told(
    credentials: CredentialStore, watcher: Watcher
) -> None:
    assert await credentials.publish(make_credential())

    assert {key: entry.value for key, entry in (await watcher.read()).items()} == {
        _RECORD: {"version": "1", "record": msgspec.json.encode(make_credential()).decode()},
        _CHANGES: {_PREFIX: float(_START_MS)},
    }
    assert await credentials.find(_PREFIX) == make_credential()
    assert await credentials.list_changes(since_ms=_START_MS) == ((_PREFIX, _START_MS),)
    assert await credentials.list_changes(since_ms=_START_MS + 1) == ()


async def test_the_same_again_tells_no_change(
    credentials: CredentialStore, watcher: Watcher
) -> None:
    await credentials.publish(make_credential())
    await watcher.read()
    credentials.test_clock = _START_MS + 5

    assert await credentials.publish(make_credential())
    assert await watcher.find_changes() == {}


async def test_an_older_record_never_wins(credentials: CredentialStore, watcher: Watcher) -> None:
    await credentials.publish(make_credential(version=2, revoked=True))
    await watcher.read()

    assert not await credentials.publish(make_credential(version=1))
    assert await watcher.find_changes() == {}


async def test_old_changes_are_dropped_with_the_next(credentials: CredentialStore) -> None:
    await credentials.publish(make_credential())
    credentials.test_clock = _START_MS + 3_600_001

    await credentials.publish(make_credential(version=2))

    assert await credentials.list_changes(since_ms=0) == ((_PREFIX, _START_MS + 3_600_001),)


async def test_a_ticket_burns_once(credentials: CredentialStore) -> None:
    assert await credentials.burn_ticket("t1", for_ms=60_000)
    assert not await credentials.burn_ticket("t1", for_ms=60_000)


async def test_a_bucket_gives_its_burst_then_its_rate(allowances: AllowanceStore) -> None:
    async def take() -> int:
        taken = await allowances.take(principal_id="p1", bucket="connect", per_s=0.02, burst=3)
        return 0 if taken.done else taken.retry_after_ms

    assert [await take() for _ in range(4)] == [0, 0, 0, 50_000]
    allowances.test_clock = _START_MS + 49_999
    assert 0 < await take() <= 2
    allowances.test_clock = _START_MS + 50_000
    assert [await take(), await take()] == [0, 50_000]
    allowances.test_clock = _START_MS + 3_600_000
    assert [await take() for _ in range(4)] == [0, 0, 0, 50_000]


async def test_an_empty_bucket_is_not_changed(allowances: AllowanceStore, watcher: Watcher) -> None:
    await allowances.take(principal_id="p1", bucket="connect", per_s=0.01, burst=1)
    assert list(await watcher.read()) == [_BUCKET]
    allowances.test_clock = _START_MS + 5

    taken = await allowances.take(principal_id="p1", bucket="connect", per_s=0.01, burst=1)

    assert not taken.done
    assert await watcher.find_changes() == {}


async def test_a_clock_that_goes_back_gives_nothing(allowances: AllowanceStore) -> None:
    await allowances.take(principal_id="p1", bucket="connect", per_s=0.01, burst=1)
    allowances.test_clock = _START_MS - 60_000

    assert not (
        await allowances.take(principal_id="p1", bucket="connect", per_s=0.01, burst=1)
    ).done


async def test_sockets_are_counted_renewed_and_dropped(
    allowances: AllowanceStore, watcher: Watcher
) -> None:
    async def hold(connection_id: str) -> bool:
        return await allowances.hold_connection(
            principal_id="p1", connection_id=connection_id, most=2, lease_ms=60_000
        )

    assert [await hold("a"), await hold("b"), await hold("c")] == [True, True, False]
    allowances.test_clock = _START_MS + 30_000
    assert await hold("a"), "a socket that is counted is renewed even when all are taken"
    assert {key: entry.value for key, entry in (await watcher.read()).items()} == {
        _SOCKETS: {"a": _START_MS + 90_000.0, "b": _START_MS + 60_000.0}
    }
    allowances.test_clock = _START_MS + 60_000
    assert await hold("c"), "the lease of one that nobody renewed has ended"
    await allowances.drop_connection(principal_id="p1", connection_id="a")
    assert await hold("d")


async def test_a_node_id_is_its_first_owners_until_a_credential_names_it(
    allowances: AllowanceStore,
) -> None:
    async def claim(principal_id: str, *, is_named: bool = False) -> bool:
        return await allowances.claim_node_id(
            node_id="n1", principal_id=principal_id, life_ms=60_000, is_named=is_named
        )

    assert [await claim("p1"), await claim("p1"), await claim("p2")] == [True, True, False]
    assert await claim("p2", is_named=True)
    assert not await claim("p1")


@pytest.mark.req("ED12")
async def test_tries_are_free_then_cost_a_wait_that_doubles_up_to_the_longest(
    allowances: AllowanceStore, watcher: Watcher
) -> None:
    now_ms, waits = _START_MS, []

    async def attempt(number: int) -> int:
        allowances.test_clock = now_ms
        return await allowances.take_attempt(
            principal_id="p1", attempt=f"a{number}", free=2, first_ms=1_000, longest_ms=5_000
        )

    assert await attempt(0) == 0
    for number in range(1, 7):
        assert await attempt(number) == 0
        assert await attempt(number) == 0, "the same again, after a reply that was lost"
        waits.append(await attempt(100))
        now_ms += waits[-1]

    assert waits == [1_000, 2_000, 4_000, 5_000, 5_000, 5_000]
    assert (await watcher.read())["{principal:p1}:attempts"].value == {
        "count": "7",
        "until_ms": str(now_ms),
        "last": "a6",
    }
    await allowances.drop_attempts(principal_id="p1")
    assert await attempt(8) == 0


@pytest.mark.req("ED12")
async def test_a_try_that_comes_too_early_changes_nothing(
    allowances: AllowanceStore, watcher: Watcher
) -> None:
    async def attempt(number: int) -> int:
        return await allowances.take_attempt(
            principal_id="p1", attempt=f"a{number}", free=1, first_ms=1_000, longest_ms=5_000
        )

    assert await attempt(0) == 0
    await watcher.read()

    assert [await attempt(1), await attempt(2)] == [1_000, 1_000]
    assert await watcher.find_changes() == {}
