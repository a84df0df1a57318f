"""A node on one instance, its speaker on another: neither notices."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instances.layers import LAYERS
from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.waiting import stretch


@pytest.fixture(params=["daphne", "uvicorn"])
def either_server(
    request: pytest.FixtureRequest, tmp_path: Path, redis_url: str
) -> Iterator[Cluster]:
    cluster = Cluster(directory=tmp_path, redis_url=redis_url, server_name=request.param)
    yield cluster
    cluster.end()


@pytest.mark.req("I5", "I6", "N12", "X3", "X11")
@pytest.mark.parametrize("layer", LAYERS)
async def test_a_speaker_on_b_is_answered_by_a_node_on_a_a_hundred_times(
    either_server: Cluster, layer: str
):
    one = either_server.start(LINGUA_CHANNEL_LAYER=layer)
    two = either_server.start(LINGUA_CHANNEL_LAYER=layer)
    pair = draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(two.url("/ws/session")) as speaker,
    ):
        node.works = True
        await node.register(pair)
        await speaker.init(pair)
        for index in range(100):
            started = time.monotonic()
            await speaker.say(index)
            result = await speaker.result(index)
            assert result["text_translated"] == f"by {node.node_id}, attempt 1"
            took_s = time.monotonic() - started
            assert took_s < 5 or took_s < stretch(5)
    assert "Traceback" not in one.errors + two.errors, one.errors + two.errors


@pytest.mark.req("I5", "RE9")
async def test_the_longest_speech_goes_to_another_instance_and_back(either_server: Cluster):
    one, two = either_server.start(), either_server.start()
    pair = draw_languages()
    # As base64 little less than a frame may have; the layer by itself carries 4 MiB.
    audio = base64.b64encode(b"\1\2" * (3 * 1024 * 1024 - 100_000)).decode()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(two.url("/ws/session")) as speaker,
    ):
        await node.register(pair)
        await speaker.init(pair)
        await speaker.say(0, audio=audio)
        job = await node.job()
        assert job["audio"] == audio
        await node.finish(job, tts_audio=audio, tts_format="pcm16")
        assert (await speaker.result(0))["tts_audio"] == audio
    assert "Traceback" not in one.errors + two.errors, one.errors + two.errors
