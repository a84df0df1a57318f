"""close_session forgets a session with its newest socket, and with no other."""

import asyncio

import pytest

from scheduling.jobs.sessions import Opened, Sessions
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import SESSION, Stores

TOKEN = f"{SESSION}.shown"
INFO = f"{{session:{SESSION}}}:info"


async def open_session(stores: Stores) -> Opened:
    epoch = await stores.sessions.open(
        session_id=SESSION, instance_id="i1", profile=b"{}", resume_token=TOKEN
    )
    return Opened(session_id=SESSION, conn_epoch=epoch, resume_token=TOKEN)


def sessions_of(stores: Stores, instance_id: str) -> Sessions:
    return Sessions(
        instance_id=instance_id,
        store=stores.sessions,
        jobs=stores.jobs,
        outcomes=stores.core.outcomes,
    )


async def test_a_session_ends_with_its_socket_and_ended_before_it_is_none(
    stores: Stores, watcher: Watcher
) -> None:
    here, opened = sessions_of(stores, "i1"), await open_session(stores)
    await stores.sessions.track(session_id=SESSION, job_id="job", utterance_index=0)

    assert await here.end(opened)
    assert await watcher.read() == {}
    assert await here.end(opened)


@pytest.mark.req("I4")
@pytest.mark.parametrize("where", ["i1", "i2"])
async def test_an_older_socket_does_not_end_the_session_of_a_newer_one(
    stores: Stores, watcher: Watcher, where: str
) -> None:
    older = await open_session(stores)
    await stores.sessions.resume(session_id=SESSION, instance_id=where, resume_token=TOKEN)
    await watcher.read()

    assert not await sessions_of(stores, "i1").end(older)
    assert await watcher.find_changes() == {}


@pytest.mark.req("I4")
@pytest.mark.parametrize("where", ["i1", "i2"])
async def test_a_grace_that_ends_while_its_speaker_resumes_ends_nothing_of_the_newer_socket(
    stores: Stores, watcher: Watcher, where: str
) -> None:
    older = await open_session(stores)

    # The record is the newer socket's before anybody at this instance knows of that.
    taken, ended = await asyncio.gather(
        sessions_of(stores, where).resume(TOKEN), sessions_of(stores, "i1").end(older)
    )

    assert taken is not None
    assert not ended
    assert (await watcher.read())[INFO].value["conn_epoch"] == str(taken.opened.conn_epoch)


@pytest.mark.req("I4")
async def test_a_grace_that_ended_first_leaves_nothing_to_resume(
    stores: Stores, watcher: Watcher
) -> None:
    here, older = sessions_of(stores, "i1"), await open_session(stores)

    ended, taken = await asyncio.gather(here.end(older), here.resume(TOKEN))

    assert (ended, taken) == (True, None)
    assert await watcher.read() == {}
