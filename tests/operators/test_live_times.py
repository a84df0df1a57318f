"""The live page tells what speakers wait for after their last word."""

import json

import pytest
from websockets.asyncio.client import connect

from tests.e2e.servers import Lingua
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.sessions_app.recorded import speech_as_pcm16


@pytest.mark.req("SP14")
async def test_what_was_heard_while_it_was_said_is_told_with_its_time(lingua: Lingua) -> None:
    languages = draw_languages()
    streams = {"advanced_features": ["job_ack", "streaming"]}
    asked = {"audio_format": "pcm16", "enable_streaming": True}
    async with (
        connect(lingua.url("/ws/live"), proxy=None, max_size=None) as watcher,
        FakeNode.open(lingua.url("/ws/node"), languages, **streams) as node,
        Speaker.open(lingua.url("/ws/session"), languages, **asked) as speaker,
    ):
        await speaker.chunk(speech_as_pcm16())
        job = await node.next("job_open")
        await node.ack(job)
        await speaker.chunk(bytes(64_000))
        await node.next("job_close")
        await node.finish(job)
        await speaker.result(0)
        while not (told := _find_times(json.loads(await watcher.recv()))):
            pass

    middle_ms, high_ms = told["text_stream"]
    assert 0 < middle_ms <= high_ms < 60_000
    assert "text_parcel" not in told


def _find_times(frame: dict[str, object]) -> dict[str, list[float]]:
    second = frame.get("second")
    stages = second["stages"] if isinstance(second, dict) else {}
    return {key: times for key, times in stages.items() if key.startswith("text_")}
