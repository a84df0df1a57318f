"""A probe at one instance, and a job that waits for its slot at another (ND10)."""

import time

import pytest

from tests.instances.servers import Cluster
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import keeps_to

# The probe that ships is for nodes of English.
ENGLISH = ("en", "de")
# A job in line is looked at by any instance after three seconds, which would do it as well.
AT_ONCE_S = 1.5


@pytest.mark.req("ND10", "I6")
async def test_a_probe_gives_way_at_once_to_a_job_that_waits_at_another_instance(
    cluster: Cluster,
):
    # The first leads, and so it probes; probes are far apart, so that there is one.
    one, two = (cluster.start(LINGUA_NODE_PROBE_INTERVAL_S="3600") for _ in range(2))

    async def give_way() -> float:
        """Speak while the only node is probed; return how long the probe stood in the way."""
        async with (
            FakeNode.open(one.url("/ws/node"), ENGLISH, max_concurrent_jobs=1) as node,
            Speaker.open(two.url("/ws/session"), ENGLISH) as speaker,
        ):
            probe = await node.next("job_assign")
            await node.ack(probe)
            begun = time.monotonic()
            await speaker.say(0)
            await node.next("job_cancel", job_id=probe["job_id"])
            took_s = time.monotonic() - begun
            job = await node.job()
            await node.ack(job)
            await node.finish(job)
            assert job["session_id"] == speaker.session_id
            await speaker.result(0)
        return took_s

    await keeps_to(AT_ONCE_S, give_way)
