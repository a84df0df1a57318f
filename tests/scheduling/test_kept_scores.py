"""What a node did wrong follows its credential, before it has led to anything (ND1)."""

import pytest

from scheduling.jobs.node_departure import Parting
from scheduling.model import clock
from scheduling.model.nodes import Node
from scheduling.model.standing import Ending, Fault, NodeState, Standing
from tests.scheduling.core import Services
from tests.scripts.fixtures import DESCRIPTION

pytestmark = pytest.mark.req("ND1")


async def register(core: Services, node_id: str, *siblings: str) -> Node:
    registration = await core.registry.register(
        node_id=node_id,
        max_jobs=2,
        description=DESCRIPTION,
        shown_token="",
        running=(),
        siblings=siblings,
    )
    return await core.beat(registration.node)


async def fail(core: Services, node: Node, job_id: str) -> Standing:
    """Let the node fail a job that then ends well elsewhere."""
    slots, about = core.stores.slots, {"node_id": node.node_id, "job_id": job_id, "attempt": 1}
    taken = await slots.reserve(node=node, job_id=job_id, attempt=1, types=(), forced=True)
    assert taken.done
    core.standings.record(node.node_id, await slots.finish(**about, ending=Ending.DOUBT))
    judgement = await slots.charge(**about, fault=Fault.FAILED)
    assert judgement is not None
    core.standings.note(node.node_id, judgement)
    return judgement.standing


async def fail_twice(core: Services, node: Node) -> NodeState:
    """Let a node do what puts no node on probation; return what it made of this one.

    What is wrong fades as time goes, so that three failures in a row are a little less than three.
    """
    await fail(core, node, "job-1")
    return (await fail(core, node, "job-2")).state


async def fail_twice_and_leave(core: Services) -> None:
    core.held.set_clock(clock.now_ms())
    node = await register(core, "n1")
    assert await fail_twice(core, node) is NodeState.GOOD
    await core.registry.let_go(node, Parting.FOR_GOOD)


async def test_who_changes_its_id_after_each_two_failures_is_on_probation_all_the_same(
    core: Services,
) -> None:
    await fail_twice_and_leave(core)

    again = await register(core, "n2", "n1")

    assert await fail_twice(core, again) is NodeState.PROBATION


async def test_so_it_is_after_as_many_ids_as_it_likes(core: Services) -> None:
    await fail_twice_and_leave(core)
    second = await register(core, "n2", "n1")
    await core.registry.let_go(second, Parting.FOR_GOOD)

    third = await register(core, "n3", "n1", "n2")

    assert await fail_twice(core, third) is NodeState.PROBATION


async def test_another_credential_has_none_of_it(core: Services) -> None:
    await fail_twice_and_leave(core)

    other = await register(core, "n2")

    assert await fail_twice(core, other) is NodeState.GOOD


async def test_nor_has_a_machine_beside_the_one_that_fails(core: Services) -> None:
    core.held.set_clock(clock.now_ms())
    node = await register(core, "n1")
    await fail_twice(core, node)

    beside_it = await register(core, "n2", "n1")

    assert await fail_twice(core, beside_it) is NodeState.GOOD
