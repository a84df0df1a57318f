"""A node's life over the wire: its status, its silence, its drain, and its way back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from lingua_node.jobs import Job, Result
from lingua_node.messages import LanguagePair, Languages, Service
from lingua_node.mistakes import NodeMistake
from lingua_node.node import Node
from streams_testing.listening import Listener

from tests.e2e.servers import Lingua, Servers
from tests.peers.frames import Frame, register_frame
from tests.peers.node import FakeNode
from tests.peers.sdk import say_idle
from tests.peers.sockets import DEADLINE_S
from tests.peers.speaker import Speaker
from tests.waiting import eventually

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]
_BAD = {"resource_usage": {"cpu_percent": 101, "mem_percent": 1}}


def _capabilities(*, ready: tuple[str, ...]) -> list[Frame]:
    return [{"type": kind, "ready": kind in ready} for kind in ("asr", "nmt", "tts", "tone")]


@pytest.mark.req("N6", "N7")
async def test_a_node_is_ready_once_all_its_core_services_are(
    lingua: Lingua, languages: Pair
) -> None:
    services = register_frame(languages)["installed_services"]
    async with FakeNode.connect(lingua.url(NODE)) as node:
        ack = await node.register(languages, capability_by_type=_capabilities(ready=("asr",)))
        for ready in (("asr",), ("asr", "nmt")):
            await node.heartbeat(
                installed_services=services, capability_by_type=_capabilities(ready=ready)
            )
        core = _capabilities(ready=("asr", "nmt", "tts"))
        await node.heartbeat(installed_services=services, capability_by_type=core)
        status = await node.next("node_status")

        assert ack["status"] == "registering"
        assert (status["status"], status["node_id"]) == ("ready", node.node_id)
        assert lingua.node(node.node_id)["health"] == "001"
        # Later one ready type is enough.
        await node.heartbeat(
            installed_services=services, capability_by_type=_capabilities(ready=("asr",))
        )
        await node.heartbeat(draining=True)
        await node.next("node_status", status="draining")
        assert len(node.told("node_status")) == 2


@pytest.mark.req("N6", "I-63")
@pytest.mark.parametrize("beats", ["000", "01010"])
async def test_bad_heartbeats_degrade_a_node_and_a_good_one_restores_it(
    lingua: Lingua, languages: Pair, beats: str
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        for beat in beats:
            await node.heartbeat(**({} if beat == "1" else _BAD))
        status = await node.next("node_status")
        assert (status["status"], status["reason"]) == ("degraded", "unhealthy")
        await speaker.say(0)
        await speaker.check_alive()
        assert not node.told("job_assign")
        await node.make_ready()
        await node.finish(await node.job())
        await speaker.next("translation_result", utterance_index=0)


@pytest.mark.req("N6")
async def test_a_node_that_does_not_warm_up_is_degraded(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    lingua = servers.start(server_name, LINGUA_WARM_UP_TIMEOUT_S="1")
    async with FakeNode.connect(lingua.url(NODE)) as node:
        await node.register(languages)
        async with asyncio.timeout(DEADLINE_S):
            while not node.told("node_status"):
                await node.heartbeat(**_BAD)
                await node.socket.ping()
                with suppress(TimeoutError):
                    await asyncio.wait_for(node.next("node_status"), 0.05)

        assert node.told("node_status")[0]["status"] == "degraded"
        await node.make_ready()
    lingua.stop()


@pytest.mark.req("N5", "N6", "I-63")
async def test_a_silent_node_leaves_selection_and_is_back_with_its_next_heartbeat(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    lingua = servers.start(
        server_name,
        LINGUA_HEARTBEAT_INTERVAL_S="1",
        # Long enough for a job, once the node is back.
        LINGUA_HEARTBEAT_TIMEOUT_S="4",
    )
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        for index in range(2):
            await node.next("node_status", status="offline", reason="silent")
            await speaker.say(index)
            await speaker.check_alive()
            assert len(node.told("job_assign")) == index
            await node.make_ready()
            await node.finish(await node.job())
            await speaker.next("translation_result", utterance_index=index)
        assert not speaker.told("error")
    lingua.stop()


@pytest.mark.req("N6", "J5")
async def test_a_draining_node_finishes_and_takes_nothing_new(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.heartbeat(draining=True)
        await node.next("node_status", status="draining")
        await speaker.say(1)
        await node.finish(job)
        await speaker.next("translation_result", utterance_index=0)
        assert len(node.told("job_assign")) == 1
        await node.heartbeat(draining=False)
        await node.next("node_status", status="ready")
        await node.finish(await node.job())
        await speaker.next("translation_result", utterance_index=1)


@pytest.mark.req("N4", "N14")
async def test_a_node_that_comes_back_keeps_its_jobs(lingua: Lingua, languages: Pair) -> None:
    resumes = {"advanced_features": ["job_ack", "resume"]}
    async with (
        FakeNode.open(lingua.url(NODE), languages, **resumes) as before,
        FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=1) as other,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await other.heartbeat(draining=True)
        await other.next("node_status", status="draining")
        jobs = []
        for index in range(2):
            await speaker.say(index)
            jobs.append(await before.job())
            await before.ack(jobs[-1])
            await speaker.next("ui_event", event="NODE_ACCEPTED", utterance_index=index)
        await other.heartbeat(draining=False)
        await other.next("node_status", status="ready")
        before.drop()
        await eventually(lambda: lingua.node(before.node_id)["status"] == "offline")
        running = {"job_id": jobs[0]["job_id"], "attempt_id": 1}
        async with FakeNode.open(
            lingua.url(NODE),
            languages,
            node_id=before.node_id,
            resume_token=before.resume_token,
            running_attempts=[running],
            **resumes,
        ) as after:
            # What it no longer knows of moves on at once; what it kept it finishes.
            moved = await other.job()
            assert (moved["job_id"], moved["attempt_id"]) == (jobs[1]["job_id"], 2)
            await other.finish(moved)
            await after.finish(jobs[0])
            first = await speaker.next("translation_result", utterance_index=0)
            await speaker.next("translation_result", utterance_index=1)

            assert first["text_translated"] == f"translated by {before.node_id}, attempt 1"
            assert not lingua.leases(before.node_id)
            assert not after.told("job_assign")


@pytest.mark.req("N14")
async def test_an_sdk_node_survives_a_broken_connection_with_its_job(
    lingua: Lingua, languages: Pair
) -> None:
    go_on, begun = asyncio.Event(), asyncio.Event()
    attempts = []

    async def work(job: Job) -> Result:
        attempts.append(job.assign.attempt_id)
        begun.set()
        await go_on.wait()
        return Result(text_asr="heard", text_translated="translated")

    node = _sdk_node(languages, handler=work)
    async with _Wire.open(lingua) as wire, Speaker.open(lingua.url(SESSION), languages) as speaker:
        serving = asyncio.create_task(node.serve(url=wire.url))
        await node.wait_registered()
        await speaker.say(0)
        await asyncio.wait_for(begun.wait(), DEADLINE_S)
        wire.cut()
        node_id = str(node.node_id)
        await eventually(lambda: lingua.node(node_id)["status"] == "offline")
        await eventually(lambda: lingua.node(node_id)["status"] == "ready")
        go_on.set()
        await speaker.next("translation_result", utterance_index=0)
        node.drain()
        await serving

        assert attempts == [1]
        assert not lingua.leases(node_id)


@pytest.mark.req("N14")
async def test_an_sdk_node_that_drains_delivers_first(lingua: Lingua, languages: Pair) -> None:
    begun = asyncio.Event()
    node = _sdk_node(languages)

    @node.job
    async def work(job: Job) -> Result:
        begun.set()
        node.drain()
        await eventually(lambda: lingua.node(str(node.node_id))["draining"] == "1")
        return Result(text_asr="heard", text_translated=f"for {job.tgt_lang}")

    async with Speaker.open(lingua.url(SESSION), languages) as speaker:
        serving = asyncio.create_task(node.serve(url=lingua.url(NODE)))
        await node.wait_registered()
        await speaker.say(0)
        await asyncio.wait_for(begun.wait(), DEADLINE_S)
        await speaker.next("translation_result", utterance_index=0)
        await asyncio.wait_for(serving, DEADLINE_S)

    await eventually(lambda: lingua.node(str(node.node_id))["status"] == "offline")
    assert not lingua.leases(str(node.node_id))


@pytest.mark.req("ED15")
@pytest.mark.parametrize(
    ("result", "code"),
    [
        (Result(text_translated="half \ud800"), "UNREADABLE_RESULT"),
        (Result(tts_audio=bytes(15 * 2**20)), "RESULT_TOO_LARGE"),
        (asyncio.CancelledError(), "PROCESSING_ERROR"),
    ],
    ids=["half a character", "20 MB", "cancelled from within"],
)
async def test_a_speaker_hears_at_once_of_an_sdk_nodes_answer_that_is_none(
    lingua: Lingua, languages: Pair, result: Result | BaseException, code: str
) -> None:
    async def work(_job: Job) -> Result:
        if isinstance(result, BaseException):
            raise result
        return result

    node = _sdk_node(languages, handler=work)
    async with Speaker.open(lingua.url(SESSION), languages) as speaker:
        serving = asyncio.create_task(node.serve(url=lingua.url(NODE)))
        await node.wait_registered()
        await speaker.say(0)
        told = await speaker.next("error")
        node.drain()
        await serving

    assert told["code"] == code
    assert node.counters.assigned == 1
    assert not lingua.leases(str(node.node_id))


@pytest.mark.req("ED15")
@pytest.mark.parametrize(
    ("options", "path", "told"),
    [
        ({"max_concurrent_jobs": 5_000}, NODE, "max_concurrent_jobs: a node offers 1 to 1024"),
        ({"version": "v" * 300}, NODE, "version"),
        ({}, "/ws/knot", "nodes connect at /ws/node"),
    ],
)
async def test_what_no_further_attempt_can_mend_ends_an_sdk_node(
    lingua: Lingua, languages: Pair, options: dict[str, object], path: str, told: str
) -> None:
    node = _sdk_node(languages, **options)

    @node.job
    async def work(_job: Job) -> Result:
        return Result(text_asr="heard")

    with pytest.raises(NodeMistake, match=told):
        await asyncio.wait_for(node.serve(url=lingua.url(path)), DEADLINE_S)


def _sdk_node(languages: Pair, **options: object) -> Node:
    src, tgt = languages
    return Node(
        services=[
            Service(service_id=f"test-{kind}", type=kind, device="cpu", version="1")
            for kind in ("asr", "nmt", "tts")
        ],
        languages=Languages(
            asr_languages=[src],
            tts_languages=[tgt],
            semantic_languages=[],
            semantic_core_ready=False,
            supported_language_pairs=[LanguagePair(src=src, tgt=tgt)],
        ),
        audio="none",
        usage=say_idle,
        **options,  # type: ignore[arg-type]  # a test passes what the node takes
    )


class _Wire:
    """A wire between a node and the server that can be cut."""

    def __init__(self, lingua: Lingua) -> None:
        self._target = lingua.instance.address.split(":")
        self._listener = Listener(self._join)
        self.cut = self._listener.cut

    @property
    def url(self) -> str:
        return f"ws://{self._listener.address}{NODE}"

    @classmethod
    @asynccontextmanager
    async def open(cls, lingua: Lingua) -> AsyncIterator["_Wire"]:
        wire = cls(lingua)
        await wire._listener.start()
        try:
            yield wire
        finally:
            await wire._listener.stop()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        try:
            await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        finally:
            there_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    writer.close()
