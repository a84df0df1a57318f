"""A node stalls, and the deadline comes: a second one answers in time (ND6)."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.e2e.hedged import ALWAYS, NODE, SESSION, KnownNode
from tests.e2e.servers import Lingua, Servers
from tests.peers.speaker import Speaker
from tests.waiting import eventually

Pair = tuple[str, str]
# Nothing is known of either node, so half of it is left to the second one.
DEADLINE_MS, SOON_MS = 4_000, 1_000
pytestmark = pytest.mark.req("ND6")


@contextlib.asynccontextmanager
async def two_nodes(lingua: Lingua, languages: Pair) -> AsyncIterator[list[KnownNode]]:
    """Connect two that accept everything and answer nothing by themselves, and have them known."""
    async with (
        KnownNode.connect(lingua.url(NODE)) as one,
        KnownNode.connect(lingua.url(NODE)) as other,
    ):
        for node in (one, other):
            node.works = False
            await node.register(languages)
        yield [one, other]


async def find_with_job(nodes: list[KnownNode]) -> tuple[KnownNode, KnownNode]:
    """Return who has the job, and who has not."""
    await eventually(lambda: any(node.told("job_assign") for node in nodes))
    return tuple(sorted(nodes, key=lambda node: not node.told("job_assign")))


@pytest.mark.parametrize("fault", ["stalls", "does not accept"])
async def test_near_the_deadline_a_second_node_answers_for_one_that(
    fault: str, servers: Servers, languages: Pair
) -> None:
    lingua = servers.start("uvicorn", **ALWAYS)
    async with (
        two_nodes(lingua, languages) as nodes,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        for node in nodes:
            node.shy = fault == "does not accept"
        await speaker.say(0, deadline_ms=DEADLINE_MS)
        first, second = await find_with_job(nodes)
        job = await first.job()

        again = await second.job()
        await second.finish(again)

        result = await speaker.result(0)
        assert result["text_translated"].startswith(f"by {second.node_id}")
        assert (again["job_id"], again["attempt_id"]) == (job["job_id"], 2)
        stopped = await first.next("job_cancel", job_id=job["job_id"])
        assert stopped["reason"] == "answered_elsewhere"
        for node in nodes:
            await eventually(lambda node=node: not lingua.leases(node.node_id))
            assert not lingua.node(node.node_id).get("standing")
    lingua.stop()


async def test_without_hedging_it_is_refused_by_its_deadline(
    servers: Servers, languages: Pair
) -> None:
    lingua = servers.start("uvicorn", **ALWAYS | {"LINGUA_HEDGE_PERCENT": "0"})
    async with (
        two_nodes(lingua, languages) as nodes,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0, deadline_ms=SOON_MS)
        _, second = await find_with_job(nodes)
        await speaker.next("missing_result", utterance_index=0)
        assert speaker.told("error")[-1]["code"] == "DEADLINE_EXCEEDED"
        assert not second.told("job_assign")
    lingua.stop()
