"""Bodies of nodes without a socket with one thing wrong: read as over a socket."""

import json

import pytest

from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.http import HttpNode, ask
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker


@pytest.mark.req("ED1", "N18")
async def test_a_result_that_cannot_be_read_is_refused_and_its_job_goes_elsewhere(
    either_server: Cluster,
) -> None:
    instance, pair = either_server.start(), draw_languages()
    async with (
        HttpNode(instance.address) as broken,
        WorkingNode.connect(instance.url("/ws/node")) as other,
        Speaker.connect(instance.url("/ws/session")) as speaker,
    ):
        assert (await broken.register(pair)).status == 200
        await speaker.init(pair)
        await speaker.say(0)
        job = await broken.job()
        other.works = True
        await other.register(pair)
        refused = await broken.done(job, result={"text_asr": "a", "text_translated": 5})

        assert (refused.status, refused.json["error"]) == (400, "INVALID_MESSAGE")
        assert "text_translated" in refused.json["detail"]
        result = await speaker.result(0)
        assert result["text_translated"].endswith("attempt 2")


@pytest.mark.req("ED1", "N18")
async def test_a_result_is_taken_without_what_cannot_be_read_of_it(either_server: Cluster) -> None:
    instance, pair = either_server.start(), draw_languages()
    async with (
        HttpNode(instance.address) as node,
        Speaker.connect(instance.url("/ws/session")) as speaker,
    ):
        assert (await node.register(pair)).status == 200
        await speaker.init(pair)
        await speaker.say(0)
        job = await node.job()
        report = {"node_id": node.node_id, "job_id": job["job_id"], "attempt_id": 1}
        result = {"text_asr": "a", "text_translated": "<x>", "quality_score": "0.9"}
        body = json.dumps(report | {"result": result}).replace("<x>", "x\\ud83d")
        taken = await ask(instance.address, "/v1/job/done", raw=body.encode())

        assert taken.status == 200, taken
        shown = await speaker.result(0)
        assert shown["text_translated"] == "x\ufffd"
        assert "quality_score" not in shown


@pytest.mark.req("ED1", "N1")
async def test_a_registration_over_http_names_the_field_that_is_wrong(
    either_server: Cluster,
) -> None:
    instance, pair = either_server.start(), draw_languages()
    async with HttpNode(instance.address) as node:
        for slots in (0, -3, "4", 2.0, 5_000):
            refused = await node.register(pair, max_concurrent_jobs=slots)
            assert (refused.status, refused.json["error"]) == (400, "INVALID_MESSAGE")
            assert "max_concurrent_jobs" in refused.json["detail"]
