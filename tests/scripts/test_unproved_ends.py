"""finish_slot: ends of attempts that nobody proves, and what they add up to (ND1, ND9)."""

import pytest

from scheduling.model.standing import Ending, NodeState, Standing, StandingRules
from scheduling.store.replies import SlotReply
from tests.scripts.fixtures import Stores
from tests.scripts.test_judge_node import end

pytestmark = pytest.mark.req("ND1")

RULES = StandingRules()
MANY = 5


async def end_all(stores: Stores, *endings: Ending) -> Standing:
    replies = [await end(stores, f"job-{number}", one) for number, one in enumerate(endings)]
    return read(replies[-1])


def read(reply: SlotReply) -> Standing:
    assert reply.judgement is not None
    return reply.judgement.standing


@pytest.mark.req("ND9")
async def test_who_declines_five_jobs_in_a_row_has_none_for_a_while_and_did_no_wrong(
    stores: Stores,
) -> None:
    first = await end_all(stores, *[Ending.DECLINED] * (MANY - 1))
    rests = read(await end(stores, "job-x", Ending.DECLINED))
    stores.set_clock(rests.ends)
    longer = read(await end(stores, "job-y", Ending.DECLINED))

    assert first.state is NodeState.GOOD
    assert (rests.state, rests.reason) == (NodeState.QUARANTINE, "declined")
    assert rests.ends - rests.since == 4 * RULES.rest_ms
    assert longer.ends - longer.since == 8 * RULES.rest_ms
    stores.set_clock(longer.ends)
    assert read(await end(stores, "job-z", Ending.GOOD)).state is NodeState.GOOD


@pytest.mark.req("ND9")
async def test_one_that_declines_late_has_kept_a_job_waiting_and_rests_at_once(
    stores: Stores,
) -> None:
    rests = await end_all(stores, Ending.DECLINED_LATE)

    assert (rests.state, rests.reason) == (NodeState.QUARANTINE, "declined")


@pytest.mark.req("ND9")
async def test_a_job_done_between_declines_says_that_it_takes_some(stores: Stores) -> None:
    picky = [*[Ending.DECLINED] * (MANY - 1), Ending.GOOD] * 3

    assert (await end_all(stores, *picky, Ending.DECLINED)).state is NodeState.GOOD


@pytest.mark.req("ND9", "ND10")
async def test_declines_are_no_way_out_of_what_a_probe_found(stores: Stores) -> None:
    await end(stores, "job-x")
    await stores.slots.note_probe(node_id="n1", passed=False)

    declined = await end_all(stores, *[Ending.DECLINED] * MANY)

    assert (declined.state, declined.reason) == (NodeState.PROBATION, "probe")


async def test_who_lets_speakers_wait_in_vain_is_on_probation_the_third_time_in_a_row(
    stores: Stores,
) -> None:
    twice = await end_all(stores, Ending.UNANSWERED, Ending.UNANSWERED)
    third = read(await end(stores, "job-x", Ending.UNANSWERED))

    assert twice.state is NodeState.GOOD
    assert twice.rest > 0
    assert (third.state, third.reason) == (NodeState.PROBATION, "stalled")


async def test_an_answer_between_them_says_that_it_lives(stores: Stores) -> None:
    slow = [Ending.UNANSWERED, Ending.UNANSWERED, Ending.GOOD] * 3

    assert (await end_all(stores, *slow, Ending.UNANSWERED)).state is NodeState.GOOD
