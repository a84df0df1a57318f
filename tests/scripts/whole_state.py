"""Read everything Redis holds under a prefix, and say what one call changed in it."""

import re
from typing import Any

import msgspec
import redis.asyncio

PERMANENT = re.compile(
    r".*:(\{t:\d+\}:timers|\{poolcfg\}:(doc|fence)|\{nodes\}:last_seen|\{instances\}:seen)"
)


class Entry(msgspec.Struct, frozen=True):
    """One key: its type, its value, and whether it will end by itself."""

    type: str
    value: Any
    expires: bool


State = dict[str, Entry]


async def read_state(client: "redis.asyncio.Redis", prefix: str) -> State:
    """Return all keys under `prefix`, named without it."""
    root = f"{prefix}:v2:"
    state = {}
    async for key in client.scan_iter(match=f"{root}*", count=1_000):
        kind = await client.type(key)
        match kind:
            case "hash":
                value: Any = await client.hgetall(key)
            case "zset":
                value = {
                    member: int(score)
                    for member, score in await client.zrange(key, 0, -1, withscores=True)
                }
            case "stream":
                value = dict(await client.xrange(key))
            case "set":
                value = dict.fromkeys(await client.smembers(key), 1)
            case "list":
                value = await client.lrange(key, 0, -1)
            case _:
                value = await client.get(key)
        expires = await client.pttl(key) > 0
        state[key.removeprefix(root)] = Entry(type=kind, value=value, expires=expires)
    return state


def find_changes(before: State, after: State) -> dict[str, Any]:
    """Return what differs: fields or members of each key, None where something is gone."""
    changes = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if new is None:
            changes[key] = None
        elif isinstance(new.value, dict):
            known = old.value if old else {}
            changes[key] = {
                field: new.value.get(field)
                for field in known.keys() | new.value.keys()
                if known.get(field) != new.value.get(field)
            }
        else:
            changes[key] = new.value
    return changes


def list_endless(state: State) -> list[str]:
    """Return the keys that would stay for ever, the permanent ones apart."""
    return [key for key, e in state.items() if not e.expires and not PERMANENT.fullmatch(f":{key}")]
