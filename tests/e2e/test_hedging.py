"""Two nodes work on one job, for the first takes long: one result, no slot over (ND6)."""

import pytest

from tests.e2e.hedged import NODE, SESSION, KnownNode, hedged
from tests.e2e.servers import Lingua
from tests.peers.frames import Frame
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

Pair = tuple[str, str]
pytestmark = pytest.mark.req("ND6")


async def expect_over(
    lingua: Lingua, speaker: Speaker, job: Frame, *nodes: KnownNode, tries: int = 0
) -> None:
    """See that nothing is held, nobody is charged, and the speaker has heard one result."""
    record = lingua.job(job["job_id"])
    assert record["ended_as"] == "DONE"
    assert "reported" not in record or record["reported"] == str(tries)
    for node in nodes:
        await eventually(lambda node=node: not lingua.leases(node.node_id))
        assert node.most_held == 1
        assert not lingua.node(node.node_id).get("standing")
    results = [frame for frame in await speaker.check_alive() if "text_asr" in frame]
    assert not [frame for frame in results if frame["type"] == "translation_result"]


@pytest.mark.parametrize("winner", ["first", "second"])
async def test_the_first_good_answer_wins_and_the_other_node_stops_and_is_not_blamed(
    hedging: Lingua, languages: Pair, winner: str
) -> None:
    async with (
        Speaker.open(hedging.url(SESSION), languages) as speaker,
        hedged(hedging, languages, speaker) as (first, job, second, again),
    ):
        assert again["job_id"] == job["job_id"]
        assert again["attempt_id"] == job["attempt_id"] + 1
        held = {"first": (first, job), "second": (second, again)}
        wins, won = held.pop(winner)
        ((loses, lost),) = held.values()

        await wins.finish(won)

        result = await speaker.result(0)
        assert result["text_translated"].startswith(f"by {wins.node_id}")
        stopped = await loses.next("job_cancel", job_id=job["job_id"])
        assert stopped["reason"] == "answered_elsewhere"
        await loses.finish(lost)
        await expect_over(hedging, speaker, job, first, second)
        assert not loses.told("error")


@pytest.mark.req("SP5")
@pytest.mark.parametrize("speaks_first", ["first", "second"])
async def test_of_two_nodes_the_first_that_has_words_before_the_end_is_followed(
    hedging: Lingua, languages: Pair, speaks_first: str
) -> None:
    async with (
        Speaker.open(hedging.url(SESSION), languages) as speaker,
        hedged(hedging, languages, speaker) as (first, job, second, again),
    ):
        held = {"first": (first, job), "second": (second, again)}
        node, own = held.pop(speaks_first)
        ((other, others),) = held.values()

        await node.send(_partial(node, own, "go"))
        await speaker.next("asr_partial", text="go")
        await other.send(_partial(other, others, "stop"))
        await other.send({"type": "nothing_known"})
        await other.next("error")  # in order: the words before it were taken
        await node.send(_partial(node, own, "go ahead"))

        shown = await speaker.next("asr_partial", text="go ahead")
        assert shown["utterance_index"] == 0
        assert [frame["text"] for frame in speaker.told("asr_partial")] == ["go", "go ahead"]
        await node.finish(own)
        await speaker.result(0)


def _partial(node: KnownNode, job: Frame, text: str) -> Frame:
    about = {name: job[name] for name in ("job_id", "attempt_id", "session_id", "utterance_index")}
    about |= {"node_id": node.node_id, "trace_id": job["trace_id"]}
    return about | {"type": "asr_partial", "text": text, "is_final": False}


async def test_where_the_second_node_goes_the_first_goes_on(
    hedging: Lingua, languages: Pair
) -> None:
    async with (
        Speaker.open(hedging.url(SESSION), languages) as speaker,
        hedged(hedging, languages, speaker) as (first, job, second, _),
    ):
        await second.close()
        await eventually(lambda: hedging.node(second.node_id)["status"] == "offline")
        await first.finish(job)

        assert (await speaker.result(0))["text_translated"].startswith(f"by {first.node_id}")
        await expect_over(hedging, speaker, job, first)
        assert hedging.job(job["job_id"])["attempt"] == "1"


async def test_where_the_first_node_goes_the_second_goes_on_and_no_try_is_spent(
    hedging: Lingua, languages: Pair
) -> None:
    async with (
        Speaker.open(hedging.url(SESSION), languages) as speaker,
        hedged(hedging, languages, speaker) as (first, job, second, again),
    ):
        await first.close()
        record = await eventually(
            lambda: hedging.job(job["job_id"]),
            # That the second one accepted it may be told after the first one is gone.
            fits=lambda record: (record["attempt"], record["state"]) == ("2", "ACKED"),
        )
        assert record["node_id"] == second.node_id
        assert "requeued_by" not in record
        await second.finish(again)

        assert (await speaker.result(0))["text_translated"].startswith(f"by {second.node_id}")
        await expect_over(hedging, speaker, job, second)


@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("how", ["go", "fail"])
async def test_where_both_fail_it_there_is_one_more_attempt_at_a_third(
    hedging: Lingua, languages: Pair, order: str, how: str
) -> None:
    async with (
        Speaker.open(hedging.url(SESSION), languages) as speaker,
        hedged(hedging, languages, speaker) as (first, job, second, again),
    ):
        async with WorkingNode.connect(hedging.url(NODE)) as third:
            await third.register(languages)
            both = [(first, job), (second, again)]
            for node, held in both if order == "first" else reversed(both):
                if how == "go":
                    await node.close()
                else:
                    await node.fail(held, "PROCESSING_ERROR")
            last = await third.job()
            assert last["attempt_id"] == 3
            await third.acknowledge(last)
            await third.finish(last)
            assert (await speaker.result(0))["text_translated"].startswith(f"by {third.node_id}")
            await eventually(lambda: not hedging.leases(third.node_id))
        assert first.most_held == second.most_held == 1


async def test_a_job_that_its_speaker_cancels_is_stopped_at_both_nodes(
    hedging: Lingua, languages: Pair
) -> None:
    async with (
        Speaker.open(hedging.url(SESSION), languages) as speaker,
        hedged(hedging, languages, speaker) as (first, job, second, _),
    ):
        cancel = {"type": "utterance_cancel", "session_id": speaker.session_id}
        await speaker.send(cancel | {"utterance_index": 0})
        for node in (first, second):
            await node.next("job_cancel", job_id=job["job_id"])
            await eventually(lambda node=node: not hedging.leases(node.node_id))
        assert hedging.job(job["job_id"])["ended_as"] == "CANCELLED"


async def test_a_second_node_that_declines_leaves_the_job_to_the_first(
    hedging: Lingua, languages: Pair
) -> None:
    async with (
        Speaker.open(hedging.url(SESSION), languages) as speaker,
        hedged(hedging, languages, speaker, shy=True) as (first, job, second, again),
    ):
        about = ("job_id", "attempt_id", "session_id", "trace_id")
        said = {name: again[name] for name in about} | {"node_id": second.node_id}
        await second.send({"type": "job_decline"} | said)
        await eventually(lambda: not hedging.leases(second.node_id))
        assert hedging.job(job["job_id"])["declined_by"] == second.node_id
        await first.finish(job)

        assert (await speaker.result(0))["text_translated"].startswith(f"by {first.node_id}")
        await expect_over(hedging, speaker, job, first)
        assert not second.told("error") + second.told("job_cancel")
