"""create_job binds an utterance and its request id to one job, and creates that job once."""

import msgspec
import pytest

from scheduling.model.jobs import JobState
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import (
    JOB,
    JOB_LIMITS,
    NEED,
    OTHER_JOB,
    REFUSED,
    SESSION,
    START_MS,
    Stores,
    create,
    encode_frame,
    make_request,
)

TAG = f"{{session:{SESSION}}}"


@pytest.mark.req("J1", "J2", "J4", "I-10")
@pytest.mark.parametrize(("node_id", "state"), [("n1", "RESERVED"), ("", "SELECTING")])
async def test_a_job_is_created_with_all_that_it_needs(
    node_id: str, state: str, stores: Stores, watcher: Watcher
) -> None:
    request = make_request(request_id="r1", utterance_index=3)

    existing = await create(stores, request, node_id=node_id)

    assert existing is None
    now = str(START_MS)
    assert {key: entry.value for key, entry in (await watcher.read()).items()} == {
        f"{TAG}:job:{JOB}": {
            "job_id": JOB,
            "session_id": SESSION,
            "tenant_id": "t1",
            "utterance_index": "3",
            "trace_id": "trace-1",
            "need": msgspec.json.encode(NEED).decode(),
            "state": state,
            "attempt": "1",
            "node_id": node_id,
            "node:1": node_id,
            "created_at_ms": now,
            "deadline_at_ms": str(START_MS + JOB_LIMITS.ack_timeout_ms),
            "at:1:NEW": now,
            f"at:1:{state}": now,
        },
        f"{TAG}:payload:{JOB}": encode_frame(request),
        f"{TAG}:bind:3:es": JOB,
        f"{TAG}:bind:request:r1": JOB,
    }


@pytest.mark.req("J2", "I-10")
async def test_sent_twice_it_creates_one_job(stores: Stores, watcher: Watcher) -> None:
    request = make_request(request_id="r1")
    await create(stores, request)
    await watcher.read()
    stores.advance_clock(100)

    again = await create(stores, request)

    assert again is None
    assert await watcher.find_changes() == {}


@pytest.mark.req("J4")
async def test_an_utterance_that_has_a_job_gets_no_other(stores: Stores, watcher: Watcher) -> None:
    await create(stores, make_request())
    await watcher.read()

    existing = await create(stores, make_request(OTHER_JOB, request_id="r1"))

    assert existing == JOB
    assert await watcher.find_changes() == {}


@pytest.mark.req("J2", "I-9")
async def test_a_request_that_has_a_job_gets_no_other(stores: Stores, watcher: Watcher) -> None:
    await create(stores, make_request(request_id="r1"))
    await watcher.read()

    existing = await create(stores, make_request(OTHER_JOB, request_id="r1", utterance_index=1))

    assert existing == JOB
    assert await watcher.find_changes() == {}


@pytest.mark.req("J2", "J4")
async def test_a_binding_holds_past_the_end_of_its_job(stores: Stores) -> None:
    await create(stores, make_request())
    await stores.jobs.finish(
        session_id=SESSION, job_id=JOB, state=JobState.CANCELLED, outcome=REFUSED
    )

    assert await create(stores, make_request(OTHER_JOB)) == JOB


@pytest.mark.req("J14")
async def test_bindings_and_records_live_as_long_as_they_should(
    stores: Stores, redis_client
) -> None:
    await create(stores, make_request())

    binding = await redis_client.pttl(stores.keys.session.binding(SESSION, "0:es"))
    record = await redis_client.pttl(stores.keys.session.job(SESSION, JOB))
    frame = await redis_client.pttl(stores.keys.session.payload(SESSION, JOB))

    assert 0 <= JOB_LIMITS.binding_ms - binding < 10_000
    assert 0 <= JOB_LIMITS.live_record_ms - record < 10_000
    assert 0 <= JOB_LIMITS.live_record_ms - frame < 10_000
