"""An utterance whose answer is too late for those behind it: ended first, marked in its place."""

import pytest

from tests.e2e.servers import Servers
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]

LATE = {"LINGUA_RESULT_GAP_MS": "300"}
CROWDED = {"LINGUA_RESULT_MAX_PENDING": "1"}


@pytest.mark.req("J13", "J19", "I-64")
@pytest.mark.parametrize(
    ("settings", "reason"),
    [(LATE, "gap_timeout"), (CROWDED, "pending_overflow_evict")],
    ids=["late", "crowded"],
)
async def test_an_utterance_given_up_is_ended_and_marked_before_the_next_leave(
    servers: Servers, server_name: str, languages: Pair, settings: dict[str, str], reason: str
) -> None:
    lingua = servers.start(server_name, **settings)
    async with (
        FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=3) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        jobs = []
        for index in range(3):
            await speaker.say(index)
            jobs.append(await node.job(utterance_index=index))
            await node.ack(jobs[-1])
        await node.finish(jobs[1])
        await node.finish(jobs[2])

        told = await speaker.take_until("translation_result", utterance_index=2)
        cancelled = await node.next("job_cancel", job_id=jobs[0]["job_id"])
        await node.finish(jobs[0])
        late = await speaker.check_alive()

        answers = [
            (frame["type"], frame["utterance_index"])
            for frame in told
            if frame["type"] in {"translation_result", "missing_result"}
        ]
        assert answers == [
            ("missing_result", 0),
            ("translation_result", 1),
            ("translation_result", 2),
        ]
        assert speaker.told("missing_result")[0]["reason"] == cancelled["reason"] == reason
        assert not [frame for frame in late if frame["type"] == "translation_result"]
        assert not lingua.leases(node.node_id)
    lingua.stop()
