"""A speaker on one instance is heard by a node on another, which may go at any moment."""

import os
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.instances.scouts import know_nodes
from tests.instances.servers import Cluster
from tests.peers.frames import Frame, draw_languages
from tests.peers.speaker import Speaker
from tests.peers.streaming import (
    CHUNKS,
    CLIP,
    STREAMING_SPEAKER,
    Fate,
    HearingNode,
    digest,
    speak,
)
from tests.redis_under_test import OwnRedis, look_into
from tests.server.launcher import Instance
from tests.waiting import eventually

# `make test-streams` kills more.
KILLS = int(os.environ.get("STREAM_KILLS", "6"))
# The suite kills at the same few moments each time, `make test-streams` at others.
SEED = int(os.environ.get("STREAM_SEED", "6" if KILLS <= 6 else random.randrange(1 << 30)))
_MOST_FRAMES = len(CHUNKS) + 2


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, redis_server: OwnRedis) -> Iterator[Cluster]:
    with look_into(redis_server.url) as client:
        client.flushall()
    cluster = Cluster(directory=tmp_path_factory.mktemp("streams"), redis_url=redis_server.url)
    yield cluster
    cluster.end()


@pytest.fixture(scope="module")
def homes(cluster: Cluster) -> list[Instance]:
    """Two instances that no test of this file ends."""
    return [cluster.start(), cluster.start()]


async def meet(speaker: Speaker, pair: tuple[str, str]) -> None:
    """Open a session where the node is known, and say an utterance."""
    await know_nodes(speaker, pair)
    await speaker.init(pair, **STREAMING_SPEAKER)
    await speaker.say(0)
    await speaker.result(0)


def list_ends(speaker: Speaker) -> list[Frame]:
    """Return what the utterance after that ended in."""
    ends = speaker.told("translation_result", utterance_index=1)
    return ends + speaker.told("missing_result", utterance_index=1)


async def free_slots(cluster: Cluster, *nodes: HearingNode) -> None:
    """Return once no slot of the nodes is held."""
    for node in nodes:
        for held in ("resv", "run"):
            key = cluster.key(f"{{node:{node.node_id}}}:{held}")
            await eventually(lambda key=key: not cluster.redis.zcard(key), "a slot is held")


@pytest.mark.req("SP4", "SP5", "SP10")
async def test_pieces_and_partial_results_come_in_order_and_once(
    cluster: Cluster, homes: list[Instance]
):
    one, two = homes
    pair = draw_languages()
    async with (
        HearingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(two.url("/ws/session")) as speaker,
    ):
        await node.register(pair)
        await meet(speaker, pair)
        await speak(speaker, CHUNKS)
        result = await speaker.result(1)
        partials = speaker.told("translation_partial")
        await speaker.check_alive()
        await free_slots(cluster, node)

    assert result["text_asr"] == digest(CLIP)
    assert len(list_ends(speaker)) == 1
    assert node.flaws == []
    grown = [len(partial["committed"]) for partial in partials]
    assert grown == sorted(set(grown))
    assert len(node.told("job_open")) == len(node.told("job_close")) == 1
    assert "Traceback" not in one.errors + two.errors, one.errors + two.errors


@pytest.mark.req("SP7")
async def test_a_node_dies_after_the_end_and_another_takes_it_whole(homes: list[Instance]):
    """The parcel's node was once sent pieces, could not take them, and lost its attempt."""
    one, two = homes
    pair = draw_languages()
    async with (
        HearingNode.connect(one.url("/ws/node")) as node,
        HearingNode.connect(one.url("/ws/node")) as other,
        Speaker.connect(two.url("/ws/session")) as speaker,
    ):
        await node.register(pair)
        await meet(speaker, pair)
        node.fate = Fate(kind="job_close")
        await speak(speaker, CHUNKS[:10], final=False)
        await node.next("job_audio")
        await other.register(pair, advanced_features=["job_ack"])
        await speak(speaker, CHUNKS[10:])
        result = await speaker.result(1)
        await speaker.check_alive()

    assert result["text_asr"] == digest(CLIP)
    assert [job["attempt_id"] for job in other.told("job_assign")] == [2]
    assert not other.told("job_cancel")
    assert len(list_ends(speaker)) == 1


async def join(stack: AsyncExitStack, home: Instance, pair: tuple[str, str]) -> HearingNode:
    node = await stack.enter_async_context(HearingNode.connect(home.url("/ws/node")))
    await node.register(pair)
    return node


async def speak_and_see(
    home: Instance, pair: tuple[str, str], nodes: list[HearingNode], *, after: int
) -> None:
    """Speak while the node that hears dies at a frame; see one outcome with all in it."""
    fate, told = Fate(after=after), f"seed {SEED}, killed at frame {after}"
    async with Speaker.connect(home.url("/ws/session")) as speaker:
        await meet(speaker, pair)
        for node in nodes:
            node.fate = fate
        await speak(speaker, CHUNKS)
        await eventually(lambda: list_ends(speaker), f"{told}: no outcome", within_s=60)
        await speaker.check_alive()
        ends = list_ends(speaker)
    assert [end.get("text_asr") for end in ends] == [digest(CLIP)], f"{told}: {ends}"
    assert not any(node.flaws for node in nodes), told
    assert all(node.most_held <= node.slots for node in nodes), told


@pytest.mark.req("SP7", "SP8")
async def test_a_node_killed_at_a_random_moment_of_speech_costs_nothing(
    cluster: Cluster, homes: list[Instance]
):
    rng, pair = random.Random(SEED), draw_languages()
    async with AsyncExitStack() as stack:
        nodes = [await join(stack, home, pair) for home in homes for _ in range(2)]
        for _ in range(KILLS):
            await speak_and_see(rng.choice(homes), pair, nodes, after=rng.randrange(_MOST_FRAMES))
            for number, node in enumerate(nodes):
                if node.is_dead:
                    nodes[number] = await join(stack, homes[number // 2], pair)
        await free_slots(cluster, *nodes)
    assert not any("Traceback" in home.errors for home in homes), [home.errors for home in homes]
