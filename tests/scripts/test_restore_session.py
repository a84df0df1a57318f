"""restore_session writes back what Redis lost; of several sockets the newest has the session."""

import asyncio

import pytest

from scheduling.jobs.sessions import Opened, Sessions
from scheduling.model.credentials import Owner
from scheduling.store.sessions import Restored
from tests.scripts.conftest import Resend, Watcher
from tests.scripts.fixtures import SESSION, START_MS, Stores

pytestmark = pytest.mark.req("G5", "I4")

TOKEN = f"{SESSION}.shown"
INFO = f"{{session:{SESSION}}}:info"
OWNER = Owner(principal_id="p1", tenant_id="t1")
OLDER, NEWER = START_MS - 2, START_MS - 1


async def restore(
    stores: Stores, instance_id: str, conn_epoch: int, *, token: str = TOKEN
) -> Restored:
    sessions = Sessions(
        instance_id=instance_id,
        store=stores.sessions,
        jobs=stores.jobs,
        outcomes=stores.core.outcomes,
    )
    opened = Opened(
        session_id=SESSION,
        conn_epoch=conn_epoch,
        resume_token=token,
        owner=OWNER if token else Owner(),
    )
    return await sessions.restore(opened, profile=b"{}")


async def test_what_redis_lost_is_written_back_as_it_was(stores: Stores, watcher: Watcher) -> None:
    assert await restore(stores, "i1", OLDER) == Restored(newest=OLDER)
    assert {key: entry.value for key, entry in (await watcher.read()).items()} == {
        INFO: {
            "instance_id": "i1",
            "conn_epoch": str(OLDER),
            "profile": "{}",
            "opened_at_ms": str(START_MS),
            "resume_token": TOKEN,
            "owner": "p1",
            "owner_tenant": "t1",
        }
    }


async def test_what_is_there_stays(stores: Stores, watcher: Watcher, resend: Resend) -> None:
    await restore(stores, "i1", OLDER)
    await watcher.read()

    assert await restore(stores, "i1", OLDER) == Restored(newest=OLDER)
    assert (await resend())[0] == 0
    assert await watcher.find_changes() == {}


async def test_a_session_without_a_socket_is_written_back_where_there_is_none(
    stores: Stores, watcher: Watcher
) -> None:
    await restore(stores, "i1", 0, token="")
    assert (await watcher.read())[INFO].value["conn_epoch"] == str(START_MS)

    assert await restore(stores, "i2", 0, token="") == Restored(newest=START_MS)
    assert await watcher.find_changes() == {}


async def test_a_newer_socket_takes_what_an_older_one_wrote_back(
    stores: Stores, watcher: Watcher
) -> None:
    await restore(stores, "i1", OLDER)
    await watcher.read()

    assert await restore(stores, "i2", NEWER) == Restored(newest=NEWER, was_at="i1")
    record = (await watcher.read())[INFO].value
    assert (record["instance_id"], record["conn_epoch"]) == ("i2", str(NEWER))


async def test_an_older_socket_is_told_of_the_newer_one_and_changes_nothing(
    stores: Stores, watcher: Watcher
) -> None:
    await restore(stores, "i2", NEWER)
    await watcher.read()

    assert await restore(stores, "i1", OLDER) == Restored(newest=NEWER)
    assert await watcher.find_changes() == {}


@pytest.mark.parametrize("order", [("i1", "i2"), ("i2", "i1")])
async def test_of_sockets_that_write_back_at_once_the_newest_has_the_session(
    stores: Stores, watcher: Watcher, order: tuple[str, str]
) -> None:
    epochs = {"i1": OLDER, "i2": NEWER}

    await asyncio.gather(*(restore(stores, where, epochs[where]) for where in order))

    record = (await watcher.read())[INFO].value
    assert (record["instance_id"], record["conn_epoch"]) == ("i2", str(NEWER))
