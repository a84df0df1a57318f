"""judge_node: what probes say of a node, and what its work cannot take back (ND10)."""

import pytest

from scheduling.model.standing import Ending, NodeState, Standing
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import Stores, make_ready
from tests.scripts.test_judge_node import end

pytestmark = pytest.mark.req("ND10")


async def probe(stores: Stores, *, passed: bool = False) -> Standing | None:
    judgement = await stores.slots.note_probe(node_id="n1", passed=passed)
    return judgement.standing if judgement else None


async def test_a_failed_probe_is_probation_and_a_second_in_a_row_quarantine(
    stores: Stores,
) -> None:
    await make_ready(stores, max_jobs=4)
    first, second, third = [await probe(stores) for _ in range(3)]

    assert first is not None
    assert second is not None
    assert third is not None
    assert [(one.state.value, one.reason) for one in (first, second, third)] == [
        ("probation", "probe"),
        ("quarantine", "probe"),
        ("quarantine", "probe"),
    ]
    assert third.ends - third.since == 2 * (second.ends - second.since)


async def test_good_jobs_do_not_take_back_what_a_probe_found(stores: Stores) -> None:
    await make_ready(stores, max_jobs=4)
    await probe(stores)
    replies = [await end(stores, f"job-{number}", Ending.GOOD) for number in range(5)]

    assert {one.judgement.standing.state for one in replies if one.judgement} == {
        NodeState.PROBATION
    }


async def test_a_passed_probe_takes_back_what_failed_ones_found(stores: Stores) -> None:
    await make_ready(stores, max_jobs=4)
    await probe(stores)
    await probe(stores)
    passed = await probe(stores, passed=True)
    assert passed is not None
    assert (passed.state, passed.reason) == (NodeState.GOOD, "")

    again = await probe(stores)
    assert again is not None
    assert again.state is NodeState.PROBATION, "the two were not in a row"


async def test_a_passed_probe_of_a_node_that_nothing_speaks_against_is_a_good_outcome(
    stores: Stores, watcher: Watcher
) -> None:
    await make_ready(stores, max_jobs=4)

    assert await probe(stores, passed=True) is None
    assert (await watcher.read())["{node:n1}:info"].value["goods"] == "1"


async def test_a_passed_probe_does_not_end_a_quarantine_by_an_operator(stores: Stores) -> None:
    await make_ready(stores, max_jobs=4)
    await stores.slots.quarantine(node_id="n1", for_ms=60_000)
    passed = await probe(stores, passed=True)

    assert passed is not None
    assert (passed.state, passed.reason) == (NodeState.QUARANTINE, "operator")


async def test_an_unknown_node_is_not_judged(stores: Stores) -> None:
    assert await probe(stores) is None
    assert await probe(stores, passed=True) is None
