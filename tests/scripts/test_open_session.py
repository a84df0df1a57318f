"""open_session takes an id that is free."""

from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import SESSION, START_MS, Stores

INFO = f"{{session:{SESSION}}}:info"


async def open_session(stores: Stores, *, instance_id: str = "i1") -> bool:
    return await stores.sessions.open(session_id=SESSION, instance_id=instance_id, profile=b"{}")


async def test_a_session_is_opened(stores: Stores, watcher: Watcher) -> None:
    assert await open_session(stores)
    assert {key: entry.value for key, entry in (await watcher.read()).items()} == {
        INFO: {
            "instance_id": "i1",
            "conn_epoch": str(START_MS),
            "profile": "{}",
            "opened_at_ms": str(START_MS),
        }
    }


async def test_an_id_that_is_taken_is_refused(stores: Stores, watcher: Watcher) -> None:
    await open_session(stores)
    await watcher.read()

    assert not await open_session(stores, instance_id="i2")
    assert await watcher.find_changes() == {}


async def test_a_session_lives_as_long_as_it_is_renewed(stores: Stores, redis_client) -> None:
    await open_session(stores)
    key = stores.keys.session.info(SESSION)
    await redis_client.pexpire(key, 30_000)

    await stores.sessions.renew(session_id=SESSION)

    assert await redis_client.pttl(key) > 30_000


async def test_a_closed_session_is_gone_and_its_id_free(stores: Stores, watcher: Watcher) -> None:
    await open_session(stores)

    await stores.sessions.close(session_id=SESSION, instance_id="i1", conn_epoch=START_MS)

    assert await watcher.read() == {}
    assert await open_session(stores)
