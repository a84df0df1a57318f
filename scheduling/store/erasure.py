"""Everything that Redis keeps of a session: found, whatever it is called, and deleted (RE10)."""

import asyncio
from collections.abc import Sequence
from typing import Any

from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection

_AT_ONCE = 500


class ErasureStore:
    """Looks over all keys: what is about a session is in its slot, but for what is listed here."""

    def __init__(self, connection: Connection, *, keys: Keys, shards: int) -> None:
        self._connection = connection
        self._keys = keys
        self._timers = [keys.timers(shard) for shard in range(shards)]

    async def list_sessions(self) -> set[str]:
        """Return every session that anything is kept of.

        :raises DependencyDown: Redis did not answer
        """
        found = await self._connection.scan(self._keys.match_session("*"))
        return set(map(self._keys.read_session_id, found))

    async def find_principal(self, session_id: str) -> str | None:
        """Return whose credential a session was opened with, None where nobody showed any.

        :raises DependencyDown: Redis did not answer
        """
        return await self._connection.execute("HGET", self._keys.session.info(session_id), "owner")

    async def list_job_ids(self, session_id: str) -> list[str]:
        """Return the session's jobs that have a record.

        :raises DependencyDown: Redis did not answer
        """
        begin = self._keys.session.job(session_id, "")
        return [key.removeprefix(begin) for key in await self._connection.scan(f"{begin}*")]

    async def list_rooms(self) -> list[str]:
        """Return the codes of the rooms that there are.

        :raises DependencyDown: Redis did not answer
        """
        before, after = self._keys.room.state("*").split("*")
        found = await self._connection.scan(self._keys.room.state("*"))
        return [key.removeprefix(before).removesuffix(after) for key in found]

    async def is_member(self, code: str, *, session_id: str) -> bool:
        """Say whether a session has a seat in a room.

        :raises DependencyDown: Redis did not answer
        """
        members = self._keys.room.members(code)
        return bool(await self._connection.execute("HEXISTS", members, session_id))

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

    async def drop_session(self, session_id: str) -> int:
        """Delete all that is in a session's slot, its copies and its timers; return how much.

        :raises DependencyDown: Redis did not answer
        """
        keys = await self._connection.scan(self._keys.match_session(session_id))
        dropped = await self._delete([*keys, self._keys.mirror.session(session_id)])
        named = await asyncio.gather(*(self._list_timers(key, session_id) for key in self._timers))
        commands: list[Any] = [
            ("ZREM", key, *found) for key, found in zip(self._timers, named, strict=True) if found
        ]
        disarmed: int = sum(await self._connection.execute_all(commands)) if commands else 0
        return dropped + disarmed

    async def _list_timers(self, key: str, session_id: str) -> list[str]:
        found: list[str] = []
        cursor, is_over = "0", False
        while not is_over:
            page: tuple[str | int, list[tuple[str, float]]] = await self._connection.execute(
                *("ZSCAN", key, cursor, "MATCH", f"*|{session_id}|*", "COUNT", _AT_ONCE)
            )
            cursor = str(page[0])
            found += [entity for entity, _ in page[1]]
            is_over = cursor == "0"
        return found

    async def _delete(self, keys: Sequence[str]) -> int:
        commands: list[Any] = [("DEL", key) for key in keys]
        return sum(await self._connection.execute_all(commands)) if commands else 0
