"""judge_node and reserve_slot: few jobs for a node until a probe proves it (ND10)."""

import pytest

from scheduling.model.standing import UNTRIED, Ending, NodeState, Standing, StandingRules
from scheduling.store.replies import SlotReply
from tests.scripts.fixtures import Stores, make_ready
from tests.scripts.test_judge_probes import probe

pytestmark = pytest.mark.req("ND10")

RULES = StandingRules()


async def hold(stores: Stores) -> Standing | None:
    judgement = await stores.slots.hold_untried(node_id="n1")
    return judgement.standing if judgement else None


async def take(stores: Stores, job_id: str, *, forced: bool = False) -> SlotReply:
    node = await make_ready(stores, max_jobs=4)
    return await stores.slots.reserve(node=node, job_id=job_id, attempt=1, types=(), forced=forced)


async def work(stores: Stores, job_id: str) -> SlotReply:
    """Let the node do a job well, if it gets it."""
    taken = await take(stores, job_id)
    if taken.done:
        await stores.slots.finish(node_id="n1", job_id=job_id, attempt=1, ending=Ending.GOOD)
    return taken


async def test_it_has_its_jobs_one_at_a_time_however_well_they_end(stores: Stores) -> None:
    await make_ready(stores, max_jobs=4)
    await hold(stores)
    first = await take(stores, "job-0")
    beside_it = await take(stores, "job-x")
    await stores.slots.finish(node_id="n1", job_id="job-0", attempt=1, ending=Ending.GOOD)
    others = [await work(stores, f"job-{number}") for number in range(1, RULES.untried_jobs + 2)]

    assert first.done
    assert beside_it.word == "on_probation"
    assert [one.word for one in others[-3:]] == ["reserved", "unproven", "unproven"]


async def test_a_reservation_that_is_sent_twice_is_one_job(stores: Stores) -> None:
    await make_ready(stores)
    await hold(stores)
    for _ in range(2 * RULES.untried_jobs):
        assert (await take(stores, "job-0")).done
    found = await stores.nodes.find(node_id="n1")

    assert found is not None
    assert found[0].standing.left == RULES.untried_jobs - 1


async def test_where_no_other_could_serve_it_does_and_that_is_not_counted(stores: Stores) -> None:
    await make_ready(stores, max_jobs=4)
    await hold(stores)
    taken = [await take(stores, f"job-{number}", forced=True) for number in range(4)]
    found = await stores.nodes.find(node_id="n1")

    assert all(one.done for one in taken)
    assert found is not None
    assert found[0].standing.left == RULES.untried_jobs


async def test_a_probe_that_is_passed_proves_it_for_good(stores: Stores) -> None:
    await make_ready(stores, max_jobs=4)
    await hold(stores)
    passed = await probe(stores, passed=True)

    assert passed is not None
    assert (passed.state, passed.left) == (NodeState.GOOD, -1)
    assert await hold(stores) is None, "it is as known as it can be"


async def test_a_probe_that_is_failed_leaves_what_was_left(stores: Stores) -> None:
    await make_ready(stores, max_jobs=4)
    await hold(stores)
    for number in range(2):
        await work(stores, f"job-{number}")
    failed = await stores.slots.note_probe(node_id="n1", passed=False)

    assert failed is not None
    assert (failed.standing.reason, failed.standing.left) == ("probe", RULES.untried_jobs - 2)
    assert failed.before is NodeState.GOOD, "that is news"


async def test_a_node_that_was_good_has_few_jobs_once_it_failed_a_probe(stores: Stores) -> None:
    await make_ready(stores, max_jobs=4)
    failed = await probe(stores)

    assert failed is not None
    assert failed.left == RULES.untried_jobs


async def test_asked_again_it_has_no_more_and_waits_longer(stores: Stores) -> None:
    await make_ready(stores, max_jobs=4)
    await hold(stores)
    await work(stores, "job-0")
    stores.advance_clock(RULES.probation_ms - 1)
    again = await hold(stores)

    assert again is not None
    assert (again.reason, again.left) == (UNTRIED, RULES.untried_jobs - 1)
    stores.advance_clock(RULES.probation_ms)
    assert (await work(stores, "job-1")).done, "nobody asked it in time"
    assert [(await work(stores, f"job-{one}")).done for one in "abcdefgh"] == [True] * 8


async def test_one_that_is_judged_is_not_untried(stores: Stores) -> None:
    await make_ready(stores, max_jobs=4)
    await stores.slots.quarantine(node_id="n1", for_ms=60_000)

    assert await hold(stores) is None
