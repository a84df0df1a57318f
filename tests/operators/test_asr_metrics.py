"""What nodes say of their recognition, in the statistics of a real server."""

from typing import Any

import pytest

from tests.e2e.servers import Lingua
from tests.operators.conftest import Api
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker

Counts = dict[str, float]


async def _read(api: Api) -> Counts:
    """Return the figures of recognition; the server is shared, so tests look at what grew."""
    told = await api.json("/api/v1/metrics")
    return {**told["rerun"], "empty": told["web_task_segmentation"]["empty_finalize_total"]}


async def _beat(node: FakeNode, **totals: int) -> None:
    """Send a heartbeat, and see that the server has handled it."""
    await node.heartbeat(rerun_metrics=totals, draining=True)
    await node.next("node_status", status="draining")
    await node.heartbeat(rerun_metrics=totals, draining=False)
    await node.next("node_status", status="ready")


def _grown(before: Counts, after: Counts) -> dict[str, float]:
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


@pytest.mark.req("I-65", "O2")
async def test_running_totals_of_a_node_are_counted_once_however_often_they_are_said(
    lingua: Lingua, api: Api
) -> None:
    async with FakeNode.open(lingua.url("/ws/node"), draw_languages()) as node:
        await _beat(node, totalReruns=100, successfulReruns=90)
        before = await _read(api)

        for _ in range(3):
            await _beat(
                node, totalReruns=104, successfulReruns=92, timeoutReruns=1, qualityImprovements=1
            )

        assert _grown(before, await _read(api)) == {
            "trigger_count": 4,
            "success_count": 2,
            "timeout_count": 1,
            "quality_improvements": 1,
        }


@pytest.mark.req("I-65", "O2")
async def test_a_node_program_that_began_anew_is_counted_from_nothing(
    lingua: Lingua, api: Api
) -> None:
    async with FakeNode.open(lingua.url("/ws/node"), draw_languages()) as node:
        await _beat(node, totalReruns=100, successfulReruns=90)
        before = await _read(api)

        await _beat(node, totalReruns=2, successfulReruns=1)

        grown = _grown(before, await _read(api))
        assert grown == {"trigger_count": 2, "success_count": 1}


@pytest.mark.req("I-65", "O2")
async def test_a_node_that_comes_back_is_not_counted_again(lingua: Lingua, api: Api) -> None:
    languages = draw_languages()
    async with FakeNode.open(lingua.url("/ws/node"), languages) as node:
        await _beat(node, totalReruns=50)
        before = await _read(api)
        node_id, token = node.node_id, node.resume_token

    async with FakeNode.connect(lingua.url("/ws/node")) as node:
        await node.register(languages, node_id=node_id, resume_token=token)
        await node.make_ready()
        await _beat(node, totalReruns=50)

    assert _grown(before, await _read(api)) == {}


@pytest.mark.req("O2")
async def test_results_say_how_good_and_how_sure_recognition_was(lingua: Lingua, api: Api) -> None:
    languages = draw_languages()
    said: list[dict[str, Any]] = [
        {"asr_quality_level": "good", "extra": {"language_probability": 0.98}},
        {"asr_quality_level": "bad", "rerun_count": 2, "extra": {"language_probability": 0.31}},
        {"asr_quality_level": "what is this", "extra": {"language_probability": "high"}},
        {},
    ]
    names = [
        *(f'scheduler_asr_results_total{{quality="{q}"}}' for q in ("good", "bad", "unknown")),
        "scheduler_asr_results_rerun_total",
        'scheduler_asr_language_probability_bucket{le="0.4"}',
        'scheduler_asr_language_probability_bucket{le="1.0"}',
    ]
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        before = await api.samples()
        for index, changes in enumerate(said):
            await speaker.say(index)
            job = await node.job()
            await node.ack(job)
            await node.finish(job, **changes)
            await speaker.result(index)
        after = await api.samples()
    told = (await api.json("/api/v1/metrics"))["asr"]

    assert [after[name] - before[name] for name in names] == [1, 1, 2, 1, 1, 2]
    assert 0 < told["bad_segment_rate"] < 1
    assert 0 < told["rerun_trigger_rate"] < 1
    assert {"0.4", "1.0"} <= told["lang_prob_distribution"].keys()


@pytest.mark.req("O2")
async def test_a_mark_of_the_end_that_finds_no_audio_is_counted(lingua: Lingua, api: Api) -> None:
    async with Speaker.open(lingua.url("/ws/session"), draw_languages()) as speaker:
        before = await _read(api)
        await speaker.chunk(b"", final=True)
        closing = {"type": "session_close", "session_id": speaker.session_id, "reason": "bye"}
        await speaker.send(closing)
        await speaker.next("session_close_ack")

    assert _grown(before, await _read(api)) == {"empty": 1}
