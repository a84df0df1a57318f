"""To erase many sessions takes as many looks at all keys as to erase one."""

import pytest
import redis

from scheduling.store.erasure import ErasureStore
from scheduling.store.keys import Keys, pick_shard
from scheduling.store.redis.connection import Connection
from scheduling.store.timers import name_job

_SHARDS = 4
STAYS = "s-0000FFFF"


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix)


def count_looks(servers: "list[redis.Redis]") -> int:
    stats = [server.info("commandstats") for server in servers]
    return sum(
        one.get(f"cmdstat_{name}", {}).get("calls", 0)
        for one in stats
        for name in ("scan", "zscan")
    )


async def write(connection: Connection, keys: Keys, session_id: str) -> None:
    """Write what there may be of a session: a record, a job, and the job's timer."""
    job_id = f"job-{session_id[2:]}-0123456789ab"
    entity = name_job(session_id, job_id)
    await connection.execute("HSET", keys.session.info(session_id), "owner", "somebody")
    await connection.execute("HSET", keys.session.job(session_id, job_id), "state", "DONE")
    await connection.execute("ZADD", keys.timers(pick_shard(entity, _SHARDS)), 1, entity)


@pytest.mark.req("RE10")
async def test_thirty_sessions_are_erased_in_as_many_looks_as_two(
    connection: Connection, keys: Keys, servers: "list[redis.Redis]"
) -> None:
    store = ErasureStore(connection, keys=keys, shards=_SHARDS)
    await write(connection, keys, STAYS)
    looks = []
    for many in (2, 30):
        session_ids = {f"s-{number:08X}" for number in range(many)}
        for session_id in session_ids:
            await write(connection, keys, session_id)
        before = count_looks(servers)
        assert await store.drop_sessions(session_ids) == 3 * many
        looks.append(count_looks(servers) - before)

    assert looks[0] == looks[1]
    assert set(await store.list_sessions()) == {STAYS}
    assert await store.drop_sessions({STAYS}) == 3


@pytest.mark.req("RE10")
async def test_what_is_found_of_one_is_what_is_found_of_several(
    connection: Connection, keys: Keys
) -> None:
    store = ErasureStore(connection, keys=keys, shards=_SHARDS)
    await write(connection, keys, STAYS)
    await write(connection, keys, "s-00000001")

    alone = await store.find_keys({STAYS})
    beside = await store.find_keys({STAYS, "s-00000002"})

    assert sorted(alone[STAYS]) == sorted(beside[STAYS])
    assert beside["s-00000002"] == []
    assert store.read_job_ids(STAYS, alone[STAYS]) == ["job-0000FFFF-0123456789ab"]
