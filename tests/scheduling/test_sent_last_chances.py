"""What a node's connection is told of the last chance of a job (ND6)."""

import msgspec
import pytest

from scheduling.model import clock
from scheduling.model.events import JobAssigned
from scheduling.model.speeds import Speed, name_services
from tests.scheduling.core import Services
from tests.scheduling.test_open_jobs import attach
from tests.scripts.fixtures import NEED, make_request

DEADLINE_MS = 60_000
pytestmark = pytest.mark.req("ND6")


async def dispatch(core: Services, *, deadline_ms: int, other_ms: int | None) -> tuple[int, int]:
    """Give a job to a node, another takes `other_ms`; return when it is due, and what is told."""
    first = await attach(core, "n1")
    services = name_services(NEED.types)
    if other_ms is not None:
        other = await attach(core, "n2")
        speeds = (Speed(services, other_ms, clock.now_ms()),)
        core.fleet.put(msgspec.structs.replace(other.node, speeds=speeds))
    # Much faster, so it is the first.
    speeds = (Speed(services, 1, clock.now_ms()),)
    core.fleet.put(msgspec.structs.replace(first.node, speeds=speeds))
    due_at_ms = clock.now_ms() + deadline_ms if deadline_ms else 0
    await core.dispatcher.dispatch(
        msgspec.structs.replace(make_request(), answer_by_ms=due_at_ms, preferred_node_id="n1")
    )
    (event,) = (one for one in first.told if isinstance(one, JobAssigned))
    return due_at_ms, event.help_by_ms


async def test_an_assignment_says_until_when_another_node_could_still_help(core: Services) -> None:
    due_at_ms, help_by_ms = await dispatch(core, deadline_ms=DEADLINE_MS, other_ms=20_000)
    # 20 s and a quarter, and what is kept back for the way to the speaker.
    assert help_by_ms == due_at_ms - 25_000 - 100


@pytest.mark.parametrize(
    ("deadline_ms", "other_ms"),
    [(0, 20_000), (DEADLINE_MS, 59_000), (DEADLINE_MS, None)],
    ids=["no deadline", "the other is too slow", "no other"],
)
async def test_where_nobody_could_help_there_is_no_last_chance(
    core: Services, deadline_ms: int, other_ms: int | None
) -> None:
    _, help_by_ms = await dispatch(core, deadline_ms=deadline_ms, other_ms=other_ms)
    assert help_by_ms == 0
