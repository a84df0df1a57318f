"""Redis seen from outside: slots held while it runs, keys that nobody owns after it."""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from typing import Any

import redis
import redis.asyncio

from tests.chaos.checker import Violation
from tests.chaos.records import Lease, Records

# What may stay for ever, by design (scheduling/store/keys.py); their members have owners.
PERMANENT = ("{poolcfg}:doc", "{poolcfg}:fence")
_SAMPLE_EVERY_S = 0.2
_COUNT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local counts = {}
for i = 1, #KEYS do counts[i] = redis.call('ZCOUNT', KEYS[i], '(' .. now, '+inf') end
return counts
"""


class LeaseWatch:
    """Counts the live leases of every node again and again; each look is one moment of Redis."""

    def __init__(self, *, url: str, root: str, records: Records) -> None:
        self._client = redis.asyncio.Redis.from_url(url, socket_timeout=5)
        self._root = root
        self._records = records

    async def run(self, list_nodes: "Any") -> None:
        """Look until cancelled; `list_nodes` says which number has which id now."""
        try:
            while True:
                with contextlib.suppress(redis.RedisError, OSError):
                    await self._look(list_nodes())
                await asyncio.sleep(_SAMPLE_EVERY_S)
        finally:
            await self._client.aclose()

    async def _look(self, nodes: dict[int, str]) -> None:
        numbers = list(nodes)
        keys = [
            f"{self._root}{{node:{nodes[number]}}}:{kind}"
            for number in numbers
            for kind in ("resv", "run")
        ]
        counts = await self._client.eval(_COUNT, len(keys), *keys)
        self._records.samples += 1
        for position, number in enumerate(numbers):
            held = counts[2 * position] + counts[2 * position + 1]
            if held > self._records.slots[number]:
                self._records.oversold_leases.append(
                    Lease(
                        at_s=time.monotonic(),
                        node=number,
                        held=held,
                        offered=self._records.slots[number],
                    )
                )


def describe_job(client: Any, *, root: str, session_id: str, index: int) -> str:
    """Return what Redis knows of an utterance that has no answer, for whoever looks why."""
    slot = f"{root}{{session:{session_id}}}"
    lines = [f"{session_id} utterance {index}; its session: {client.hgetall(f'{slot}:info')}"]
    for binding in client.scan_iter(f"{slot}:bind:{index}:*", count=1000):
        job_id = client.get(binding)
        record = client.hgetall(f"{slot}:job:{job_id}")
        about = {key: text for key, text in record.items() if key not in {"need", "trace_id"}}
        tracked = client.zscore(f"{slot}:tracked", job_id)
        timers = [
            client.zscore(key, f"job|{session_id}|{job_id}")
            for key in client.scan_iter(f"{root}{{t:*", count=1000)
        ]
        lines.append(f"  {job_id} tracked {tracked} timers {timers} at {client.time()}: {about}")
    return "\n".join(lines)


def find_leftovers(client: Any, *, root: str) -> list[Violation]:
    """Return every key that would stay for ever, and every entry whose owner is gone."""
    found = []
    for key in sorted(client.scan_iter(count=1000)):
        name = key.removeprefix(root)
        if client.pttl(key) == -1 and name not in PERMANENT:
            orphans = _list_orphans(client, key, name, root)
            if orphans is None:
                found.append(f"{key} never expires")
            else:
                found += [f"{key} holds {member}" for member in orphans]
    return [Violation(promise="keys", what=what) for what in found]


def _list_orphans(client: Any, key: str, name: str, root: str) -> Iterable[str] | None:
    """Return the members without an owner of a key that may stay, None for any other key."""
    match name:
        case "{nodes}:last_seen":
            owner = "{{node:{}}}:info".format
        case "{instances}:seen":
            owner = "{{instance:{}}}:presence".format
        case _ if name.startswith("{t:") and name.endswith(":timers"):
            return [
                member for member in client.zrange(key, 0, -1) if not _lives(client, member, root)
            ]
        case _:
            return None
    return [
        member for member in client.zrange(key, 0, -1) if not client.exists(root + owner(member))
    ]


def _lives(client: Any, timer: str, root: str) -> bool:
    """Say whether what a timer is about still goes on."""
    kind, *about = timer.split("|")
    if kind == "job":
        session_id, job_id = about
        state = client.hget(f"{root}{{session:{session_id}}}:job:{job_id}", "state")
        return state not in {None, "RELEASED"}
    if kind == "room":
        return bool(client.exists(f"{root}{{room:{about[0]}}}:state"))
    return bool(client.exists(f"{root}{{node:{about[0]}}}:info"))
