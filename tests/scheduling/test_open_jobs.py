"""Jobs whose speech goes on: their timers, their attempts, and one that Redis lost."""

import msgspec
import pytest
import redis.asyncio

from scheduling.model.events import (
    JobAssigned,
    JobDispatched,
    JobSettled,
    StreamFailed,
)
from scheduling.model.jobs import STREAMING, JobState
from scheduling.model.nodes import Usage
from scheduling.model.outcomes import Refused
from tests.scheduling.core import Services
from tests.scheduling.mailboxes import RecordingNode, RecordingSpeaker
from tests.scripts.fixtures import (
    DESCRIPTION,
    JOB,
    JOB_LIMITS,
    SESSION,
    begin,
    make_request,
)

STREAMS = msgspec.structs.replace(DESCRIPTION, ready_types=DESCRIPTION.ready_types | {STREAMING})


async def attach(core: Services, node_id: str, description=DESCRIPTION) -> RecordingNode:
    """Attach a node that is ready."""
    registration = await core.registry.register(
        node_id=node_id, max_jobs=2, description=description, shown_token="", running=()
    )
    heard = await core.registry.record_heartbeat(
        node=registration.node,
        usage=Usage(),
        description=description,
        healthy=True,
        draining=None,
        running=None,
    )
    mailbox = RecordingNode(heard.node)
    core.delivery.local.attach_node(node_id, mailbox)
    return mailbox


@pytest.fixture
def speaker(core: Services) -> RecordingSpeaker:
    mailbox = RecordingSpeaker()
    core.delivery.local.attach_session(SESSION, mailbox)
    return mailbox


async def open_job(core: Services) -> None:
    request = make_request()
    request = msgspec.structs.replace(request, assignment=begin(request).assignment)
    assert await core.streaming.open(request)


async def find(core: Services) -> tuple[JobState, int, str]:
    record = await core.stores.jobs.find(session_id=SESSION, job_id=JOB)
    assert record is not None
    return record.state, record.attempt, record.node_id


async def accept(core: Services, node_id: str, attempt: int = 1) -> None:
    """Let a node acknowledge its attempt."""
    reply = await core.stores.jobs.advance(
        session_id=SESSION,
        job_id=JOB,
        attempt=attempt,
        node_id=node_id,
        state=JobState.ACKED,
        deadline_ms=JOB_LIMITS.run_timeout_ms,
    )
    assert reply.done


def list_assigned(node: RecordingNode) -> list[tuple[int, bool]]:
    return [(one.attempt, one.is_open) for one in node.told if isinstance(one, JobAssigned)]


def list_dispatched(speaker: RecordingSpeaker) -> list[tuple[int, bool]]:
    return [(one.attempt, one.is_open) for one in speaker.told if isinstance(one, JobDispatched)]


def find_refusal(speaker: RecordingSpeaker) -> str:
    (settled,) = (one for one in speaker.told if isinstance(one, JobSettled))
    assert isinstance(settled.outcome, Refused)
    return settled.outcome.code


@pytest.mark.req("SP7", "J8")
async def test_a_node_that_does_not_acknowledge_it_costs_an_attempt_and_not_the_utterance(
    core: Services, speaker: RecordingSpeaker
) -> None:
    silent = await attach(core, "n1", STREAMS)
    await open_job(core)
    other = await attach(core, "n2", STREAMS)

    await core.let_time_pass(JOB_LIMITS.ack_timeout_ms)

    assert silent.cancelled == [JOB]
    assert list_assigned(other) == [(2, True)]
    assert list_dispatched(speaker) == [(1, True), (2, True)]


@pytest.mark.req("SP7", "SP8")
async def test_it_waits_for_a_node_that_streams_as_long_as_it_is_spoken(
    core: Services,
) -> None:
    await attach(core, "n1", STREAMS)
    await open_job(core)
    await core.let_time_pass(JOB_LIMITS.ack_timeout_ms)
    assert (await find(core))[:2] == (JobState.RETRYING, 2)

    await core.let_time_pass(JOB_LIMITS.pending_timeout_ms + 1_000)
    late = await attach(core, "n3", STREAMS)
    await core.let_time_pass(JOB_LIMITS.look_again_ms)

    assert list_assigned(late) == [(2, True)]


@pytest.mark.req("SP8")
async def test_speech_that_never_ends_is_refused_and_its_node_stops(
    core: Services, speaker: RecordingSpeaker
) -> None:
    node = await attach(core, "n1", STREAMS)
    await open_job(core)
    await accept(core, "n1")

    await core.let_time_pass(JOB_LIMITS.open_ms - 1)
    assert node.cancelled == []
    await core.let_time_pass(1)

    assert find_refusal(speaker) == "SPEECH_ABANDONED"
    assert node.cancelled == [JOB]
    assert await core.stores.slots.list_attempts(node_id="n1") == ()


@pytest.mark.req("SP7")
async def test_once_complete_it_goes_to_the_next_node_whole(
    core: Services, speaker: RecordingSpeaker
) -> None:
    await attach(core, "n1", STREAMS)
    await open_job(core)
    await accept(core, "n1")
    await core.streaming.complete(make_request())
    whole = await attach(core, "n2")

    await core.retries.abandon(node_id="n1", job_id=JOB, attempt=1, is_told=False)

    assert list_assigned(whole) == [(2, False)]
    assert list_dispatched(speaker)[-1] == (2, False)


@pytest.mark.req("SP7")
async def test_what_stands_in_line_when_it_is_complete_goes_to_any_node(
    core: Services,
) -> None:
    await attach(core, "n1", STREAMS)
    await open_job(core)
    await core.let_time_pass(JOB_LIMITS.ack_timeout_ms)
    whole = await attach(core, "n2")
    assert list_assigned(whole) == []

    completed = await core.streaming.complete(make_request())

    assert completed.node_id == ""
    assert list_assigned(whole) == [(2, False)]


@pytest.mark.req("SP7", "G5")
async def test_what_a_node_hears_of_a_job_that_redis_lost_is_stopped(
    core: Services, redis_client: "redis.asyncio.Redis"
) -> None:
    node = await attach(core, "n1", STREAMS)
    await open_job(core)
    await redis_client.delete(core.held.keys.session.job(SESSION, JOB))

    assert (await core.streaming.complete(make_request())).word == "not_found"
    await core.streaming.begin_anew(
        StreamFailed(session_id=SESSION, job_id=JOB, attempt=1, node_id="n1", reason="stream_gap")
    )

    assert node.cancelled == [JOB]
