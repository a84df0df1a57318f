"""Timers: who must look at what, when, so that nothing hangs when a process dies (C23)."""

import asyncio
from collections.abc import Sequence
from typing import Any

from scheduling.model import ids
from scheduling.model.errors import DependencyDown
from scheduling.store.keys import Keys, pick_shard
from scheduling.store.redis.connection import Connection, unattended

JOB, SILENT, GONE, HOOK, ROOM = "job", "silent", "gone", "hook", "room"
# The score of what may be written down at once; moments below 0 count from here.
_OVER = -(10**15)
_LATER_SHARDS_WITHIN_S = 0.3


def name_job(session_id: str, job_id: str) -> str:
    """Return a job's name among timers."""
    return f"{JOB}|{session_id}|{job_id}"


def name_hook(session_id: str, job_id: str) -> str:
    """Return the name of a job's web hook among timers."""
    return f"{HOOK}|{session_id}|{job_id}"


def name_room(code: str) -> str:
    """Return a room's name among timers."""
    return f"{ROOM}|{code}"


def name_node(kind: str, node_id: str, conn_epoch: int) -> str:
    """Return the name of a node's connection among timers: SILENT while it lives, GONE after."""
    return f"{kind}|{node_id}|{conn_epoch}"


class TimerStore:
    """The only reader and writer of ``{t:<n>}`` keys; an entity has one timer at a time."""

    def __init__(
        self, connection: Connection, *, keys: Keys, shards: int, files_ended: bool = False
    ) -> None:
        self._connection = connection
        self._keys = [keys.timers(shard) for shard in range(shards)]
        self._files_ended = files_ended
        self.test_clock = ""

    def arm(
        self, entity: str, *, delay_ms: int, urgent: bool = False
    ) -> "asyncio.Future[list[int]]":
        """Wake somebody about `entity` in `delay_ms`; a later call moves the moment."""
        return self._connection.run_script(
            "arm_timer",
            keys=[self._key(entity)],
            args=[entity, delay_ms, self.test_clock],
            urgent=urgent,
        )

    def disarm(self, entity: str) -> "asyncio.Future[int]":
        """Drop the timer of an entity that needs nobody any more."""
        return self._connection.execute("ZREM", self._key(entity), entity)

    def file(self, job: str) -> "asyncio.Future[int]":
        """Drop the timer of a job that is over, and leave it to who writes the history.

        One command does both: the entity moves below 0, where no timer is due and `HistoryStore`
        looks. Where no history is kept the timer is dropped, that is all; so is that of a probe.
        """
        if not self._files_ended or ids.is_probe(job.split("|")[1]):
            return self.disarm(job)
        return self._connection.execute("ZADD", self._key(job), "XX", "CH", _OVER, job)

    async def pop_due(self, *, most: int, lease_ms: int) -> tuple[int, list[Sequence[str]]]:
        """Take what is due, from every shard; return Redis's clock and each entity's parts.

        An entity that is neither disarmed nor armed anew within `lease_ms` is due again. A shard
        whose master is lost or silent holds up no other: what it gave too late is due again.

        :raises DependencyDown: no shard answered
        """
        asked: list[asyncio.Future[list[Any]]] = [
            self._connection.run_script(
                "pop_due_timers", keys=[key], args=[most, lease_ms, self.test_clock]
            )
            for key in self._keys
        ]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(asked, timeout=_LATER_SHARDS_WITHIN_S)
        answered = [shard for shard in asked if shard.done()]
        for late in set(asked).difference(answered):
            unattended(late, what="a shard's timers")
        replies = [shard.result() for shard in answered if shard.exception() is None]
        for shard in answered:
            lost = shard.exception()
            if lost is not None and not (replies and isinstance(lost, DependencyDown)):
                raise lost
        now_ms = max(reply[1] for reply in replies)
        return now_ms, [entity.split("|") for reply in replies for entity in reply[2:]]

    def _key(self, entity: str) -> str:
        return self._keys[pick_shard(entity, len(self._keys))]
