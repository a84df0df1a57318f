"""What a process holds of jobs accepted over HTTP, and how a lost one gets its end (ED7)."""

import pytest

from scheduling.jobs.accepted_jobs import AcceptedJobs
from scheduling.model.callbacks import Hook
from scheduling.model.events import JobSettled
from scheduling.model.jobs import Request
from scheduling.model.outcomes import Outcome, Refused, Result
from tests.redis_under_test import Client
from tests.scheduling.core import Services
from tests.scripts.fixtures import JOB, RESULT, SESSION, encode_frame, make_request

HOOK = Hook(url="https://example.org/", secret="s" * 16)
AN_HOUR_MS = 3_600_000


def accept(accepted: AcceptedJobs, number: int = 1, *, hook: Hook | None = None) -> Request:
    request = make_request(f"job-AAAA0001-{number:012x}", utterance_index=number)
    accepted.accept(request, profile=b"{}", hook=hook)
    return request


def settle(request: Request, outcome: Outcome = RESULT) -> JobSettled:
    job = request.assignment
    return JobSettled(
        session_id=job.session_id,
        job_id=job.job_id,
        utterance_index=job.utterance_index,
        trace_id=job.trace_id,
        outcome=outcome,
        elapsed_ms=1,
    )


@pytest.mark.req("ED7")
def test_audio_is_not_held_twice() -> None:
    accepted = AcceptedJobs(kept_ms=AN_HOUR_MS)
    accept(accepted)

    (job,) = accepted.list_all()

    assert bytes(job.request.assignment.audio) == b'""'


@pytest.mark.req("ED7")
def test_the_first_outcome_counts() -> None:
    accepted = AcceptedJobs(kept_ms=AN_HOUR_MS)
    request = accept(accepted)

    accepted.end(settle(request))
    accepted.end(settle(request, Refused(code="JOB_TIMEOUT", message="Too late.")))

    (job,) = accepted.list_all()
    assert job.read_outcome() == RESULT


@pytest.mark.req("ED7")
def test_what_ended_first_is_let_go_when_outcomes_take_too_much_room() -> None:
    accepted = AcceptedJobs(kept_ms=AN_HOUR_MS, most_bytes=3_000)
    requests = [accept(accepted, number) for number in range(5)]
    for request in requests[:4]:
        accepted.end(settle(request, Result(text_translated="x" * 1_000)))

    held = [job.job_id for job in accepted.list_all()]

    assert held == [requests[at].assignment.job_id for at in (2, 3, 4)]


@pytest.mark.req("ED7")
def test_an_outcome_is_held_no_longer_than_redis_keeps_it() -> None:
    accepted = AcceptedJobs(kept_ms=-1)
    accepted.end(settle(accept(accepted)))

    assert accepted.list_all() == []


@pytest.mark.req("ED7")
@pytest.mark.parametrize(
    ("hook", "by_hook", "is_told"),
    [(None, False, True), (HOOK, False, False), (HOOK, True, True)],
)
def test_a_caller_with_a_hook_is_told_by_the_hook(
    hook: Hook | None, *, by_hook: bool, is_told: bool
) -> None:
    accepted = AcceptedJobs(kept_ms=AN_HOUR_MS)
    request = accept(accepted, hook=hook)
    accepted.end(settle(request))

    accepted.note_told(request.assignment.job_id, by_hook=by_hook)

    (job,) = accepted.list_all()
    assert job.is_told is is_told


async def hold(core: Services, *, hook: Hook | None = None, exists: bool = True) -> Request:
    """Accept a job long ago."""
    request = make_request(utterance_index=4)
    await core.sessions.open(session_id=SESSION, instance_id="i1", profile=b"{}")
    if exists:
        await core.stores.jobs.create(
            request=request, frame=encode_frame(request), node_id="", deadline_ms=AN_HOUR_MS
        )
    core.accepted.accept(request, profile=b"{}", hook=hook)
    held = core.accepted.find(JOB)
    assert held is not None
    held.since_ms -= AN_HOUR_MS
    return request


@pytest.mark.req("ED7")
async def test_a_job_that_only_its_part_of_a_cluster_lost_is_refused_when_it_is_overdue(
    core: Services,
) -> None:
    await hold(core, hook=HOOK, exists=False)

    assert await core.job_recovery.run_once() == 1

    outcome = await core.stores.outcomes.find(session_id=SESSION, job_id=JOB)
    assert isinstance(outcome, Refused)
    assert outcome.code == "SCHEDULER_DEPENDENCY_DOWN"
    assert await core.job_recovery.run_once() == 0


@pytest.mark.req("ED7")
async def test_an_end_that_was_told_to_another_instance_is_taken(core: Services) -> None:
    request = await hold(core)
    refused = Refused(code="JOB_TIMEOUT", message="Too late.")
    await core.settlement.refuse(
        session_id=SESSION,
        job_id=JOB,
        refused=refused,
        utterance_index=request.assignment.utterance_index,
        trace_id="",
    )

    assert await core.job_recovery.run_once() == 1

    (job,) = core.accepted.list_all()
    assert job.read_outcome() == refused


@pytest.mark.req("ED7")
async def test_a_job_that_goes_on_is_left_alone(core: Services) -> None:
    await hold(core)

    assert [await core.job_recovery.run_once() for _ in range(2)] == [1, 0]
    assert await core.job_recovery.restore_all() == 0

    record = await core.stores.jobs.find(session_id=SESSION, job_id=JOB)
    assert record is not None
    assert record.state == "SELECTING"


@pytest.mark.req("ED7")
async def test_a_lost_job_is_written_back_once(core: Services, redis_client: Client) -> None:
    await hold(core)
    await redis_client.flushall()

    restored = [await core.job_recovery.restore_all(), await core.job_recovery.restore_all()]

    assert restored == [1, 0]
