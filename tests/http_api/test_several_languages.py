"""One utterance in several languages over a socket: the primitive that rooms are made of (J18)."""

import pytest

from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker


@pytest.mark.req("J18")
async def test_each_language_is_a_job_of_its_own_answered_in_its_place(cluster: Cluster):
    one = cluster.start()
    (src, first), (_, second) = draw_languages(), draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as quick,
        WorkingNode.connect(one.url("/ws/node")) as failing,
        WorkingNode.connect(one.url("/ws/node")) as slow,
        Speaker.connect(one.url("/ws/session")) as speaker,
    ):
        quick.works = True
        await quick.register((src, first))
        await failing.register((src, second))
        await speaker.init((src, first), tgt_langs=[second, first])
        await speaker.say(0)
        early = await speaker.result(0)
        assert early["tgt_lang"] == first
        job = await failing.job()
        assert (job["tgt_lang"], job["utterance_index"]) == (second, 0)
        await slow.register((src, second))
        await failing.send(failing._about("job_result", job) | {**_FAILED, "utterance_index": 0})
        again = await slow.job()
        assert (again["job_id"], again["attempt_id"]) == (job["job_id"], 2)
        await failing.heartbeat(draining=True)
        await failing.next("node_status", status="draining")
        await speaker.say(1)
        await slow.finish(again)
        late = await speaker.result(0)
        assert (late["tgt_lang"], late["text_translated"]) == (
            second,
            f"by {slow.node_id}, attempt 2",
        )
        place = ("group_id", "part_index")
        assert [late[name] for name in place] == [early[name] for name in place]
        await slow.finish(await slow.job())
        ended = {(await speaker.result(1))["tgt_lang"] for _ in range(2)}
        assert ended == {first, second}
        assert len(speaker.told("translation_result")) == 4
    assert "Traceback" not in one.errors, one.errors


_FAILED = {"success": False, "error": {"code": "NMT_FAILED", "message": "it failed"}}


@pytest.mark.req("J18")
async def test_a_session_with_one_language_is_told_nothing_new(cluster: Cluster):
    one = cluster.start()
    pair = draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(one.url("/ws/session")) as speaker,
    ):
        node.works = True
        await node.register(pair)
        await speaker.init(pair)
        await speaker.say(0)
        assert "tgt_lang" not in await speaker.result(0)
