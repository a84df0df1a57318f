"""Speech from another instance: in order behind its assignment, or the attempt begins anew."""

import msgspec
import pytest

from scheduling.model.events import (
    AudioSpoken,
    JobAssigned,
    SpeechEnded,
    StreamFailed,
    ToNode,
)
from scheduling.model.nodes import Node
from tests.scheduling.core import Services
from tests.scheduling.mailboxes import RecordingNode, RecordingSpeaker
from tests.scheduling.test_inbox import ASSIGNED, Inbox
from tests.scripts.fixtures import JOB, SESSION, create, requeue

OPENED = msgspec.structs.replace(ASSIGNED, is_open=True)
ENDED = SpeechEnded(
    job_id=JOB,
    attempt=1,
    session_id=SESSION,
    last_seq=2,
    duration_ms=300,
    padding_ms=None,
    reason="",
)
GAP = StreamFailed(session_id=SESSION, job_id=JOB, attempt=1, node_id="n1", reason="stream_gap")


def say(seq: int) -> AudioSpoken:
    return AudioSpoken(job_id=JOB, attempt=1, session_id=SESSION, first_seq=seq, pieces=("AAAA",))


class DeafNode(RecordingNode):
    """Takes a job, and nothing that is said of it."""

    def enqueue(self, event: ToNode) -> bool:
        return super().enqueue(event) and isinstance(event, JobAssigned)


@pytest.fixture
async def ready(core: Services) -> Node:
    await create(core.held)
    return await core.beat(await core.register())


def attach(core: Services, node: RecordingNode) -> tuple[Inbox, RecordingSpeaker]:
    speaker = RecordingSpeaker()
    core.delivery.local.attach_node("n1", node)
    core.delivery.local.attach_session(SESSION, speaker)
    return Inbox(core, node), speaker


@pytest.mark.req("SP10")
async def test_what_is_said_waits_for_the_assignment_that_is_looked_at(
    core: Services, ready: Node
) -> None:
    node = RecordingNode(ready)
    inbox, speaker = attach(core, node)

    for event in (OPENED, say(0), say(1), say(2), ENDED):
        inbox.take(event)
    assert node.told == []
    await inbox.settle()

    assert node.told == [OPENED, say(0), say(1), say(2), ENDED]
    assert speaker.told == []


@pytest.mark.req("SP10")
async def test_an_assignment_that_comes_twice_loses_nothing(core: Services, ready: Node) -> None:
    node = RecordingNode(ready)
    inbox, speaker = attach(core, node)

    for event in (OPENED, say(0), OPENED, say(1)):
        inbox.take(event)
    await inbox.settle()

    assert [event for event in node.told if event != OPENED] == [say(0), say(1)]
    assert speaker.told == []


@pytest.mark.req("SP7", "SP10")
async def test_what_was_said_to_an_attempt_that_moved_on_is_given_up(
    core: Services, ready: Node
) -> None:
    node = DeafNode(ready)
    inbox, speaker = attach(core, node)
    await requeue(core.held)

    inbox.take(OPENED)
    inbox.take(say(0))
    inbox.take(say(1))
    await inbox.settle()

    assert OPENED not in node.told
    assert speaker.told == [GAP]


@pytest.mark.req("SP7", "SP10")
async def test_a_node_that_lacks_a_piece_is_told_of_to_the_speakers_process(
    core: Services, ready: Node
) -> None:
    inbox, speaker = attach(core, DeafNode(ready))

    inbox.take(say(1))
    await inbox.settle()

    assert speaker.told == [GAP]
