"""An outcome that was kept reaches its speaker, whoever died between the two."""

import pytest

from scheduling.model.events import JobSettled
from scheduling.model.jobs import JobState
from scheduling.model.nodes import Node
from tests.scheduling.core import Services
from tests.scheduling.mailboxes import RecordingNode, RecordingSpeaker
from tests.scripts.fixtures import JOB, JOB_LIMITS, RESULT, SESSION, make_request


async def finish_untold(core: Services) -> Node:
    """Let a job be done whose result was taken by a process that died before it told anybody."""
    node = await core.beat(await core.register())
    core.delivery.local.attach_node(node.node_id, RecordingNode(node))
    await core.dispatcher.dispatch(make_request())
    await core.held.jobs.finish(
        session_id=SESSION,
        job_id=JOB,
        state=JobState.DONE,
        outcome=RESULT,
        attempt=1,
        node_id=node.node_id,
    )
    return node


@pytest.mark.req("J13", "R9")
async def test_an_outcome_nobody_told_is_told_by_the_watchdog(core: Services) -> None:
    speaker = RecordingSpeaker()
    core.delivery.local.attach_session(SESSION, speaker)
    node = await finish_untold(core)
    speaker.told.clear()

    await core.let_time_pass(JOB_LIMITS.ack_timeout_ms)

    (settled,) = speaker.told
    assert isinstance(settled, JobSettled)
    assert (settled.job_id, settled.outcome) == (JOB, RESULT)
    assert core.fleet.loads.find(node.node_id) == 0


@pytest.mark.req("J13", "I-51")
async def test_a_speaker_is_told_until_it_has_the_outcome(core: Services) -> None:
    await finish_untold(core)
    await core.let_time_pass(JOB_LIMITS.ack_timeout_ms)
    speaker = RecordingSpeaker()
    core.delivery.local.attach_session(SESSION, speaker)

    await core.let_time_pass(2 * JOB_LIMITS.ack_timeout_ms)
    assert len(speaker.told) == 1
    await core.held.outcomes.note_delivered(session_id=SESSION, job_id=JOB)
    await core.let_time_pass(JOB_LIMITS.outcome_ms)

    assert len(speaker.told) == 1


@pytest.mark.req("J13")
async def test_a_handed_over_outcome_is_not_told_again(core: Services) -> None:
    speaker = RecordingSpeaker()
    core.delivery.local.attach_session(SESSION, speaker)
    await finish_untold(core)
    await core.held.outcomes.note_delivered(session_id=SESSION, job_id=JOB)
    speaker.told.clear()

    await core.let_time_pass(JOB_LIMITS.ack_timeout_ms)

    assert speaker.told == []
