"""Dead processes: what waited in their inboxes becomes dead letters, and the inboxes go (T4)."""

import logging
import random
from collections.abc import Awaitable, Callable

from channels_streams.connection import Connections
from channels_streams.dead_letter_writer import DeadLetterWriter
from channels_streams.dead_letters import DeadLetter, DeadLetters
from channels_streams.presence import Presence
from channels_streams.process import Process
from channels_streams.scripts import load_script

_TAKE_OVER = load_script("take_over")
_BATCH = 50
_ENTITIES_PER_PASS = 20
_log = logging.getLogger("channels_streams")

# Called with each letter of a dead process: where its message should go now, None to keep it.
OrphanHandler = Callable[[DeadLetter], Awaitable[str | None]]


class Takeover:
    """One pass over the processes that were not seen for a while; any process may run it."""

    def __init__(
        self,
        *,
        process: Process,
        dead_letters: DeadLetters,
        presence: Presence,
    ) -> None:
        self._keys = process.keys
        self._options = process.options
        self._counters = process.counters
        self._dead_letter_writer = DeadLetterWriter(process=process)
        self._dead_letters = dead_letters
        self._presence = presence
        self.orphan_handler: OrphanHandler | None = None

    async def run_once(self, *, connections: Connections) -> int:
        """Write what the dead left as dead letters; returns how many messages.

        :raises RedisError: Redis is not reachable
        """
        moved = 0
        for entity in await self._list_unseen(connections):
            alive = await connections.command("EXISTS", self._keys.presence(entity))
            if alive:
                continue
            if entity.startswith("process:"):
                moved += await self._write_all(entity, connections)
            if not await connections.command("EXISTS", self._keys.dead_letters(entity)):
                await connections.command("ZREM", self._keys.index(), entity)
        return moved

    async def _list_unseen(self, connections: Connections) -> list[str]:
        """Draw some entities not seen for a presence's length, so that none is starved."""
        unseen_since = int(self._presence.redis_now_ms()) - self._options.presence_ttl_ms
        unseen = await connections.command("ZRANGEBYSCORE", self._keys.index(), 0, unseen_since)
        sample = random.sample(unseen, min(len(unseen), _ENTITIES_PER_PASS))
        return [member.decode() for member in sample]

    async def _write_all(self, entity: str, connections: Connections) -> int:
        keys = [
            self._keys.stream(entity),
            self._keys.dead_letters(entity),
            self._keys.presence(entity),
        ]
        moved: list[bytes] = []
        while True:
            args = self._dead_letter_writer.limits()
            for entry_id, fields in await connections.command(
                "XRANGE", keys[0], "-", "+", "COUNT", _BATCH
            ):
                args += self._dead_letter_writer.describe(entry_id, fields, "process_gone")
            reply = await connections.run(_TAKE_OVER, keys=keys, args=args)
            if reply[0] == 0:
                break
            moved += reply[2:]
            if reply[1] == 0:
                break
        if moved:
            self._counters.reclaimed += len(moved)
            self._counters.dead_lettered["process_gone"] += len(moved)
            _log.warning("inbox taken over", extra={"entity": entity, "messages": len(moved)})
            await self._offer(entity, {each.decode() for each in moved})
        return len(moved)

    async def _offer(self, entity: str, source_ids: set[str]) -> None:
        """Let the application send the messages on; what it leaves stays a dead letter."""
        if self.orphan_handler is None:
            return
        async for letter in self._dead_letters.list_letters_of(entity):
            if letter.source_id in source_ids:
                await self._dead_letters.replay(letter.letter_id, resolve=self.orphan_handler)
