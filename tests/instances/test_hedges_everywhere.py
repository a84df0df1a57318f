"""A node at one instance takes long, one at another helps out (ND6)."""

import pytest

from scheduling.model.speeds import LEAST_JOBS
from tests.e2e.hedged import ALWAYS, KnownNode
from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.speaker import Speaker

SESSION, NODE = "/ws/session", "/ws/node"


@pytest.mark.req("ND6", "I6")
async def test_the_second_node_may_be_at_another_instance(cluster: Cluster) -> None:
    one, two = cluster.start(**ALWAYS), cluster.start(**ALWAYS)
    pair = draw_languages()
    async with (
        KnownNode.connect(one.url(NODE)) as first,
        KnownNode.connect(two.url(NODE)) as second,
        Speaker.open(two.url(SESSION), pair) as speaker,
    ):
        await first.register(pair)
        for index in range(LEAST_JOBS):
            await speaker.say(index)
            await speaker.result(index)
        first.works = second.works = False
        await speaker.say(LEAST_JOBS)
        job = await first.job(utterance_index=LEAST_JOBS)
        await second.register(pair)

        again = await second.job()

        assert (again["job_id"], again["attempt_id"]) == (job["job_id"], 2)
        await second.finish(again)
        result = await speaker.result(LEAST_JOBS)
        assert result["text_translated"].startswith(f"by {second.node_id}")
        await first.next("job_cancel", job_id=job["job_id"])
        assert len(speaker.told("translation_result")) == LEAST_JOBS + 1
