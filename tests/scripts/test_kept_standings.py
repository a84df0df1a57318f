"""A standing outlives Redis's data, and the id its node had before (ND1)."""

import msgspec
import pytest

from scheduling.model.standing import GOOD_STANDING, Fault, NodeState, Standing, StandingRules
from tests.scripts.fixtures import DESCRIPTION, START_MS, Stores, make_node
from tests.scripts.test_judge_node import fail

RULES = StandingRules()
PROBATION = Standing(
    state=NodeState.PROBATION,
    reason=Fault.FAILED,
    since=START_MS,
    ends=START_MS + 60_000,
    at=START_MS,
)
PROBED = msgspec.structs.replace(PROBATION, reason=Fault.PROBE)
BEGUN = Standing(bad=2.0, at=START_MS)
UNTRIED = msgspec.structs.replace(PROBATION, reason="untried", left=2)
QUARANTINE = Standing(
    state=NodeState.QUARANTINE,
    reason=Fault.STALLED,
    since=START_MS,
    ends=START_MS + 120_000,
    at=START_MS,
)


async def restore(stores: Stores, standing: Standing) -> None:
    node = msgspec.structs.replace(make_node(conn_epoch=START_MS), standing=standing)
    await stores.nodes.restore(node=node, resume_token="", attempts=())


async def register(stores: Stores, standing: Standing) -> Standing:
    registered = await stores.nodes.register(
        node_id="n1",
        instance_id="i1",
        max_jobs=2,
        description=DESCRIPTION,
        shown_token="",
        kept_token="",
        standing=standing,
    )
    assert registered is not None
    return registered.standing


async def find(stores: Stores) -> Standing:
    found = await stores.nodes.find(node_id="n1")
    assert found is not None
    return found[0].standing


@pytest.mark.req("ND1", "G5")
@pytest.mark.parametrize("standing", [GOOD_STANDING, BEGUN, PROBATION, PROBED, UNTRIED, QUARANTINE])
async def test_a_standing_is_written_back_with_a_lost_node(
    standing: Standing, stores: Stores
) -> None:
    await restore(stores, standing)

    assert await find(stores) == standing


@pytest.mark.req("ND1", "G5")
@pytest.mark.parametrize("standing", [GOOD_STANDING, BEGUN, PROBATION, PROBED, UNTRIED, QUARANTINE])
async def test_a_node_that_redis_knows_nothing_of_begins_as_it_is_known(
    standing: Standing, stores: Stores
) -> None:
    assert await register(stores, standing) == standing
    assert await find(stores) == standing


@pytest.mark.req("ND1")
async def test_faults_that_have_led_to_nothing_yet_count_with_those_that_follow(
    stores: Stores,
) -> None:
    await register(stores, BEGUN)
    third = await fail(stores, "job-1")

    assert third is not None
    assert third.standing.state is NodeState.PROBATION


@pytest.mark.req("ND1")
def test_they_fade_while_nobody_has_the_id() -> None:
    assert RULES.fade(BEGUN, now_ms=START_MS + RULES.half_life_ms) == 1.0


@pytest.mark.req("ND1")
async def test_what_redis_knows_of_a_node_is_believed_before_what_anybody_remembers(
    stores: Stores,
) -> None:
    await register(stores, GOOD_STANDING)

    assert await register(stores, QUARANTINE) == GOOD_STANDING


@pytest.mark.req("ND1", "G5")
async def test_a_quarantine_that_was_written_back_ends_with_its_trial_and_is_doubled(
    stores: Stores,
) -> None:
    await restore(stores, QUARANTINE)
    stores.set_clock(QUARANTINE.ends + 1)
    failed = await stores.slots.note_probe(node_id="n1", passed=False)

    assert failed is not None
    assert failed.standing.ends - failed.standing.since == 240_000
    stores.set_clock(failed.standing.ends + 1)
    passed = await stores.slots.note_probe(node_id="n1", passed=True)
    assert passed is not None
    assert passed.standing.state is NodeState.GOOD


@pytest.mark.req("ND1", "ND10", "G5")
async def test_who_failed_a_probe_before_redis_lost_it_is_out_by_the_next(stores: Stores) -> None:
    await restore(stores, PROBED)

    failed = await stores.slots.note_probe(node_id="n1", passed=False)

    assert failed is not None
    assert (failed.standing.state, failed.before) == (NodeState.QUARANTINE, NodeState.PROBATION)


@pytest.mark.req("ND1")
@pytest.mark.parametrize(
    ("lasted_ms", "level"), [(30_000, 1), (60_000, 2), (120_000, 3), (600_000, 6), (9_999_999, 6)]
)
def test_how_often_a_quarantine_was_doubled_is_read_from_how_long_it_lasts(
    lasted_ms: int, level: int
) -> None:
    standing = Standing(state=NodeState.QUARANTINE, since=0, ends=lasted_ms)

    assert msgspec.json.decode(RULES.encode_standing(standing))["level"] == level
