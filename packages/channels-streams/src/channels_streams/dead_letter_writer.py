"""The move of undeliverable entries to the dead letters of their entity."""

from collections.abc import Sequence
from typing import Any

from channels_streams.connection import Connections, to_fields
from channels_streams.keys import GROUP
from channels_streams.process import Process
from channels_streams.scripts import load_script

_MOVE = load_script("move_to_dead_letters")


class DeadLetterWriter:
    """Moves entries to the dead letters of their entity."""

    def __init__(self, *, process: Process) -> None:
        self._iid = process.iid
        self._keys = process.keys
        self._options = process.options
        self._counters = process.counters
        self._payloads = process.payloads

    async def write(
        self, entity: str, ids: Sequence[bytes], *, reason: str, connections: Connections
    ) -> int:
        """Move entries of the entity's stream to its dead letters; returns how many were there."""
        args = self.limits()
        for entry_id in ids:
            found = await connections.command(
                "XRANGE", self._keys.stream(entity), entry_id, entry_id
            )
            args += self.describe(entry_id, found[0][1] if found else None, reason)
        keys = [self._keys.stream(entity), self._keys.dead_letters(entity)]
        _, moved = await connections.run(_MOVE, keys=keys, args=args)
        if moved:
            self._counters.dead_lettered[reason] += moved
            await connections.command("ZADD", self._keys.index(), "NX", _moment_of(ids[-1]), entity)
        return int(moved)

    def limits(self) -> list[Any]:
        """The first arguments of every script that makes dead letters."""
        return [GROUP, self._options.dlq_maxlen, int(self._options.dlq_ttl_s * 1000)]

    def describe(self, entry_id: bytes, entry: list[bytes] | None, reason: str) -> list[Any]:
        """The arguments that name one entry and its further fields."""
        payload, names = to_fields(entry).get(b"payload", b""), self._options.dead_letter_fields
        described = self._payloads.describe(payload, names=names)
        about = ["reason", reason, "instance", self._iid, *described]
        return [entry_id, len(about), *about]


def _moment_of(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])
