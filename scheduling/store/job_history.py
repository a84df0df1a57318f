"""Jobs that are over and not yet in the history: taken under a lease, read, struck off.

A job is timed until it is over, then waits here, then is in the history. It moves by one command
each time, so a process that dies on the way leaves it where another finds it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from scheduling.store.keys import Keys, pick_shard
from scheduling.store.redis.connection import Connection

Fields = dict[str, str]
_PAGE = 500


class HistoryStore:
    """Reads and strikes off what `TimerStore.file` left among timers below 0."""

    def __init__(self, connection: Connection, *, keys: Keys, shards: int, record_ms: int) -> None:
        self._connection = connection
        self._keys = keys
        self._timers = [keys.timers(shard) for shard in range(shards)]
        self._record_ms = record_ms
        self.test_clock = ""

    async def take(self, *, most: int, lease_ms: int) -> tuple[int, list[str]]:
        """Take up to `most` of each shard; return how many wait in all, and the taken entities."""
        replies: list[list[Any]] = await asyncio.gather(
            *(
                self._connection.run_script(
                    "take_ended", keys=[key], args=[most, lease_ms, self.test_clock]
                )
                for key in self._timers
            )
        )
        waiting = sum(reply[1] for reply in replies)
        return waiting, [entity for reply in replies for entity in reply[2:]]

    async def read(self, entities: Sequence[str]) -> list[Fields]:
        """Return each job's whole record; an empty one where Redis has forgotten it."""
        records: list[Fields] = await self._connection.execute_all(
            [("HGETALL", self._record(entity)) for entity in entities]
        )
        return records

    async def strike(self, entities: Sequence[str]) -> list[str]:
        """Note that jobs are in the history, or can never be; return those erased meanwhile.

        Who erases takes a record first, then its entity here, then its row: either we see that, or
        the row we wrote is seen there.
        """
        shards: dict[str, list[str]] = {}
        for entity in entities:
            key = self._timers[pick_shard(entity, len(self._timers))]
            shards.setdefault(key, []).append(entity)
        struck: list[int] = await asyncio.gather(
            *(self._connection.execute("ZREM", key, *names) for key, names in shards.items())
        )
        in_doubt = [
            entity
            for names, count in zip(shards.values(), struck, strict=True)
            for entity in (names if count < len(names) else ())
        ]
        if not in_doubt:
            return []
        found: list[int] = await self._connection.execute_all(
            [("EXISTS", self._record(entity)) for entity in in_doubt]
        )
        return [entity for entity, is_there in zip(in_doubt, found, strict=True) if not is_there]

    async def keep(self, *, most: int) -> int:
        """Let the records of up to `most` waiting jobs live as long as if they had ended now."""
        kept = 0
        for key in self._timers:
            first = 0
            while kept < most:
                entities: list[str] = await self._connection.execute(
                    *("ZRANGEBYSCORE", key, "-inf", "(0"),
                    *("LIMIT", first, min(_PAGE, most - kept)),
                )
                if not entities:
                    break
                await self._connection.execute_all(
                    [("PEXPIRE", self._record(entity), self._record_ms) for entity in entities]
                )
                kept += len(entities)
                first += len(entities)
        return kept

    def _record(self, entity: str) -> str:
        _, session_id, job_id = entity.split("|")
        return self._keys.session.job(session_id, job_id)
