"""restore_node writes a node back with the leases that its socket knows of, and no others."""

import msgspec
import pytest

from scheduling.store.nodes import Restored
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import (
    JOB,
    JOB_LIMITS,
    OTHER_JOB,
    START_MS,
    Stores,
    make_ready,
    reserve,
    run,
)

THIRD_JOB = "job-AAAA0001-3"
RUN_ENDS_AT = START_MS + JOB_LIMITS.run_lease_ms


@pytest.mark.req("R1", "G5")
@pytest.mark.parametrize("held", ["reserved", "running"])
async def test_leases_of_an_older_socket_are_not_held_beside_those_of_the_newest(
    held: str, stores: Stores, watcher: Watcher
) -> None:
    """Redis lost its newest data: the socket's registration, and that the older job ended."""
    older = await make_ready(stores, max_jobs=1)
    if held == "reserved":
        await reserve(stores, older)
    else:
        await run(stores, older)
    await watcher.read()
    newer = msgspec.structs.replace(older, conn_epoch=older.conn_epoch + 1)

    restored = await stores.nodes.restore(node=newer, resume_token="", attempts=[(OTHER_JOB, 1)])

    assert restored is Restored.RESTORED
    changed = await watcher.find_changes()
    older_lease = {} if held == "reserved" else {f"{JOB}:1": None}
    assert changed["{node:n1}:run"] == older_lease | {f"{OTHER_JOB}:1": RUN_ENDS_AT}
    assert changed.get("{node:n1}:resv") is None
    refused = await stores.slots.commit(node_id="n1", job_id=JOB, attempt=1)
    assert (refused.done, refused.word) == (False, "full")


@pytest.mark.req("R1", "G5")
async def test_of_a_node_that_was_not_lost_no_lease_is_touched(
    stores: Stores, watcher: Watcher
) -> None:
    node = await make_ready(stores, max_jobs=2)
    await run(stores, node)
    await watcher.read()

    restored = await stores.nodes.restore(node=node, resume_token="", attempts=[(THIRD_JOB, 1)])

    assert restored is Restored.KNOWN
    assert await watcher.find_changes() == {}
