"""A node that does not even accept a job: a second one has it as well, long before its time (ND6).

Nodes have a minute here to accept, far more than a test takes.
"""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.e2e.hedged import NODE, SESSION, KnownNode, open_known
from tests.e2e.servers import Lingua
from tests.peers.frames import Frame
from tests.peers.speaker import Speaker
from tests.waiting import eventually

Pair = tuple[str, str]
pytestmark = pytest.mark.req("ND6")


@contextlib.asynccontextmanager
async def hedged_in_silence(
    lingua: Lingua, languages: Pair, speaker: Speaker
) -> AsyncIterator[tuple[KnownNode, Frame, KnownNode, Frame]]:
    """Say one utterance, of which its node says nothing, until a second one has it as well."""
    async with open_known(lingua, languages) as first:
        first.shy = True
        await speaker.say(0)
        job = await first.job(session_id=speaker.session_id)
        async with KnownNode.connect(lingua.url(NODE)) as second:
            second.works = False
            await second.register(languages)
            again = await second.job()
            record = lingua.job(job["job_id"])
            assert (record["attempt"], record["state"]) == ("1", "DISPATCHED")
            yield first, job, second, again


async def expect_over(lingua: Lingua, speaker: Speaker, *nodes: KnownNode) -> None:
    """See that nothing is held, nobody is charged, and the speaker has heard one result."""
    for node in nodes:
        await eventually(lambda node=node: not lingua.leases(node.node_id))
        assert node.most_held == 1
        assert not lingua.node(node.node_id).get("standing")
    await speaker.check_alive()
    assert len(speaker.told("translation_result")) == 1


async def test_whoever_is_silent_longer_than_it_ever_was_is_helped_out(
    hedging: Lingua, languages: Pair
) -> None:
    async with (
        Speaker.open(hedging.url(SESSION), languages) as speaker,
        hedged_in_silence(hedging, languages, speaker) as (first, job, second, again),
    ):
        assert (again["job_id"], again["attempt_id"]) == (job["job_id"], 2)
        await second.finish(again)

        assert (await speaker.result(0))["text_translated"].startswith(f"by {second.node_id}")
        stopped = await first.next("job_cancel", job_id=job["job_id"])
        assert stopped["reason"] == "answered_elsewhere"
        await expect_over(hedging, speaker, first, second)


async def test_whoever_accepts_late_may_win_all_the_same(hedging: Lingua, languages: Pair) -> None:
    async with (
        Speaker.open(hedging.url(SESSION), languages) as speaker,
        hedged_in_silence(hedging, languages, speaker) as (first, job, second, _),
    ):
        await first.acknowledge(job)
        await first.finish(job)

        assert (await speaker.result(0))["text_translated"].startswith(f"by {first.node_id}")
        await second.next("job_cancel", job_id=job["job_id"])
        await expect_over(hedging, speaker, first, second)


@pytest.mark.parametrize("how", ["declines", "goes"])
async def test_where_the_silent_one_has_it_no_more_the_second_goes_on_and_no_try_is_spent(
    how: str, hedging: Lingua, languages: Pair
) -> None:
    async with (
        Speaker.open(hedging.url(SESSION), languages) as speaker,
        hedged_in_silence(hedging, languages, speaker) as (first, job, second, again),
    ):
        if how == "goes":
            await first.close()
        else:
            about = ("job_id", "attempt_id", "session_id", "trace_id")
            said = {name: job[name] for name in about} | {"node_id": first.node_id}
            await first.send({"type": "job_decline"} | said)
        await eventually(lambda: hedging.job(job["job_id"])["attempt"] == "2")
        record = hedging.job(job["job_id"])
        assert (record["node_id"], record["state"]) == (second.node_id, "ACKED")
        assert "requeued_by" not in record
        await second.finish(again)

        assert (await speaker.result(0))["text_translated"].startswith(f"by {second.node_id}")
        await expect_over(hedging, speaker, second)
        assert not first.told("error")
