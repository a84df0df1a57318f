"""Operators see how fast each node is beside the node in the middle of all (ND15)."""

import time
from typing import Any

import pytest

from scheduling.model.speeds import MedianSpeed, Speed, find_medians
from tests.e2e.servers import Lingua
from tests.operators.conftest import Api
from tests.peers.frames import Frame, draw_languages
from tests.peers.node import FakeNode, take_job
from tests.peers.speaker import Speaker
from tests.waiting import eventually

_SLOW_S = 0.4
# What no other test here asks for, so that the median is of these two nodes.
_PIPELINE = {"use_asr": True, "use_nmt": True, "use_tts": False, "use_semantic": True}
_USAGE = {"cpu_percent": 33.5, "mem_percent": 20.5, "gpu_percent": 12, "running_jobs": 0}
_SERVICES = ["asr", "nmt", "semantic"]


async def _finish_late(node: FakeNode, job: Frame) -> None:
    late_at = time.monotonic() + _SLOW_S
    await eventually(lambda: time.monotonic() >= late_at)
    await node.finish(job)


def _speed_of(node: dict[str, Any]) -> dict[str, Any]:
    speed: dict[str, Any] = next(one for one in node["speeds"] if one["services"] == _SERVICES)
    return speed


@pytest.mark.req("ND15", "ND4")
async def test_a_node_s_speed_stands_beside_the_median_wherever_it_is_looked_for(
    lingua: Lingua, api: Api
) -> None:
    languages = draw_languages()
    one_slot = {"max_concurrent_jobs": 1}
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages, **one_slot) as one,
        FakeNode.open(lingua.url("/ws/node"), languages, **one_slot) as other,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        assert (await api.json(f"/api/v1/nodes/{one.node_id}"))["speeds"] == []
        jobs = []
        for index in range(2):
            await speaker.say(index, pipeline=_PIPELINE)
            node, job = await take_job(one, other)
            await node.ack(job)
            jobs.append((node, job))
        # One has its job for all the time that the other has its own, and longer.
        (slow, slow_job), (fast, fast_job) = jobs
        await fast.finish(fast_job)
        await _finish_late(slow, slow_job)
        await speaker.result(0)
        await speaker.result(1)

        shown = await api.until(
            f"/api/v1/nodes/{slow.node_id}",
            lambda node: node["speeds"] and _speed_of(node)["nodes_measured"] == 2,
        )
        listed = {row["node_id"]: row for row in (await api.json("/api/v1/nodes"))["nodes"]}
        samples = await api.samples()
        why = await api.json(f"/api/v1/jobs/{slow_job['job_id']}/why")
        why_not = await api.json(f"/api/v1/jobs/{slow_job['job_id']}/why-not/{fast.node_id}")

        # Its connection knows nothing of it: what was measured outlasts what the node says.
        await slow.heartbeat()
        await slow.heartbeat(resource_usage=_USAGE)
        later = await api.until(
            f"/api/v1/nodes/{slow.node_id}", lambda node: node["cpu_usage"] == _USAGE["cpu_percent"]
        )

    assert later["speeds"] == shown["speeds"]
    speed, fast_speed = _speed_of(shown), _speed_of(listed[fast.node_id])
    assert _speed_of(listed[slow.node_id]) == speed
    # The jobs had less than a second of audio, which counts as one.
    assert speed["ms_per_second"] >= _SLOW_S * 1_000
    assert speed["ms_per_second"] > fast_speed["ms_per_second"]
    figures = {
        place: samples[
            f'scheduler_node_speed_seconds{{place="{place}",services="asr,nmt,semantic"}}'
        ]
        for place in ("fastest", "median", "slowest")
    }
    assert figures == {
        "fastest": fast_speed["ms_per_second"] / 1_000,
        "median": fast_speed["ms_per_second"] / 1_000,
        "slowest": speed["ms_per_second"] / 1_000,
    }
    # Of two the faster one is in the middle.
    assert speed["median_ms_per_second"] == fast_speed["ms_per_second"]
    assert why["speeds"] == [
        {"node_id": fast.node_id, **fast_speed},
        {"node_id": slow.node_id, **speed},
    ]
    assert why_not["speeds"] == [{"node_id": fast.node_id, **fast_speed}]


@pytest.mark.req("ND15")
def test_medians_are_of_nodes_with_the_same_services() -> None:
    def speed(services: str, rate_ms: int) -> Speed:
        return Speed(services=services, rate_ms=rate_ms, at_ms=1)

    fleet = [
        (speed("asr", 900), speed("asr,nmt", 50)),
        (speed("asr", 100),),
        (),
        (speed("asr", 300), speed("nmt", 7)),
        (speed("asr", 200),),
    ]

    assert find_medians(fleet) == {
        "asr": MedianSpeed(rate_ms=200, nodes=4),
        "asr,nmt": MedianSpeed(rate_ms=50, nodes=1),
        "nmt": MedianSpeed(rate_ms=7, nodes=1),
    }
    assert find_medians([]) == {}
