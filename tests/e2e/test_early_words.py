"""What a node recognises of a streaming job, and of which attempt."""

import pytest

from tests.e2e.servers import Lingua
from tests.e2e.test_streaming import overheard
from tests.peers.frames import Frame
from tests.peers.node import FakeNode


def recognise(node: FakeNode, job: Frame, **changes: object) -> Frame:
    """Return a frame of a node that has recognised something."""
    about = {name: job[name] for name in ("job_id", "session_id", "utterance_index", "trace_id")}
    said = {"type": "asr_partial", "node_id": node.node_id, "text": "go", "is_final": False}
    return about | said | changes


@pytest.mark.req("SP5", "SP10")
async def test_words_of_another_attempt_are_refused_and_cost_nothing(lingua: Lingua) -> None:
    async with overheard(lingua) as (node, speaker, job):
        await node.hear(job, most_chunks=10)
        await node.send(recognise(node, job, attempt_id=job["attempt_id"] + 1))
        refused = await node.next("error")
        await node.send(recognise(node, job, attempt_id=job["attempt_id"]))
        partial = await speaker.next("asr_partial")

    assert refused["code"] == "STALE_ATTEMPT"
    assert partial["text"] == "go"
    assert len(speaker.told("asr_partial")) == 1


@pytest.mark.req("SP5")
async def test_a_node_need_not_say_of_which_attempt_it_recognised_something(
    lingua: Lingua,
) -> None:
    async with overheard(lingua) as (node, speaker, job):
        await node.hear(job, most_chunks=10)
        await node.send(recognise(node, job))

        assert (await speaker.next("asr_partial"))["text"] == "go"
