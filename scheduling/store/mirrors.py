"""Copies under the keys that older tools know; written by loops, read by nobody here but one."""

from asyncio import Future
from collections.abc import Mapping
from typing import Any

import msgspec

from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import is_done


class MirrorStore:
    """The only reader and writer of the ``v1`` keys."""

    def __init__(self, connection: Connection, *, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

    def write_node(
        self, node_id: str, *, fields: Mapping[str, object], life_ms: int
    ) -> "Future[bool]":
        """Write what a node can do and does; without an end where `life_ms` is 0 (N15)."""
        return self._write(self._keys.mirror.node(node_id), fields, life_ms)

    def drop_node(self, node_id: str) -> "Future[int]":
        """Drop the copy of a node that is gone."""
        return self._connection.execute("DEL", self._keys.mirror.node(node_id))

    def write_session(
        self, session_id: str, *, fields: Mapping[str, object], life_ms: int
    ) -> "Future[bool]":
        """Write at which node a session's latest job is (G8)."""
        return self._write(self._keys.mirror.session(session_id), fields, life_ms)

    def write_statistics(self, statistics: bytes, *, life_ms: int) -> "Future[Any]":
        """Share the statistics of one moment (D3)."""
        key = self._keys.mirror.statistics()
        return self._connection.execute("SET", key, statistics, "PX", life_ms)

    def find_statistics(self) -> "Future[bytes | None]":
        """Return the statistics that were shared last, None where that is too long ago."""
        return self._connection.execute(
            "GET",
            self._keys.mirror.statistics(),
            read=lambda raw: None if raw is None else raw.encode(),
        )

    def _write(self, key: str, fields: Mapping[str, object], life_ms: int) -> "Future[bool]":
        flat = [str(part) for pair in fields.items() for part in pair]
        return self._connection.run_script(
            "write_mirror", keys=[key], args=[msgspec.json.encode(flat), life_ms], read=is_done
        )
