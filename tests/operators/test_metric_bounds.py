"""Whoever connects and whatever they say, a scrape stays of bounded size."""

import asyncio
import collections

import pytest
from prometheus_client.parser import text_string_to_metric_families

from operators.console.metric_names import PREFIX
from scheduling.model.jobs import JobKind
from scheduling.model.metrics import Metrics
from scheduling.placement.ranking import Reason
from tests.e2e.servers import Lingua
from tests.operators.conftest import Api
from tests.peers.frames import Frame, draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker

# More than any label may have values: 200, and the one word for all others.
_STRANGERS = 210
_MOST_VALUES = 201
_AT_ONCE = 10


@pytest.mark.req("I-43")
async def test_no_label_grows_with_nodes_services_codes_and_languages(
    lingua: Lingua, api: Api
) -> None:
    for first in range(0, _STRANGERS, _AT_ONCE):
        await asyncio.gather(*(_leave_words(lingua, first + more) for more in range(_AT_ONCE)))

    _, text = await api.text("/metrics")
    values: dict[tuple[str, str], set[str]] = collections.defaultdict(set)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith(PREFIX):
                for label, value in sample.labels.items():
                    values[sample.name, label].add(value)
    grown = {where: len(found) for where, found in values.items() if len(found) > _MOST_VALUES}
    assert values[f"{PREFIX}model_na_by_service_total", "service_id"] >= {"service-0", "service-9"}
    assert grown == {}


class FailingNode(FakeNode):
    """A node that fails whatever it is asked but `spared`, with a code of its own."""

    code = ""
    spared = 1

    async def on_frame(self, frame: Frame) -> None:
        if frame["type"] == "job_assign" and frame["utterance_index"] != self.spared:
            await self.fail(frame, self.code)


async def _leave_words(lingua: Lingua, number: int) -> None:
    """Come as a node and a speaker of their own, and leave words that nobody else says."""
    languages = draw_languages()
    async with (
        FailingNode.open(lingua.url("/ws/node"), languages, version=f"v{number}") as node,
        Speaker.open(lingua.url("/ws/session"), languages, tenant_id=f"t{number}") as speaker,
    ):
        node.code = f"CODE_{number}"
        await speaker.say(0)
        await speaker.next("missing_result", utterance_index=0)
        await speaker.say(1)
        absent = {"service_id": f"service-{number}", "reason": f"said-{number}"}
        await node.fail(await node.job(utterance_index=1), "MODEL_NOT_AVAILABLE", details=absent)


@pytest.mark.req("O13")
def test_of_the_nodes_that_were_passed_over_the_newest_few_are_named() -> None:
    metrics = Metrics()
    reason = Reason.CAPACITY_EXCEEDED

    for number in range(100):
        metrics.pass_over({reason: 2}, {reason: f"n-{number}"})

    assert metrics.counts["dispatch_exclude_total", reason] == 200
    assert list(metrics.examples[reason]) == [f"n-{number}" for number in range(95, 100)]


@pytest.mark.req("ND14", "I-43")
def test_times_to_a_start_lose_tenants_first_and_then_pairs() -> None:
    metrics = Metrics()

    for number in range(300):
        kind = JobKind(pool_id="p", pair=f"pair-{number}", tenant_id=f"t-{number}")
        metrics.note_start(kind, after_ms=1)
    metrics.note_start(JobKind(pair="pair-0", pool_id="p", tenant_id="t-0"), after_ms=1)

    kinds = [labels for _, *labels in metrics.spans]
    assert kinds[0] == ["p", "pair-0", "t-0"]
    assert kinds[100] == ["p", "pair-100", "other"]
    assert kinds[200:] == [["other", "other", "other"]]
    assert sum(metrics.spans["job_start_seconds", "p", "pair-0", "t-0"].counts) == 2
