"""judge_node and finish_slot: what a node's work says of it, and what follows for its slots."""

import pytest

from scheduling.model.standing import Ending, Fault, Judgement, NodeState, StandingRules
from scheduling.store.replies import SlotReply
from tests.scripts.conftest import Resend, Watcher
from tests.scripts.fixtures import OTHER_JOB, Stores, make_ready, reserve, run

RULES = StandingRules()
INFO = "{node:n1}:info"
MANY_S = 600


async def end(stores: Stores, job_id: str, ending: Ending = Ending.DOUBT) -> SlotReply:
    """Let the node run a job to an end."""
    node = await make_ready(stores, max_jobs=4)
    taken = await stores.slots.reserve(node=node, job_id=job_id, attempt=1, types=(), forced=True)
    assert taken.done
    return await stores.slots.finish(node_id="n1", job_id=job_id, attempt=1, ending=ending)


async def fail(stores: Stores, job_id: str, *, fault: Fault = Fault.FAILED) -> Judgement | None:
    """Let the node fail a job that then ends well elsewhere."""
    await end(stores, job_id)
    return await stores.slots.charge(node_id="n1", job_id=job_id, attempt=1, fault=fault)


async def fail_until_quarantined(stores: Stores) -> Judgement:
    for number in range(5):
        judgement = await fail(stores, f"job-{number}")
    assert judgement is not None
    assert judgement.standing.state is NodeState.QUARANTINE
    return judgement


@pytest.mark.req("ND1")
async def test_a_node_that_fails_is_on_probation_and_then_in_quarantine(stores: Stores) -> None:
    states = []
    for number in range(5):
        judgement = await fail(stores, f"job-{number}")
        assert judgement is not None
        states.append((judgement.standing.state.value, judgement.standing.reason))

    assert states == [
        ("good", ""),
        ("good", ""),
        ("probation", "failed"),
        ("probation", "failed"),
        ("quarantine", "failed"),
    ]


@pytest.mark.req("ND1")
@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.STALLED])
async def test_who_lets_a_speaker_wait_is_on_probation_sooner(stores: Stores, fault: Fault) -> None:
    judgement = await fail(stores, "job-1", fault=fault)

    assert judgement is not None
    assert (judgement.standing.state, judgement.standing.reason) == (NodeState.PROBATION, fault)


@pytest.mark.req("ND1")
async def test_a_probation_in_which_nobody_asked_a_node_proves_nothing(stores: Stores) -> None:
    """Others had room: of a node that stalls each time nothing was learnt meanwhile."""
    await fail(stores, "job-1", fault=Fault.STALLED)
    stores.advance_clock(RULES.probation_ms + 30_000)

    judgement = await fail(stores, "job-2", fault=Fault.STALLED)

    assert judgement is not None
    assert judgement.standing.state is NodeState.QUARANTINE


@pytest.mark.req("ND1")
@pytest.mark.parametrize("since", ["a good job", "a long time"])
async def test_a_probation_in_which_nobody_asked_a_node_is_forgotten(
    since: str, stores: Stores
) -> None:
    await fail(stores, "job-1", fault=Fault.STALLED)
    stores.advance_clock(RULES.probation_ms)
    if since == "a good job":
        await end(stores, "job-2", Ending.GOOD)
        stores.advance_clock(RULES.probation_ms)
    else:
        stores.advance_clock(MANY_S * 1_000 + 1)

    judgement = await fail(stores, "job-3", fault=Fault.FAILED)

    assert judgement is not None
    assert judgement.standing.state is NodeState.GOOD


@pytest.mark.req("ND2")
async def test_what_never_ends_well_elsewhere_condemns_nobody(stores: Stores) -> None:
    replies = [await end(stores, f"job-{number}") for number in range(20)]

    assert {reply.judgement.standing.state for reply in replies if reply.judgement} == {
        NodeState.GOOD
    }
    assert (await reserve(stores, await make_ready(stores), "job-next")).done


@pytest.mark.req("ND1")
@pytest.mark.parametrize("ending", [Ending.NOTHING, Ending.GOOD])
async def test_an_end_without_a_fault_cannot_be_charged(stores: Stores, ending: Ending) -> None:
    for number in range(6):
        await end(stores, f"job-{number}", ending)
        charged = await stores.slots.charge(
            node_id="n1", job_id=f"job-{number}", attempt=1, fault=Fault.FAILED
        )
        assert charged is None


@pytest.mark.req("ND1")
async def test_a_fault_counts_once_however_often_it_is_sent(
    stores: Stores, resend: Resend, watcher: Watcher
) -> None:
    await fail(stores, "job-1")
    before = await watcher.read()

    again = await resend()

    assert again == [0, "unchanged"]
    assert await watcher.read() == before


@pytest.mark.req("ND1")
async def test_in_quarantine_a_node_gets_no_job_unless_nobody_else_could(stores: Stores) -> None:
    await fail_until_quarantined(stores)
    node = await make_ready(stores)

    assert await reserve(stores, node) == SlotReply(done=False, word="quarantined", load=0)
    forced = await stores.slots.reserve(node=node, job_id="job-x", attempt=1, types=(), forced=True)
    assert forced.done


@pytest.mark.req("ND1")
async def test_on_probation_a_node_gets_one_job_at_a_time(stores: Stores) -> None:
    for number in range(3):
        await fail(stores, f"job-{number}")
    node = await make_ready(stores, max_jobs=4)

    assert (await reserve(stores, node)).done
    assert await reserve(stores, node, OTHER_JOB) == SlotReply(
        done=False, word="on_probation", load=1
    )


@pytest.mark.req("ND1")
async def test_three_good_jobs_end_a_probation(stores: Stores) -> None:
    for number in range(3):
        await fail(stores, f"job-{number}")

    replies = [await end(stores, f"job-good-{number}", Ending.GOOD) for number in range(3)]

    states = [reply.judgement.standing.state for reply in replies if reply.judgement]
    assert states == [NodeState.PROBATION, NodeState.PROBATION, NodeState.GOOD]


@pytest.mark.req("ND1")
async def test_a_probation_ends_by_itself(stores: Stores) -> None:
    for number in range(3):
        await fail(stores, f"job-{number}")
    stores.advance_clock(RULES.probation_ms)
    node = await make_ready(stores, max_jobs=4)

    assert (await reserve(stores, node)).done
    assert (await reserve(stores, node, OTHER_JOB)).done


@pytest.mark.req("ND1")
async def test_one_good_trial_ends_a_quarantine(stores: Stores) -> None:
    await fail_until_quarantined(stores)
    stores.advance_clock(RULES.quarantine_ms)
    node = await make_ready(stores, max_jobs=4)

    await run(stores, node, "job-trial")
    second = await reserve(stores, node, OTHER_JOB)
    reply = await stores.slots.finish(
        node_id="n1", job_id="job-trial", attempt=1, ending=Ending.GOOD
    )

    assert second.word == "on_probation"
    assert reply.judgement is not None
    assert reply.judgement.standing.state is NodeState.GOOD
    assert reply.judgement.before is NodeState.QUARANTINE


@pytest.mark.req("ND1")
async def test_quarantines_in_a_row_double_up_to_the_longest(stores: Stores) -> None:
    judgement = await fail_until_quarantined(stores)
    spans = [judgement.standing.ends - judgement.standing.since]
    for number in range(6):
        stores.advance_clock(spans[-1])
        trial = await fail(stores, f"job-trial-{number}")
        assert trial is not None
        spans.append(trial.standing.ends - trial.standing.since)

    assert spans == [30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000]


@pytest.mark.req("ND15")
async def test_an_operator_quarantines_and_absolves(stores: Stores) -> None:
    node = await make_ready(stores)

    put = await stores.slots.quarantine(node_id="n1", for_ms=MANY_S * 1000)
    refused = await reserve(stores, node)
    absolved = await stores.slots.absolve(node_id="n1")
    taken = await reserve(stores, node)

    assert put is not None
    assert (put.standing.state, put.standing.reason) == (NodeState.QUARANTINE, "operator")
    assert refused.word == "quarantined"
    assert absolved is not None
    assert absolved.before is NodeState.QUARANTINE
    assert taken.done


@pytest.mark.req("ND1")
async def test_an_unknown_node_is_not_brought_to_life(stores: Stores, watcher: Watcher) -> None:
    await watcher.read()

    assert await stores.slots.quarantine(node_id="n9", for_ms=1) is None
    assert await stores.slots.absolve(node_id="n9") is None
    assert await watcher.find_changes() == {}


@pytest.mark.req("ND1")
async def test_a_forgotten_node_leaves_no_score(stores: Stores, watcher: Watcher) -> None:
    await fail_until_quarantined(stores)
    stores.advance_clock(MANY_S * 1000)

    assert await stores.index.forget("n1", silent_ms=MANY_S * 1000)

    assert INFO not in await watcher.read()
