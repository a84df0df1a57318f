"""How long jobs take to their nodes, waiting included, and which pairs wait for a node at all."""

import time

import pytest

from tests.e2e.servers import Lingua
from tests.operators.conftest import Api
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

pytestmark = pytest.mark.req("ND14")

_WAITED_S = 0.4


async def _find(api: Api, name: str, *labels: str) -> float | None:
    """Return the sum of a metric's series that have all these labels: pools come as they are made.

    None where there is no such series.
    """
    found = [
        value
        for series, value in (await api.samples()).items()
        if series.startswith(f"scheduler_{name}{{") and all(label in series for label in labels)
    ]
    return sum(found) if found else None


async def test_a_job_that_waited_counts_with_its_wait(lingua: Lingua, api: Api) -> None:
    src, tgt = draw_languages()
    labels = f'pair="{src}-{tgt}"', 'tenant="waiting"'
    async with (
        FakeNode.open(lingua.url("/ws/node"), (src, tgt), max_concurrent_jobs=1) as node,
        Speaker.open(lingua.url("/ws/session"), (src, tgt), tenant_id="waiting") as speaker,
    ):
        await speaker.say(0)
        first = await node.job(utterance_index=0)
        await node.ack(first)
        await api.until_nobody_waits()
        await speaker.say(1)
        await speaker.next("ui_event", event="QUEUED", utterance_index=1)
        over_at = time.monotonic() + _WAITED_S
        await eventually(lambda: time.monotonic() >= over_at)
        await node.finish(first)
        second = await node.job(utterance_index=1)
        await node.started(second)
        await node.ack(second)
        await node.finish(second)
        await speaker.next("translation_result", utterance_index=1)

        count = await _find(api, "job_start_seconds_count", *labels)
        total_s = await _find(api, "job_start_seconds_sum", *labels)
    assert count == 2
    assert total_s is not None
    assert total_s >= _WAITED_S


async def test_a_pair_that_is_asked_for_says_whether_a_node_is_ready(
    lingua: Lingua, api: Api
) -> None:
    src, tgt = draw_languages()

    async def is_served() -> float | None:
        return await _find(api, "pair_served", f'pair="{src}-{tgt}"')

    async with Speaker.open(lingua.url("/ws/session"), (src, tgt)) as speaker:
        async with FakeNode.open(lingua.url("/ws/node"), (src, tgt)) as node:
            await speaker.say(0)
            await node.finish(await node.job())
            await speaker.next("translation_result", utterance_index=0)
            assert await is_served() == 1

            await node.heartbeat(draining=True)
            await eventually(is_served, fits=lambda served: served is None)
            await speaker.say(1)
            await eventually(is_served, fits=lambda served: served == 0)
            await node.heartbeat(draining=False)
            await eventually(is_served, fits=lambda served: served == 1)
        await eventually(is_served, fits=lambda served: served == 0)


async def test_a_pair_that_no_node_knows_is_not_served(lingua: Lingua, api: Api) -> None:
    languages, (src, tgt) = draw_languages(), draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages),
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        await speaker.say(0, src_lang=src, tgt_lang=tgt)
        label = f'pair="{src}-{tgt}"'
        await eventually(lambda: _find(api, "pair_served", label), fits=lambda served: served == 0)
