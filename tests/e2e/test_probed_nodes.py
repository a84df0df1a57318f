"""Nodes are probed with a clip and the words in it, seen from outside (ND10)."""

import asyncio
import base64
import contextlib
import wave
from collections.abc import AsyncIterator

import pytest

from operators.db.probe_models import CLIPS
from tests.e2e.servers import Lingua, Servers
from tests.e2e.sick_fleet import NODE, SCALE, SESSION, MoodyNode, call, read_states, say_and_hear
from tests.instances.test_degraded_reads import ask
from tests.peers.frames import Frame
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

ENGLISH = ("en", "de")
# Probes are far apart, so that a test knows which it sees.
SELDOM = {"LINGUA_NODE_PROBE_INTERVAL_S": "3600"}


def _read_probe() -> str:
    with wave.open(str(CLIPS / "go_forward_ten_meters.wav")) as clip:
        return base64.b64encode(clip.readframes(clip.getnframes())).decode()


PROBE = _read_probe()


class Hearing(MoodyNode):
    """A node that hears what is said in the clip, answers rubbish at once, or declines it."""

    is_rubbish = False
    declines_probes = False
    probed = 0

    async def on_frame(self, frame: Frame) -> None:
        if frame["type"] != "job_assign":
            return
        is_probe = frame["audio"] == PROBE
        self.probed += is_probe
        self.assigned += not is_probe
        if is_probe and self.declines_probes:
            await self.send(self._about("job_decline", frame))
            return
        await self.acknowledge(frame)
        takes_s = 0 if self.is_rubbish else SCALE.service_s
        asyncio.get_running_loop().call_later(takes_s, lambda: self._begin(self.finish(frame)))

    def result_frame(self, job: Frame) -> Frame:
        said = "Go FORWARD, ten metres!" if job["audio"] == PROBE else "something"
        return super().result_frame(job) | {"text_asr": "bla bla" if self.is_rubbish else said}


@contextlib.asynccontextmanager
async def open_nodes(
    lingua: Lingua, *, good: int, bad: int
) -> AsyncIterator[tuple[list[Hearing], list[Hearing]]]:
    async with contextlib.AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(Hearing.connect(lingua.url(NODE)))
            for _ in range(good + bad)
        ]
        for node in nodes[:bad]:
            node.is_rubbish = True
        for node in nodes:
            await node.register(ENGLISH)
        yield nodes[bad:], nodes[:bad]


@pytest.mark.req("ND10")
async def test_a_node_that_answers_rubbish_is_out_before_its_tenth_job(servers: Servers) -> None:
    lingua = servers.start("uvicorn", **SCALE.variables | {"LINGUA_NODE_QUARANTINE_S": "30"})
    async with open_nodes(lingua, good=5, bad=3) as (good, bad):
        # In a rush of jobs a probe may come too late: these have the moment that it takes.
        await eventually(lambda: "good" not in dict(read_states(lingua, bad)))
        ended = await call(lingua, ENGLISH, callers=8, jobs=100)

        assert all(ended)
        assert all(node.assigned < 10 for node in bad)
        await eventually(lambda: read_states(lingua, bad) == [("quarantine", "probe")] * 3)
        assert {state for state, _ in read_states(lingua, good)} == {"good"}
        assert all(node.probed == 1 for node in good)
    lingua.stop()


@pytest.mark.req("ND10")
async def test_a_node_that_mended_itself_is_back_after_its_next_probe(servers: Servers) -> None:
    lingua = servers.start("uvicorn", **SCALE.variables | SELDOM)
    async with open_nodes(lingua, good=1, bad=1) as (_, bad):
        await eventually(lambda: read_states(lingua, bad) == [("quarantine", "probe")])
        bad[0].is_rubbish = False

        await eventually(lambda: read_states(lingua, bad) == [("good", "")])
    lingua.stop()


@pytest.mark.req("ND10")
async def test_a_probe_that_no_node_passes_condemns_nobody(servers: Servers) -> None:
    lingua = servers.start("uvicorn", **SELDOM)
    async with open_nodes(lingua, good=0, bad=3) as (_, bad):
        await eventually(lambda: all(node.probed for node in bad))
        async with Speaker.open(lingua.url(SESSION), ENGLISH) as speaker:
            assert await say_and_hear(speaker, 0)

        await eventually(lambda: read_states(lingua, bad) == [("good", "")] * 3)
    lingua.stop()


@pytest.mark.req("ND10")
async def test_a_probe_gives_way_to_a_job_that_waits_for_its_slot(servers: Servers) -> None:
    lingua = servers.start("uvicorn", **SELDOM)
    async with FakeNode.open(lingua.url(NODE), ENGLISH, max_concurrent_jobs=1) as node:
        probe = await node.next("job_assign")
        await node.ack(probe)
        async with Speaker.open(lingua.url(SESSION), ENGLISH) as speaker:
            await speaker.say(0)
            await node.next("job_cancel", job_id=probe["job_id"])
            job = await node.next("job_assign")
            await node.ack(job)
            await node.finish(job)

            await speaker.next("translation_result", utterance_index=0)
    lingua.stop()


@pytest.mark.req("ND10")
async def test_a_node_that_has_a_job_is_not_probed(servers: Servers) -> None:
    # Due again at once, so that only the job keeps the next one away.
    often = {"LINGUA_NODE_PROBE_INTERVAL_S": "0.2"}
    lingua = servers.start("uvicorn", **often)
    async with (
        FakeNode.open(lingua.url(NODE), ENGLISH, max_concurrent_jobs=4) as node,
        Speaker.open(lingua.url(SESSION), ENGLISH) as speaker,
    ):
        await speaker.say(0)
        jobs = [await node.next("job_assign"), await node.next("job_assign")]
        real = next(job for job in jobs if job["audio"] != PROBE)
        for job in jobs:
            await node.ack(job)
            if job is not real:
                await node.finish(job)
        await speaker.say(1)
        following = await node.next("job_assign")
        assert following["audio"] != PROBE
        for job in (real, following):
            await node.ack(job)
            await node.finish(job)
        assert (await node.next("job_assign"))["audio"] == PROBE
    lingua.stop()


@pytest.mark.req("ND10")
async def test_probes_are_in_no_statistics_and_in_no_history(servers: Servers) -> None:
    lingua = servers.start("uvicorn", **SELDOM)
    async with open_nodes(lingua, good=2, bad=0) as (good, _):
        await eventually(lambda: all(node.probed for node in good))
        async with Speaker.open(lingua.url(SESSION), ENGLISH) as speaker:
            assert await say_and_hear(speaker, 0)
        _, told = await asyncio.to_thread(ask, lingua.instance, "/metrics")

        assert 'scheduler_jobs_total{status="done"} 1' in told
        assert 'scheduler_node_probes_total{outcome="passed"} 2' in told
        assert "scheduler_dispatched_jobs_total 1" in told
        kept = [key for key in lingua.dump("{t:*}*") if "s-FFF" in str(lingua.dump(key))]
        assert not kept, "a probe is timed, or waits for the history"
    lingua.stop()
