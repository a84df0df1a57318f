"""Every command of every store method keeps to one hash slot, so that a cluster takes it."""

import inspect

import pytest
import redis.asyncio
from redis.crc import key_slot

from lua import scripts
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.redis.script_cache import ScriptCache
from tests.scripts.fixtures import START_MS, Stores
from tests.scripts.store_calls import CALLS, EVERY_CALL, call


def list_methods(store: object) -> set[str]:
    return {
        name
        for name, _ in inspect.getmembers(type(store), inspect.isfunction)
        if not name.startswith("_")
    }


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """All commands that are issued, as they are issued."""
    issued: list[tuple[object, ...]] = []
    issue, execute_all = Connection._issue, Connection.execute_all

    def note(self, op, command, *rest, **options):
        issued.append(command)
        return issue(self, op, command, *rest, **options)

    async def note_all(self, commands):
        issued.extend(commands)
        return await execute_all(self, commands)

    monkeypatch.setattr(Connection, "_issue", note)
    monkeypatch.setattr(Connection, "execute_all", note_all)
    return issued


def list_keys(command: tuple[object, ...]) -> list[str]:
    if command[0] == "EVALSHA":
        return [str(key) for key in command[3 : 3 + int(str(command[2]))]]
    return [str(command[1])]


def test_every_method_of_every_store_is_in_the_table(stores: Stores) -> None:
    assert {store: set(methods) for store, methods in CALLS.items()} == {
        store: list_methods(getattr(stores, store)) for store in CALLS
    }


@pytest.mark.req("I10", "I-3", "I-59")
@pytest.mark.parametrize(("store", "method"), EVERY_CALL)
async def test_the_keys_of_each_command_share_a_slot(
    store: str, method: str, stores: Stores, commands: list[tuple[object, ...]]
) -> None:
    await call(stores, store, method)

    assert commands
    for command in commands:
        assert len({key_slot(key.encode()) for key in list_keys(command)}) == 1, command


async def test_every_script_has_a_method_that_calls_it(
    stores: Stores, commands: list[tuple[object, ...]]
) -> None:
    # A node that leaves one pool for another goes through every script of membership.
    await call(stores, "nodes", "register")
    await stores.membership.set_pools(
        node_id="n1", pool_ids=["p0"], conn_epoch=START_MS, version=0, step=0
    )
    for store, method in EVERY_CALL:
        await call(stores, store, method)

    script_cache = ScriptCache()
    digests = {script_cache.get_digest(name) for name in scripts.list_names()}
    assert {command[1] for command in commands if command[0] == "EVALSHA"} == digests


@pytest.mark.req("I-3", "I-59")
@pytest.mark.standalone("a cluster itself refuses what this looks for")
async def test_no_script_touches_a_key_of_another_slot(
    stores: Stores, redis_client: "redis.asyncio.Redis", prefix: str
) -> None:
    for name in scripts.list_names():
        await redis_client.script_load(scripts.load_source(name))
    async with redis_client.monitor() as monitor:
        await call(stores, "nodes", "register")
        for store, method in EVERY_CALL:
            await call(stores, store, method)
        await redis_client.echo("over")
        slot, touched = 0, 0
        while (seen := await monitor.next_command())["command"] != "ECHO over":
            # A channel is no key: what is published goes to every master.
            name, *words = [*seen["command"].split(" "), ""]
            if name == "EVALSHA" and int(words[1]):
                slot = key_slot(words[2].encode())
            elif seen["client_type"] == "lua" and name != "PUBLISH" and words[0].startswith(prefix):
                assert key_slot(words[0].encode()) == slot, seen["command"]
                touched += 1

    assert touched > 100


@pytest.mark.req("I10")
def test_entities_do_not_share_a_slot_by_accident_of_the_prefix(prefix: str) -> None:
    keys = Keys(prefix)

    slots = {key_slot(keys.node.info(f"n{number}").encode()) for number in range(100)}

    assert len(slots) > 90
