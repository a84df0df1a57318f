"""Everything that Redis keeps of a session: found, whatever it is called, and deleted (RE10)."""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeVar

from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.redis.routes import Command

T = TypeVar("T")
_AT_ONCE = 500


class ErasureStore:
    """Looks over all keys: what is about a session is in its slot, but for what is listed here."""

    def __init__(self, connection: Connection, *, keys: Keys, shards: int) -> None:
        self._connection = connection
        self._keys = keys
        self._timers = [keys.timers(shard) for shard in range(shards)]

    async def list_sessions(self) -> dict[str, list[str]]:
        """Return every session that anything is kept of, with its keys.

        :raises DependencyDown: Redis did not answer
        """
        found: dict[str, list[str]] = {}
        for key in await self._connection.scan(self._keys.match_session("*")):
            found.setdefault(self._keys.read_session_id(key), []).append(key)
        return found

    async def find_keys(self, session_ids: Collection[str]) -> dict[str, list[str]]:
        """Return what is kept of some sessions: one look at all keys, however many they are.

        :raises DependencyDown: Redis did not answer
        """
        if len(session_ids) == 1:
            (only,) = session_ids
            return {only: await self._connection.scan(self._keys.match_session(only))}
        known = await self.list_sessions()
        return {session_id: known.get(session_id, []) for session_id in session_ids}

    async def find_principal(self, session_id: str) -> str | None:
        """Return whose credential a session was opened with, None where nobody showed any.

        :raises DependencyDown: Redis did not answer
        """
        return await self._connection.execute("HGET", self._keys.session.info(session_id), "owner")

    def read_job_ids(self, session_id: str, keys: Sequence[str]) -> list[str]:
        """Return the jobs that have a record among a session's keys."""
        begin = self._keys.session.job(session_id, "")
        return [key.removeprefix(begin) for key in keys if key.startswith(begin)]

    async def list_rooms(self) -> list[str]:
        """Return the codes of the rooms that there are.

        :raises DependencyDown: Redis did not answer
        """
        before, after = self._keys.room.state("*").split("*")
        found = await self._connection.scan(self._keys.room.state("*"))
        return [key.removeprefix(before).removesuffix(after) for key in found]

    async def list_members(self, code: str) -> list[str]:
        """Return the sessions that have a seat in a room.

        :raises DependencyDown: Redis did not answer
        """
        members: list[str] = await self._connection.execute("HKEYS", self._keys.room.members(code))
        return members

    async def list_recordings(self) -> list[str]:
        """Return the names of the audio that was sent ahead.

        :raises DependencyDown: Redis did not answer
        """
        before, after = self._keys.recording("*").split("*")
        found = await self._connection.scan(self._keys.recording("*"))
        return [key.removeprefix(before).removesuffix(after) for key in found]

    async def drop_recordings(self, audio_refs: Sequence[str]) -> int:
        """Delete audio that was sent ahead; return how much of it there was.

        :raises DependencyDown: Redis did not answer
        """
        return await self._delete([self._keys.recording(each) for each in audio_refs])

    async def drop_sessions(self, session_ids: Collection[str]) -> int:
        """Delete all that is in sessions' slots, their copies and their timers; return how much.

        :raises DependencyDown: Redis did not answer
        """
        found = await self.find_keys(session_ids)
        keys = [key for theirs in found.values() for key in theirs]
        dropped = await self._delete([*keys, *map(self._keys.mirror.session, session_ids)])
        named = await asyncio.gather(*(self._list_timers(key, session_ids) for key in self._timers))
        disarmed = await self._execute(
            ("ZREM", key, *page)
            for key, entities in zip(self._timers, named, strict=True)
            for page in _in_pages(entities)
        )
        return dropped + disarmed

    async def _list_timers(self, key: str, session_ids: Collection[str]) -> list[str]:
        whose = next(iter(session_ids)) if len(session_ids) == 1 else "*"
        found: list[str] = []
        cursor, is_over = "0", False
        while not is_over:
            page: tuple[str | int, list[tuple[str, float]]] = await self._connection.execute(
                *("ZSCAN", key, cursor, "MATCH", f"*|{whose}|*", "COUNT", _AT_ONCE)
            )
            cursor = str(page[0])
            found += [entity for entity, _ in page[1] if entity.split("|")[1] in session_ids]
            is_over = cursor == "0"
        return found

    async def _delete(self, keys: Sequence[str]) -> int:
        return await self._execute(("DEL", key) for key in keys)

    async def _execute(self, commands: Iterable[Command]) -> int:
        """Carry out commands, some at a time, and return what their replies come to."""
        done = 0
        for page in _in_pages(list(commands)):
            done += sum(await self._connection.execute_all(page))
        return done


def _in_pages(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for first in range(0, len(items), _AT_ONCE):
        yield items[first : first + _AT_ONCE]
