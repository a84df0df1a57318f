"""move_node brings the connection of a node that asks over HTTP to the instance it asked."""

import msgspec
import pytest

from scheduling.model.nodes import NodeStatus
from scheduling.store.nodes import Moved, Unmoved
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import (
    DESCRIPTION,
    JOB,
    OTHER_JOB,
    START_MS,
    Stores,
    beat,
    make_node,
    register,
    reserve,
    run,
)

INFO = "{node:n1}:info"
TOKEN = "a-resume-token"  # noqa: S105 - of a node there is not


@pytest.mark.req("N18")
async def test_a_node_moves_with_its_status_and_tells_what_it_was_sent(
    stores: Stores, watcher: Watcher
) -> None:
    await register(stores, kept_token=TOKEN)
    await beat(stores, make_node())
    await reserve(stores, make_node(), JOB)
    await run(stores, make_node(), OTHER_JOB)
    await watcher.read()

    moved = await stores.nodes.move(node_id="n1", instance_id="i2", shown_token=TOKEN)

    assert isinstance(moved, Moved)
    assert (moved.load, moved.reserved) == (2, ((JOB, 1),))
    node = moved.node
    assert (node.instance_id, node.conn_epoch) == ("i2", START_MS + 1)
    assert (node.status, node.description) == (NodeStatus.READY, DESCRIPTION)
    changed = await watcher.find_changes()
    assert list(changed) == [INFO]


@pytest.mark.req("N4", "N18")
@pytest.mark.parametrize("shown", ["", "another"])
async def test_a_wrong_token_moves_nothing(stores: Stores, watcher: Watcher, shown: str) -> None:
    await register(stores, kept_token=TOKEN)
    await watcher.read()

    moved = await stores.nodes.move(node_id="n1", instance_id="i2", shown_token=shown)

    assert moved is Unmoved.CONFLICT
    assert await watcher.find_changes() == {}


@pytest.mark.req("N18")
async def test_a_node_that_is_offline_or_unknown_must_register(
    stores: Stores, watcher: Watcher
) -> None:
    await register(stores, kept_token=TOKEN)
    await stores.nodes.retire(node_id="n1", conn_epoch=START_MS)
    await watcher.read()

    for node_id in ("n1", "n2"):
        moved = await stores.nodes.move(node_id=node_id, instance_id="i2", shown_token=TOKEN)
        assert moved is Unmoved.UNKNOWN
    assert await watcher.find_changes() == {}


@pytest.mark.req("J16")
async def test_an_utterance_gets_the_next_index_or_the_one_its_caller_gives(
    stores: Stores,
) -> None:
    open_it = stores.sessions.open(session_id="s-1", instance_id="i1", profile=b'{"a":1}')
    await open_it
    said = [
        await stores.sessions.next_utterance(
            session_id="s-1", instance_id="i2", wanted_index=wanted
        )
        for wanted in (None, None, 7, 3, None, 2**52)
    ]

    assert [spoken.utterance_index for spoken in said if spoken] == [0, 1, 7, 3, 8, 2**52]
    assert said[0] is not None
    assert msgspec.json.decode(said[0].profile) == {"a": 1}
    assert await stores.sessions.find_owner(session_id="s-1") == "i2"
    record = await stores.sessions.find(session_id="s-1")
    assert record is not None
    assert record.profile == b'{"a":1}'


@pytest.mark.req("J16")
async def test_nothing_is_said_in_a_session_there_is_not(stores: Stores, watcher: Watcher) -> None:
    await watcher.read()

    spoken = await stores.sessions.next_utterance(
        session_id="s-2", instance_id="i1", wanted_index=None
    )

    assert spoken is None
    assert await watcher.find_changes() == {}
