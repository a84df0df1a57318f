"""A code that a node was given at one instance is shown at another (ND11)."""

import itertools

import pytest

from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually


@pytest.mark.req("ND11", "I6")
async def test_a_code_of_a_node_on_a_binds_a_session_on_b_to_it(cluster: Cluster):
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as own,
        WorkingNode.connect(two.url("/ws/node")) as public,
        Speaker.connect(two.url("/ws/session")) as speaker,
        Speaker.connect(one.url("/ws/session")) as late,
    ):
        own.works = public.works = True
        await own.register(pair, accept_public_jobs=False)
        await public.register(pair)
        await own.send({"type": "request_pairing_code", "node_id": own.node_id})
        code = (await own.next("pairing_code"))["code"]
        ack = await speaker.init(pair, pairing_code=code)
        refused = await late.init(pair, pairing_code=code)
        indices = itertools.count()

        async def is_served() -> bool:
            """Say something; before the word of the node is there, nobody may have it."""
            index = next(indices)
            await speaker.say(index)
            told = await speaker.next(
                lambda frame: frame["type"] in ("translation_result", "missing_result")
            )
            return told.get("text_translated") == f"by {own.node_id}, attempt 1"

        await eventually(is_served, "the node's instance is not known to serve it")

        assert ack["assigned_node_id"] == own.node_id
        assert refused["pairing_error"] == "INVALID_PAIRING_CODE"
        assert not public.told("job_assign")
