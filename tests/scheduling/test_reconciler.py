"""Slots held for nothing are found, freed and counted; what a node still works on is left alone."""

import pytest

from scheduling.fleet.reconciler import Reconciler
from scheduling.model.jobs import JobState
from scheduling.model.metrics import Metrics
from scheduling.model.outcomes import Refused
from tests.scheduling.core import Services
from tests.scheduling.mailboxes import RecordingNode
from tests.scripts.fixtures import JOB, SESSION, create, run

REPAIRED = "drift_repaired_total"


class Scene:
    """A node of this process that runs one attempt, and the reconciler."""

    def __init__(self, core: Services, mailbox: RecordingNode, *, run_timeout_ms: int) -> None:
        self.core = core
        self.mailbox = mailbox
        self.metrics = Metrics()
        self.reconciler = Reconciler(
            stores=core.stores,
            fleet=core.fleet,
            delivery=core.delivery,
            metrics=self.metrics,
            run_timeout_ms=run_timeout_ms,
            interval_s=1,
        )

    async def look(self, *, times: int = 1) -> int:
        return sum([await self.reconciler.run_once() for _ in range(times)])

    async def list_held(self) -> list[tuple[str, int]]:
        node_id = self.mailbox.node.node_id
        return list(await self.core.stores.slots.list_attempts(node_id=node_id))


async def set_scene(core: Services, *, has_job: bool, run_timeout_ms: int = 60_000) -> Scene:
    node = await core.beat(await core.register())
    mailbox = RecordingNode(node)
    core.delivery.local.attach_node(node.node_id, mailbox)
    if has_job:
        await create(core.held)
    await run(core.held, node)
    mailbox.attempts = [(JOB, 1)]
    return Scene(core, mailbox, run_timeout_ms=run_timeout_ms)


@pytest.mark.req("R8")
async def test_a_slot_whose_job_goes_on_is_left_alone(core: Services) -> None:
    scene = await set_scene(core, has_job=True)

    assert await scene.look(times=3) == 0
    assert await scene.list_held() == [(JOB, 1)]


@pytest.mark.req("R8", "I-1", "I-4")
async def test_a_slot_whose_job_is_over_is_freed_when_seen_twice(core: Services) -> None:
    scene = await set_scene(core, has_job=True)
    refused = Refused(code="CANCELLED", message="")
    await core.stores.jobs.finish(
        session_id=SESSION, job_id=JOB, state=JobState.CANCELLED, outcome=refused
    )

    assert await scene.look() == 0
    assert await scene.list_held() == [(JOB, 1)]
    assert await scene.look() == 1

    assert not await scene.list_held()
    assert scene.mailbox.cancelled == [JOB]
    assert scene.metrics.counts[(REPAIRED, "job_elsewhere")] == 1
    assert core.fleet.loads.find("n1") == 0


@pytest.mark.req("G5", "R8")
async def test_a_node_keeps_its_slot_while_it_works_on_a_job_that_redis_lost(
    core: Services,
) -> None:
    scene = await set_scene(core, has_job=False)

    assert await scene.look(times=5) == 0
    assert await scene.list_held() == [(JOB, 1)]
    scene.mailbox.attempts.clear()

    assert await scene.look() == 1
    assert not await scene.list_held()
    assert scene.mailbox.cancelled == []
    assert scene.metrics.counts[(REPAIRED, "job_unknown")] == 1


@pytest.mark.req("G5")
async def test_a_node_that_never_ends_a_lost_job_is_told_to_stop(core: Services) -> None:
    scene = await set_scene(core, has_job=False, run_timeout_ms=0)

    assert await scene.look(times=2) == 1
    assert scene.mailbox.cancelled == [JOB]
    assert not await scene.list_held()


@pytest.mark.req("ED4", "R1")
async def test_a_node_that_missed_the_word_to_stop_is_told_again(core: Services) -> None:
    scene = await set_scene(core, has_job=True)
    await core.stores.jobs.requeue(
        session_id=SESSION, job_id=JOB, attempt=1, node_id="n1", reason="late", reported=False
    )
    await core.stores.slots.finish(node_id="n1", job_id=JOB, attempt=1)

    await scene.look()

    assert scene.mailbox.cancelled == [JOB]


@pytest.mark.req("ED4", "R1")
async def test_an_attempt_whose_reservation_ended_is_left_to_its_timer(core: Services) -> None:
    scene = await set_scene(core, has_job=True)
    await core.stores.slots.finish(node_id="n1", job_id=JOB, attempt=1)

    await scene.look(times=2)

    assert scene.mailbox.cancelled == []
