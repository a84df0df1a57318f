"""A node over HTTP declines a job, at whichever instance it says so (ND9)."""

import pytest

from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.http import HttpNode
from tests.peers.speaker import Speaker


@pytest.mark.req("ND9", "N18")
async def test_what_a_polling_node_declines_goes_to_the_next(cluster: Cluster):
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    async with (
        Speaker.connect(one.url("/ws/session")) as speaker,
        HttpNode(one.address) as proud,
        HttpNode(one.address) as good,
    ):
        await proud.register(pair)
        await speaker.init(pair)
        await speaker.say(0)
        job = await proud.job()
        await good.register(pair)
        proud.addresses = [two.address]

        declined = await proud.decline(job, reason="not this one")
        twice = await proud.decline(job)

        assert (declined.status, declined.json["status"]) == (200, "declined")
        assert (twice.status, twice.json["error"]) == (409, "STALE_ATTEMPT")
        again = await good.job()
        assert again["job_id"] == job["job_id"]
        assert (await good.ack(again)).status == 200
        late = await good.decline(again)
        assert (late.status, late.json["error"]) == (409, "ALREADY_ACCEPTED")
        await good.done(again)
        assert (await speaker.result(0))["text_translated"].startswith(f"by {good.node_id}")
        unknown = await good.decline(again | {"job_id": "job-nobody-knows"})
        assert (unknown.status, unknown.json["error"]) == (404, "NO_SUCH_JOB")
    assert "Traceback" not in one.errors + two.errors, one.errors + two.errors
