"""record_heartbeat keeps a node alive, renews its runs, and takes its status one step on."""

import msgspec
import pytest

from scheduling.model.nodes import NodeStatus, Usage
from scheduling.model.speeds import Work
from scheduling.store.nodes import Unheard
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import (
    DESCRIPTION,
    JOB,
    JOB_LIMITS,
    NODE_LIMITS,
    OTHER_JOB,
    START_MS,
    Stores,
    beat,
    make_node,
    make_ready,
    register,
    reserve,
    run,
)

INFO, RUN = "{node:n1}:info", "{node:n1}:run"
USAGE = '{"cpu":0.0,"memory":0.0,"gpu":null,"gpu_memory":null}'


@pytest.mark.req("N5", "N6")
async def test_a_good_heartbeat_makes_a_registered_node_ready(
    stores: Stores, watcher: Watcher
) -> None:
    await register(stores)
    await watcher.read()
    stores.advance_clock(5)

    recorded = await beat(stores, make_node())

    assert recorded is not None
    assert (recorded.status, recorded.before) == (NodeStatus.READY, NodeStatus.REGISTERING)
    assert (recorded.load, recorded.draining, recorded.now_ms) == (0, False, START_MS + 5)
    assert await watcher.find_changes() == {
        INFO: {
            "status": "ready",
            "health": "1",
            "usage": USAGE,
            "heartbeat_at_ms": str(START_MS + 5),
        }
    }


@pytest.mark.req("ND4")
async def test_what_was_learnt_of_a_node_s_speed_outlasts_its_heartbeats(stores: Stores) -> None:
    node = await make_ready(stores)
    await run(stores, node)
    await stores.slots.finish(node_id="n1", job_id=JOB, attempt=1, work=Work("asr", 300))
    newer = msgspec.structs.replace(DESCRIPTION, version="2.0")

    for description in (None, newer):
        await beat(stores, node, description=description)

    found = await stores.index.read("n1")
    assert found is not None
    assert [(one.services, one.rate_ms) for one in found.node.speeds] == [("asr", 300)]


@pytest.mark.req("N5", "N8")
async def test_usage_and_a_changed_description_are_kept(stores: Stores, watcher: Watcher) -> None:
    node = await make_ready(stores)
    newer = msgspec.structs.replace(DESCRIPTION, version="2.0")
    await watcher.read()

    await beat(stores, node, description=newer, usage=Usage(cpu=12.5, memory=3.0, gpu=50.0))

    changes = await watcher.find_changes()
    assert changes.keys() == {INFO}
    assert changes[INFO] == {
        "health": "11",
        "description": msgspec.json.encode(newer).decode(),
        "usage": '{"cpu":12.5,"memory":3.0,"gpu":50.0,"gpu_memory":null}',
    }


@pytest.mark.req("N5", "R8")
async def test_all_runs_of_a_node_that_lists_none_are_renewed(
    stores: Stores, watcher: Watcher
) -> None:
    node = await make_ready(stores, max_jobs=3)
    await run(stores, node)
    await run(stores, node, OTHER_JOB)
    await reserve(stores, node, JOB, 2)
    await watcher.read()
    stores.advance_clock(100)

    await beat(stores, node)

    renewed = START_MS + 100 + JOB_LIMITS.run_lease_ms
    changes = await watcher.find_changes()
    assert changes.keys() == {INFO, RUN}
    assert changes[RUN] == {f"{JOB}:1": renewed, f"{OTHER_JOB}:1": renewed}


@pytest.mark.req("N5", "R8", "I-2")
async def test_a_node_renews_only_what_it_lists_and_gains_nothing_by_it(
    stores: Stores, watcher: Watcher
) -> None:
    node = await make_ready(stores)
    await run(stores, node)
    await run(stores, node, OTHER_JOB)
    await watcher.read()
    stores.advance_clock(100)

    recorded = await beat(stores, node, running=[(JOB, 1), (JOB, 7)])

    assert recorded is not None
    assert recorded.load == 2
    changes = await watcher.find_changes()
    assert changes[RUN] == {f"{JOB}:1": START_MS + 100 + JOB_LIMITS.run_lease_ms}


@pytest.mark.req("N10", "I-2")
@pytest.mark.parametrize("running", [None, []])
async def test_a_heartbeat_takes_and_frees_no_slot(
    running: list[tuple[str, int]] | None, stores: Stores, watcher: Watcher
) -> None:
    """What a node says of itself replaced what it had been sent (I-2)."""
    node = await make_ready(stores)
    await run(stores, node)
    await reserve(stores, node, OTHER_JOB)
    await watcher.read()

    recorded = await beat(stores, node, running=running)

    assert recorded is not None
    assert recorded.load == 2
    assert (await watcher.find_changes()).keys() == {INFO}


@pytest.mark.req("N5")
async def test_a_run_that_the_list_only_resembles_is_not_renewed(
    stores: Stores, watcher: Watcher
) -> None:
    node = await make_ready(stores)
    await run(stores, node, JOB, 1)
    await watcher.read()
    stores.advance_clock(100)

    await beat(stores, node, running=[(JOB, 11)])

    assert (await watcher.find_changes()).keys() == {INFO}


@pytest.mark.req("N10", "R9")
async def test_leases_that_ended_are_purged_and_the_mirror_follows(
    stores: Stores, watcher: Watcher
) -> None:
    node = await make_ready(stores)
    await run(stores, node)
    await reserve(stores, node, OTHER_JOB)
    await watcher.read()
    stores.advance_clock(JOB_LIMITS.run_lease_ms)

    recorded = await beat(stores, node)

    assert recorded is not None
    assert recorded.load == 0
    changes = await watcher.find_changes()
    assert {key: changes[key] for key in changes.keys() - {INFO}} == {
        "{node:n1}:resv": None,
        RUN: None,
        "{node:n1}:cap": {"reserved": "0", "running": "0"},
    }


@pytest.mark.req("N4", "I-35")
async def test_an_older_connection_is_refused(stores: Stores, watcher: Watcher) -> None:
    older = await make_ready(stores)
    stores.advance_clock(1)
    await register(stores)
    await watcher.read()

    assert await beat(stores, older) is Unheard.FENCED
    assert await watcher.find_changes() == {}


@pytest.mark.req("N5")
async def test_an_unknown_node_must_register_again(stores: Stores, watcher: Watcher) -> None:
    assert await beat(stores, make_node("nobody")) is Unheard.UNKNOWN
    assert await watcher.read() == {}


@pytest.mark.req("N5", "R8")
async def test_sent_twice_it_changes_only_the_tally_of_heartbeats(
    stores: Stores, watcher: Watcher
) -> None:
    node = await make_ready(stores)
    await run(stores, node)
    await beat(stores, node, running=[(JOB, 1)])
    await watcher.read()

    await beat(stores, node, running=[(JOB, 1)])

    assert await watcher.find_changes() == {INFO: {"health": "111"}}


@pytest.mark.req("N6")
@pytest.mark.parametrize(
    ("beats", "statuses"),
    [
        ("1000", "ready ready ready degraded"),
        ("10101", "ready ready ready ready ready"),
        ("10010", "ready ready ready ready degraded"),
        ("10001", "ready ready ready degraded ready"),
        ("0", "registering"),
        ("01", "registering ready"),
    ],
)
async def test_the_status_follows_the_heartbeats(beats: str, statuses: str, stores: Stores) -> None:
    await register(stores)

    seen = [await beat(stores, make_node(), healthy=each == "1") for each in beats]

    assert " ".join(recorded.status for recorded in seen if recorded) == statuses


@pytest.mark.req("N6")
async def test_a_node_that_never_gets_well_is_degraded_after_its_warm_up(stores: Stores) -> None:
    await register(stores)
    stores.advance_clock(NODE_LIMITS.warmup_ms)
    at_the_end = await beat(stores, make_node(), healthy=False)
    stores.advance_clock(1)

    after = await beat(stores, make_node(), healthy=False)

    assert at_the_end is not None
    assert after is not None
    assert (at_the_end.status, after.status) == (NodeStatus.REGISTERING, NodeStatus.DEGRADED)


@pytest.mark.req("N5", "N6")
@pytest.mark.parametrize(
    ("healthy", "status"), [(True, NodeStatus.READY), (False, NodeStatus.OFFLINE)]
)
async def test_a_node_that_was_silent_comes_back_with_a_good_heartbeat(
    healthy: bool,  # noqa: FBT001 - a parameter of the table above
    status: NodeStatus,
    stores: Stores,
) -> None:
    node = await make_ready(stores)
    await stores.nodes.retire(node_id="n1", conn_epoch=node.conn_epoch)

    recorded = await beat(stores, node, healthy=healthy)

    assert recorded is not None
    assert (recorded.before, recorded.status) == (NodeStatus.OFFLINE, status)


@pytest.mark.req("N6", "I-56")
async def test_a_node_says_that_it_drains_and_later_that_it_does_not(stores: Stores) -> None:
    node = await make_ready(stores)

    seen = [await beat(stores, node, draining=each) for each in (True, None, False, None)]

    assert [recorded.draining for recorded in seen if recorded] == [True, True, False, False]


@pytest.mark.req("N13")
async def test_the_record_outlives_the_heartbeat_by_its_time(stores: Stores, redis_client) -> None:
    node = await make_ready(stores)
    await redis_client.pexpire(stores.keys.node.info("n1"), NODE_LIMITS.forget_ms // 2)

    await beat(stores, node)

    left_ms = await redis_client.pttl(stores.keys.node.info("n1"))
    assert NODE_LIMITS.forget_ms // 2 < left_ms <= NODE_LIMITS.forget_ms
