"""What one socket heard is created or completed before its session is on the next one, or never.

Whoever speaks says again on the next socket what was not safe by then (SP9).
"""

import msgspec
import pytest

from scheduling.model.credentials import NOBODY
from scheduling.model.jobs import ELSEWHERE, NO_JOB, Completed, Request
from scheduling.store.sessions import Resumed
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import (
    JOB,
    SESSION,
    START_MS,
    Stores,
    begin,
    complete,
    create,
    make_request,
)

SHOWN = "shown to resume"
INDEX, SAFE_SEQ = 4, 37


async def open_session(stores: Stores) -> int:
    return await stores.sessions.open(
        session_id=SESSION, instance_id="i1", profile=b"{}", resume_token=SHOWN
    )


async def resume(stores: Stores) -> Resumed:
    resumed = await stores.sessions.resume(session_id=SESSION, instance_id="i2", resume_token=SHOWN)
    assert resumed is not None
    return resumed


def hear(conn_epoch: int, *, job_id: str = JOB) -> Request:
    """Return an utterance of a speaker who says again what is lost with its socket."""
    request = make_request(job_id, utterance_index=INDEX)
    return msgspec.structs.replace(request, conn_epoch=conn_epoch, safe_seq=SAFE_SEQ)


def hear_beginning(conn_epoch: int) -> Request:
    return begin(msgspec.structs.replace(hear(conn_epoch), safe_seq=-1))


@pytest.mark.req("SP9")
async def test_who_resumes_after_an_utterance_began_finds_it_and_counts_on(stores: Stores) -> None:
    await create(stores, hear_beginning(await open_session(stores)))

    resumed = await resume(stores)

    assert (resumed.next_index, resumed.safe_seq) == (INDEX + 1, -1)
    assert await stores.sessions.list_tracked(session_id=SESSION) == [JOB]


@pytest.mark.req("SP9")
@pytest.mark.parametrize("was_heard", [hear, hear_beginning])
async def test_nothing_is_created_for_a_socket_that_the_session_left(
    was_heard, stores: Stores, watcher: Watcher
) -> None:
    older = await open_session(stores)
    await resume(stores)
    await watcher.read()

    assert await create(stores, was_heard(older)) == NO_JOB
    assert await watcher.find_changes() == {}


@pytest.mark.req("SP9")
async def test_a_job_created_before_is_not_denied_to_a_repeat_of_that_call(
    stores: Stores, watcher: Watcher
) -> None:
    older = await open_session(stores)
    await create(stores, hear(older))
    await resume(stores)
    await watcher.read()

    assert await create(stores, hear(older)) is None
    assert await watcher.find_changes() == {}


@pytest.mark.req("SP9")
async def test_a_whole_utterance_is_the_same_on_each_socket(stores: Stores) -> None:
    await open_session(stores)
    await resume(stores)

    assert await create(stores, hear(0)) is None
    assert await stores.sessions.list_tracked(session_id=SESSION) == []


@pytest.mark.req("SP9")
@pytest.mark.parametrize("steps", [(hear,), (hear_beginning, hear)])
async def test_what_was_whole_before_is_safe_for_who_resumes(steps, stores: Stores) -> None:
    epoch = await open_session(stores)
    await create(stores, steps[0](epoch))
    for whole in steps[1:]:
        await complete(stores, whole(epoch))

    assert (await resume(stores)).safe_seq == SAFE_SEQ


@pytest.mark.req("SP9")
async def test_what_is_said_again_elsewhere_is_not_completed(
    stores: Stores, watcher: Watcher
) -> None:
    epoch = await open_session(stores)
    await create(stores, hear_beginning(epoch))
    await resume(stores)
    await watcher.read()

    assert await complete(stores, hear(epoch)) == Completed(word=ELSEWHERE)
    assert await watcher.find_changes() == {}


@pytest.mark.req("SP9")
async def test_what_was_completed_before_stays_so_when_that_is_said_twice(stores: Stores) -> None:
    epoch = await open_session(stores)
    await create(stores, hear_beginning(epoch))
    first = await complete(stores, hear(epoch))
    await resume(stores)

    assert await complete(stores, hear(epoch)) == first


@pytest.mark.req("SP9", "G5")
async def test_a_session_written_back_after_a_loss_is_on_the_same_socket(stores: Stores) -> None:
    epoch = START_MS - 5_000
    await stores.sessions.restore(
        session_id=SESSION,
        instance_id="i1",
        profile=b"{}",
        resume_token=SHOWN,
        owner=NOBODY,
        conn_epoch=epoch,
    )

    assert await create(stores, hear(epoch)) is None
