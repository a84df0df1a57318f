"""What a node's connection writes for each event it takes."""

import pytest

from bench.fixtures import build_fleet
from nodes.connections import NodeConnection
from nodes.mistakes import MistakeSender
from nodes.spelling import UNKNOWN_SPELLING
from scheduling.model.events import (
    AttemptAnswered,
    JobAssigned,
    JobCancelled,
    NodeControlled,
    NodeFenced,
    NodeStatusChanged,
    ToNode,
)
from scheduling.model.nodes import NodeStatus
from tests.peers.answers import check


class _Queue:
    """Keeps what a socket would be sent, and how it was closed."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.closed_with: int | None = None

    def enqueue(self, text, *, on_written=None):
        self.frames.append(text)
        return True

    def close(self, code, reason=""):
        self.closed_with = code


def make_connection(queue: _Queue) -> NodeConnection:
    return NodeConnection(
        node=next(iter(build_fleet(1).snapshot.nodes.values())),
        outbound=queue,
        on_written=lambda _connection, _event: None,
        spelling=UNKNOWN_SPELLING,
        mistakes=MistakeSender(queue),
    )


@pytest.mark.parametrize(
    ("event", "frame"),
    [
        (
            JobCancelled(job_id="job-1", reason="no_longer_yours"),
            '{"type":"job_cancel","job_id":"job-1","reason":"no_longer_yours"}',
        ),
        (
            JobCancelled(job_id="job-1", trace_id="trace-1", reason="session_closed"),
            '{"type":"job_cancel","job_id":"job-1","trace_id":"trace-1","reason":"session_closed"}',
        ),
        (JobCancelled(job_id="job-1"), '{"type":"job_cancel","job_id":"job-1"}'),
        (
            NodeStatusChanged(node_id="n-1", status=NodeStatus.READY, reason="r", timestamp=9),
            '{"type":"node_status","node_id":"n-1","status":"ready","reason":"r","timestamp":9}',
        ),
        (
            NodeControlled(command="reload_config"),
            '{"type":"node_control","command":"reload_config"}',
        ),
        (
            NodeControlled(command="shutdown", reason="update"),
            '{"type":"node_control","command":"shutdown","reason":"update"}',
        ),
        (
            JobAssigned(
                job_id="job-1",
                attempt=1,
                session_id="s-1",
                utterance_index=0,
                trace_id="trace-1",
                frame='{"as":"it came"}',
            ),
            '{"as":"it came"}',
        ),
    ],
)
def test_an_event_becomes_the_frame_nodes_know(event: ToNode, frame: str) -> None:
    queue = _Queue()
    assert make_connection(queue).enqueue(event)
    assert queue.frames == [frame]
    if not isinstance(event, JobAssigned):
        check(frame)


def test_a_fenced_node_is_told_why_and_closed() -> None:
    queue = _Queue()
    make_connection(queue).enqueue(NodeFenced(node_id="node-1"))
    assert '"type":"error"' in queue.frames[0]
    assert queue.closed_with == 4409


def test_a_node_to_be_disconnected_is_closed_and_told_nothing() -> None:
    queue = _Queue()
    make_connection(queue).enqueue(NodeControlled(command="disconnect", reason="moved"))
    assert (queue.frames, queue.closed_with) == ([], 1000)


def test_an_attempt_answered_elsewhere_is_no_longer_held_and_told_nothing() -> None:
    queue = _Queue()
    connection = make_connection(queue)
    connection.enqueue(
        JobAssigned(
            job_id="job-1", attempt=2, session_id="s-1", utterance_index=0, trace_id="", frame="{}"
        )
    )
    connection.enqueue(AttemptAnswered(job_id="job-1", attempt=1))
    assert connection.list_attempts() == [("job-1", 2)]
    connection.enqueue(AttemptAnswered(job_id="job-1", attempt=2))
    assert connection.list_attempts() == []
    assert queue.frames == ["{}"]


def give(job_id: str, attempt: int = 1) -> JobAssigned:
    return JobAssigned(
        job_id=job_id,
        attempt=attempt,
        session_id="s-1",
        utterance_index=0,
        trace_id="trace-1",
        frame=job_id,
    )


@pytest.mark.req("ED4", "R1", "I-28")
def test_a_job_never_follows_the_word_to_stop_it() -> None:
    """That word overtook it: another instance sent one, and this one asked Redis for the other."""
    queue = _Queue()
    connection = make_connection(queue)

    connection.enqueue(JobCancelled(job_id="job-1"))

    assert connection.enqueue(give("job-1")) is False
    assert queue.frames == ['{"type":"job_cancel","job_id":"job-1"}']
    assert connection.list_attempts() == []


@pytest.mark.req("ED4", "R1")
def test_what_was_stopped_is_remembered_for_so_many_jobs_and_no_more() -> None:
    connection = make_connection(_Queue())

    for number in range(1_025):
        connection.enqueue(JobCancelled(job_id=f"job-{number}"))

    assert connection.enqueue(give("job-1")) is False
    assert connection.enqueue(give("job-0")) is True


@pytest.mark.req("ED4", "R1")
def test_a_slot_that_became_free_is_no_room_before_the_node_was_told_to_stop() -> None:
    """A reservation ended by itself, while Redis was slow and the node frozen (three on two)."""
    queue = _Queue()
    connection = make_connection(queue)
    offered = connection.node.max_jobs
    for number in range(offered):
        assert connection.enqueue(give(f"job-{number}"))

    too_many = connection.enqueue(give("job-next"))
    connection.enqueue(JobCancelled(job_id="job-0"))
    then = connection.enqueue(give("job-next"))

    assert (too_many, then) == (False, True)
    assert queue.frames[offered:] == ['{"type":"job_cancel","job_id":"job-0"}', "job-next"]
