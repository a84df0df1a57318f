"""Many nodes, many utterances at once; scripts forgotten; a server that leaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from lingua_node.simulate import Behavior, Crowd

from tests.e2e.servers import Lingua, Servers
from tests.peers.frames import init_frame, utterance_frame
from tests.peers.node import FakeNode
from tests.peers.sockets import Peer
from tests.peers.speaker import Speaker
from tests.waiting import eventually

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]


@asynccontextmanager
async def _crowd(lingua: Lingua, languages: Pair, *, nodes: int, ms: float) -> AsyncIterator[Crowd]:
    crowd = Crowd(
        Behavior(service_ms=ms), nodes=nodes, slots=2, asr=[languages[0]], tts=[languages[1]]
    )
    serving = asyncio.create_task(crowd.serve(url=lingua.url(NODE)))
    await crowd.wait_registered()
    yield crowd
    crowd.drain()
    await serving


async def _count(speaker: Speaker, utterances: int, reached: asyncio.Event) -> None:
    for index in range(utterances):
        await speaker.next("translation_result", utterance_index=index)
        reached.set()


@pytest.mark.req("R1", "R9", "J5", "J13")
async def test_a_thousand_utterances_at_once_find_their_slots(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    lingua = servers.start(server_name)
    async with (
        _crowd(lingua, languages, nodes=200, ms=200) as crowd,
        AsyncExitStack() as stack,
    ):
        speakers = [
            await stack.enter_async_context(Speaker.open(lingua.url(SESSION), languages))
            for _ in range(50)
        ]
        reached = asyncio.Event()
        await asyncio.gather(*(speaker.say(index) for speaker in speakers for index in range(20)))
        counting = [asyncio.create_task(_count(speaker, 20, reached)) for speaker in speakers]
        await reached.wait()
        held = [len(lingua.leases(str(node.node_id))) for node in crowd.nodes]
        await asyncio.gather(*counting)

        assert max(held) <= 2
        assert crowd.totals().most_at_once <= 2
        for speaker in speakers:
            assert not speaker.told("error")
            assert not speaker.told("missing_result")
            assert len(speaker.told("translation_result")) == 20
        assert not any(lingua.leases(str(node.node_id)) for node in crowd.nodes)
    lingua.stop()


@pytest.mark.req("R1", "J5")
async def test_scripts_that_redis_forgot_are_sent_again(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    lingua = servers.start(server_name)
    async with (
        _crowd(lingua, languages, nodes=10, ms=20) as crowd,
        AsyncExitStack() as stack,
    ):
        speakers = [
            await stack.enter_async_context(Speaker.open(lingua.url(SESSION), languages))
            for _ in range(10)
        ]
        reached = asyncio.Event()
        for speaker in speakers:
            for index in range(20):
                await speaker.say(index)
        counting = [asyncio.create_task(_count(speaker, 20, reached)) for speaker in speakers]
        for _ in range(5):
            reached.clear()
            await reached.wait()
            lingua.redis.script_flush()
        await asyncio.gather(*counting)

        assert crowd.totals().most_at_once <= 2
        assert not any(speaker.told("error") for speaker in speakers)
    lingua.stop()


@pytest.mark.req("J5", "J13")
async def test_a_server_that_leaves_delivers_first(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    lingua = servers.start(server_name)
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
        Peer.connect(lingua.url(SESSION)) as idle,
    ):
        await speaker.say(0)
        job = await node.job()
        lingua.instance.terminate()
        await _refuses(lingua)
        await node.finish(job)
        await speaker.next("translation_result", utterance_index=0)

        assert [await peer.closed() for peer in (speaker, node, idle)] == [1012, 1012, 1012]
    assert lingua.instance.wait() == 0
    lingua.check_log()
    assert not lingua.leases(node.node_id)


async def _refuses(lingua: Lingua) -> None:
    """Wait until the server takes no new connections: it has begun to leave."""
    host, port = lingua.instance.address.split(":")

    async def is_refused() -> bool:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return True
        writer.close()
        return False

    await eventually(is_refused, "the server still takes connections", within_s=60)


@pytest.mark.req("J14")
async def test_a_finished_job_leaves_nothing_to_watch(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Peer.connect(lingua.url(SESSION)) as peer,
    ):
        await peer.send(init_frame(languages))
        session_id = (await peer.next("session_init_ack"))["session_id"]
        await peer.send(utterance_frame(session_id, 0, languages))
        job = await node.job()
        await node.ack(job)
        await node.finish(job)
        await peer.next("translation_result")
        await peer.send({"type": "client_heartbeat", "session_id": session_id, "timestamp": 1})
        await peer.next("server_heartbeat")

        await eventually(lambda: lingua.job(job["job_id"])["state"] == "RELEASED")
        # It goes from there into the history.
        await eventually(lambda: job["job_id"] not in str(lingua.dump("{t:*")), within_s=60)
        assert not lingua.dump(f"{{session:{session_id}}}:payload:*")
        assert not lingua.dump(f"{{session:{session_id}}}:outbox")
        for entity in ("node", "session"):
            for key in lingua.redis.scan_iter(f"{lingua.prefix}:v2:{{{entity}:*"):
                assert lingua.redis.pttl(key) > 0, key
