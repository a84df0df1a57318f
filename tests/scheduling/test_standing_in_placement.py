"""Placement by standing: who failed comes last, who is held back serves where no other could."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model.limits import PlacementRules
from scheduling.model.nodes import Node
from scheduling.model.standing import (
    Ending,
    Fault,
    NodeState,
    Standing,
    find_ending,
    find_fault,
)
from scheduling.placement.candidate_view import AbleNodes, CandidateView
from scheduling.placement.ranking import Choice, Reason, choose
from tests.scheduling.test_placement import NEED, NOW_MS, RULES, choose_among, make_node

SUSPECT = Standing(rest=NOW_MS + 1)
RESTED = Standing(rest=NOW_MS - 1)
ON_PROBATION = Standing(state=NodeState.PROBATION, reason="failed", ends=NOW_MS + 1)
SPENT = Standing(state=NodeState.PROBATION, reason="untried", ends=NOW_MS + 1, left=0)
OVER = Standing(state=NodeState.PROBATION, reason="failed", ends=NOW_MS)
QUARANTINED = Standing(state=NodeState.QUARANTINE, reason="failed", ends=NOW_MS + 1)
ON_TRIAL = Standing(state=NodeState.QUARANTINE, reason="failed", ends=NOW_MS)
EVERY = [Standing(), SUSPECT, RESTED, ON_PROBATION, SPENT, OVER, QUARANTINED, ON_TRIAL]


def first(choice: Choice) -> str:
    return choice.nodes[0].node_id


@pytest.mark.req("ND1")
@pytest.mark.reason("quarantined")
@pytest.mark.parametrize("seed", range(5))
def test_a_node_in_quarantine_gets_nothing_while_another_could_serve(seed: int) -> None:
    nodes = [make_node("n1", standing=QUARANTINED), make_node("n2")]

    free = choose_among(nodes, seed=seed)
    full = choose_among(nodes, seed=seed, loads={"n2": 4})

    assert [node.node_id for node in free.nodes] == ["n2"]
    assert full.nodes == ()
    assert full.passed_over == {Reason.QUARANTINED: 1, Reason.CAPACITY_EXCEEDED: 1}


@pytest.mark.req("ND1")
@pytest.mark.reason("on_probation")
def test_on_probation_a_node_gets_one_job_at_a_time() -> None:
    nodes = [make_node("n1", standing=ON_PROBATION), make_node("n2")]

    idle = choose_among(nodes, loads={"n2": 1})
    busy = choose_among(nodes, loads={"n1": 1, "n2": 1})

    assert first(idle) == "n1"
    assert [node.node_id for node in busy.nodes] == ["n2"]
    assert busy.passed_over == {Reason.ON_PROBATION: 1}


@pytest.mark.req("ND10")
@pytest.mark.reason("unproven")
def test_a_node_that_had_its_jobs_gets_no_more_until_it_is_proved_while_another_could_serve() -> (
    None
):
    full = choose_among([make_node("n1", standing=SPENT), make_node("n2")], loads={"n2": 4})
    alone = choose_among([make_node("n1", standing=SPENT)])

    assert full.passed_over == {Reason.UNPROVEN: 1, Reason.CAPACITY_EXCEEDED: 1}
    assert [node.node_id for node in alone.nodes] == ["n1"]
    assert alone.forced


@pytest.mark.req("ND1")
@pytest.mark.parametrize("standing", [QUARANTINED, ON_PROBATION])
def test_where_no_other_could_serve_the_best_of_them_do(standing: Standing) -> None:
    nodes = [make_node("n1", standing=QUARANTINED), make_node("n2", standing=standing)]

    choice = choose_among(nodes, loads={"n2": 1})

    assert choice.forced
    assert len(choice.nodes) == 2
    if standing is ON_PROBATION:
        assert first(choice) == "n2"


@pytest.mark.req("ND1")
def test_a_failed_attempt_puts_its_node_behind_the_others_until_it_had_a_rest() -> None:
    def place(standing: Standing) -> str:
        nodes = [make_node("n1", standing=standing), make_node("n2")]
        return first(choose_among(nodes, loads={"n2": 3}))

    assert [place(standing) for standing in (SUSPECT, RESTED)] == ["n2", "n1"]


@pytest.mark.req("ND1")
def test_a_suspect_serves_where_the_others_are_full() -> None:
    nodes = [make_node("n1", standing=SUSPECT), make_node("n2")]

    choice = choose_among(nodes, loads={"n2": 4})

    assert [node.node_id for node in choice.nodes] == ["n1"]
    assert not choice.forced


@pytest.mark.req("ND2")
@pytest.mark.parametrize("standing", [RESTED, ON_PROBATION, ON_TRIAL])
def test_a_job_that_failed_goes_to_a_node_without_a_doubt(standing: Standing) -> None:
    nodes = [make_node("n1", standing=standing), make_node("n2"), make_node("n3")]

    choice = choose_among(nodes, loads={"n2": 3}, exclude={"n3"})

    assert first(choice) == "n2"


@pytest.mark.req("ND3")
def test_a_new_node_gets_its_share_step_by_step() -> None:
    def place(age_ms: int, load: int) -> str:
        new = make_node("n1", max_jobs=8, registered_at_ms=NOW_MS - age_ms)
        return first(choose_among([new, make_node("n2", max_jobs=8)], loads={"n1": load, "n2": 7}))

    slow_ms = RULES.slow_start_ms
    assert place(0, 0) == "n1"
    assert place(0, 1) == "n2"
    assert place(slow_ms // 2, 3) == "n1"
    assert place(slow_ms // 2, 4) == "n2"
    assert place(slow_ms, 6) == "n1"


@pytest.mark.req("ND3")
def test_a_node_back_from_quarantine_starts_slowly_too() -> None:
    back = make_node("n1", standing=Standing(since=NOW_MS))

    assert first(choose_among([back, make_node("n2")], loads={"n1": 1, "n2": 2})) == "n2"


@pytest.mark.req("ND3")
def test_a_new_node_that_is_alone_has_all_its_slots() -> None:
    alone = make_node("n1", registered_at_ms=NOW_MS)

    assert [choose_among([alone], loads={"n1": load}).nodes != () for load in range(5)] == [
        *(True, True, True, True),
        False,
    ]


@pytest.mark.req("ND1", "ND3")
@given(
    standings=st.lists(
        st.tuples(st.sampled_from(EVERY), st.integers(0, 3)), min_size=1, max_size=8
    ),
    age_ms=st.integers(0, 20_000),
    seed=st.integers(0, 1_000),
)
def test_no_fleet_with_a_free_slot_locks_itself_out(
    standings: list[tuple[Standing, int]], age_ms: int, seed: int
) -> None:
    views = [
        CandidateView(
            make_node(f"n{number}", standing=standing, registered_at_ms=NOW_MS - age_ms), load=load
        )
        for number, (standing, load) in enumerate(standings)
    ]

    choice = choose(
        AbleNodes(views), need=NEED, now_ms=NOW_MS, rules=PlacementRules(), rng=random.Random(seed)
    )

    assert choice.nodes


@pytest.mark.req("ND1")
@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        ("ack_timeout", Fault.SILENT),
        ("job_timeout", Fault.STALLED),
        ("UNREADABLE_RESULT", Fault.UNREADABLE),
        ("ANSWERED_EARLY", Fault.UNREADABLE),
        ("PROCESSING_ERROR", Fault.FAILED),
        ("ASR_TIMEOUT", Fault.FAILED),
        ("A_WORD_OF_ITS_OWN", Fault.FAILED),
        ("INVALID_AUDIO", Fault.FAILED),
        *((reason, None) for reason in ("node_offline", "stream_gap", "late_accept", "job_ended")),
        *((reason, None) for reason in ("MODEL_NOT_AVAILABLE", "CANCELLED", "JOB_DECLINED")),
        *((reason, None) for reason in ("DUPLICATE_UTTERANCE_INDEX", "NODE_OVERLOADED", "")),
    ],
)
def test_a_node_is_blamed_for_what_it_does(reason: str, fault: Fault | None) -> None:
    assert find_fault(reason) is fault


@pytest.mark.req("ND1")
@pytest.mark.parametrize("reason", ["NODE_OVERLOADED", "DUPLICATE_JOB_ID", "MODEL_NOT_AVAILABLE"])
def test_a_node_rests_of_whose_answer_nobody_knows_the_fault(reason: str) -> None:
    assert (find_ending(reason), find_fault(reason)) == (Ending.DOUBT, None)


@pytest.mark.req("ND1", "ND9")
@pytest.mark.parametrize("reason", ["JOB_DECLINED", "CANCELLED", "STREAM_GAP", "node_offline", ""])
def test_a_node_goes_on_as_before_where_its_word_says_nothing(reason: str) -> None:
    assert find_ending(reason) is Ending.NOTHING


def test_a_node_keeps_its_standing_between_instances() -> None:
    node = make_node("n1", standing=QUARANTINED)

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(node), type=Node) == node
