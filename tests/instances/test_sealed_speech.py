"""With keys nobody reads in Redis what was said: not at rest, not on its way (RE10)."""

import base64
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.instances.servers import Cluster, kill
from tests.peers.frames import draw_languages
from tests.peers.member import Member
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.redis_contents import find_words
from tests.waiting import eventually

OLD, NEW, FOREIGN = (f"{name}: a key of this test that nobody can guess" for name in "abc")
HEARD, SAID, NAMED = "confidential-transcript", "vertraulich-gesagt", "Glossarwort"
AUDIO = base64.b64encode(b"nobody may hear this recording" * 500).decode()
SECRETS = (HEARD, SAID, NAMED, AUDIO[:120], AUDIO[400:520])
SESSION, NODE = "/ws/session", "/ws/node"


@contextlib.contextmanager
def watched(url: str) -> Iterator[list[str]]:
    """Note every command that Redis is sent meanwhile."""
    told: list[str] = []
    client = redis.Redis.from_url(url)
    with client.monitor() as monitor:

        def listen() -> None:
            with contextlib.suppress(redis.ConnectionError, ValueError, OSError):
                for command in monitor.listen():
                    told.append(str(command["command"]))
                    if "end of watch" in told[-1]:
                        return

        listener = threading.Thread(target=listen)
        listener.start()
        yield told
        client.echo("end of watch")
        listener.join()
    client.close()


def forget(cluster: Cluster, instance_id: str) -> None:
    """Let an instance that was killed be gone now, not when its presence ends."""
    cluster.redis.delete(cluster.key(f"{{instance:{instance_id}}}:presence"))


async def say_all(speaker: Speaker, node: FakeNode, index: int, look: Any) -> None:
    """Let an utterance fail once, then end well, and look at Redis at each step."""
    await speaker.say(index, audio=AUDIO)
    job = await node.job(utterance_index=index)
    assert job["audio"] == AUDIO
    assert job["glossary"] == [NAMED]
    look()
    await node.ack(job)
    await node.finish(job, text_asr=HEARD, text_translated=SAID, tts_audio=AUDIO)
    result = await speaker.result(index)
    assert (result["text_asr"], result["text_translated"]) == (HEARD, SAID)
    look()


@pytest.mark.req("RE10")
@pytest.mark.standalone("MONITOR shows one master")
@pytest.mark.parametrize("layer", ["streams", "core", "pubsub"])
async def test_neither_words_nor_audio_stand_in_redis_in_the_clear(
    cluster: Cluster, redis_url: str, layer: str
) -> None:
    settings = {"LINGUA_PAYLOAD_KEYS": OLD, "LINGUA_CHANNEL_LAYER": layer}
    one, two = [cluster.start(**settings) for _ in range(2)]
    pair = draw_languages()

    def look() -> None:
        assert find_words(redis_url, *SECRETS) == []

    with watched(redis_url) as commands:
        async with (
            FakeNode.open(one.url(NODE), pair) as node,
            Speaker.open(
                two.url(SESSION), pair, resume_token="", glossary=[NAMED], enable_context=True
            ) as speaker,
        ):
            await say_all(speaker, node, 0, look)
            await say_all(speaker, node, 1, look)

    assert any("create_job" in each or "EVALSHA" in each for each in commands)
    assert [each[:300] for each in commands if any(word in each for word in SECRETS)] == []
    assert "Traceback" not in one.errors + two.errors


@pytest.mark.req("RE10")
async def test_captions_of_a_room_are_sealed_and_shown(cluster: Cluster, redis_url: str) -> None:
    one, two = [cluster.start(LINGUA_PAYLOAD_KEYS=OLD) for _ in range(2)]
    pair = draw_languages()
    async with (
        FakeNode.open(two.url(NODE), pair) as node,
        Member.open(one.url(SESSION), pair) as ann,
        Member.open(two.url(SESSION), pair) as bob,
    ):
        await ann.create_room(display_name="Ann")
        await bob.join_room(ann.code, display_name="Bob")
        await ann.say(0)
        job = await node.job()
        await node.finish(job, text_asr=HEARD, text_translated=SAID, tts_format="pcm16")
        shown = await bob.next("translation_result", session_id=ann.session_id)

        assert shown["text_translated"] == SAID
        assert find_words(redis_url, *SECRETS) == []


@pytest.mark.req("RE10")
async def test_a_session_goes_on_while_keys_are_rotated(cluster: Cluster, redis_url: str) -> None:
    pair = draw_languages()
    # The job waits for the next instance, however long that takes to start.
    patient = {"LINGUA_PENDING_TIMEOUT_S": "600"}
    one = cluster.start(LINGUA_PAYLOAD_KEYS=OLD, LINGUA_INSTANCE_ID="one", **patient)
    async with (
        FakeNode.open(one.url(NODE), pair) as node,
        Speaker.open(one.url(SESSION), pair, resume_token="", glossary=[NAMED]) as speaker,
    ):
        await speaker.say(0, audio=AUDIO)
        job = await node.job()
        ready = cluster.start(LINGUA_PAYLOAD_KEYS=f"{OLD},{NEW}", **patient)
        kill(one)
    forget(cluster, "one")
    turned = cluster.start(LINGUA_PAYLOAD_KEYS=f"{NEW},{OLD}", **patient)
    async with (
        FakeNode.open(turned.url(NODE), pair) as node,
        Speaker.open(turned.url(SESSION), pair, resume_token=speaker.resume_token) as speaker,
    ):
        again = await node.job()
        await node.finish(again, text_translated=SAID)

        assert (again["job_id"], again["audio"], again["glossary"]) == (
            *(job["job_id"], AUDIO),
            [NAMED],
        )
        assert (await speaker.result(0))["text_translated"] == SAID
        assert find_words(redis_url, *SECRETS) == []
    assert "Traceback" not in ready.errors + turned.errors


@pytest.mark.req("RE10")
@pytest.mark.parametrize("keys", [FOREIGN, f"{NEW},{OLD}", ""])
async def test_an_instance_that_cannot_read_the_others_does_not_start(
    cluster: Cluster, keys: str
) -> None:
    cluster.start(LINGUA_PAYLOAD_KEYS=OLD)

    stray = cluster.start(awaiting_ready=False, LINGUA_PAYLOAD_KEYS=keys)

    assert stray.wait() != 0
    assert "LINGUA_PAYLOAD_KEYS" in stray.errors
    assert "Traceback" not in stray.errors


@pytest.mark.req("RE10")
async def test_a_job_that_is_kept_under_a_lost_key_is_refused_by_that_name(
    cluster: Cluster,
) -> None:
    pair = draw_languages()
    one = cluster.start(LINGUA_PAYLOAD_KEYS=OLD, LINGUA_INSTANCE_ID="one")
    async with (
        FakeNode.open(one.url(NODE), pair) as node,
        Speaker.open(one.url(SESSION), pair, resume_token="") as speaker,
    ):
        await speaker.say(0, audio=AUDIO)
        job = await node.job()
        kill(one)
    forget(cluster, "one")
    two = cluster.start(LINGUA_PAYLOAD_KEYS=FOREIGN)
    name = f"{{session:{speaker.session_id}}}:job:{job['job_id']}"

    async with FakeNode.open(two.url(NODE), pair):
        record = await eventually(
            lambda: cluster.read_hash(name), fits=lambda record: "ended_as" in record
        )

    assert record["reason"] == "PAYLOAD_UNREADABLE"
    assert "Traceback" not in two.errors
