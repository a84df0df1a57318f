"""What a principal may use at once and over time, counted for all instances together."""

from asyncio import Future
from typing import Any

import msgspec

from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import is_done


class Taken(msgspec.Struct, frozen=True):
    """Whether a bucket gave; if not, `retry_after_ms` says when it will."""

    done: bool
    retry_after_ms: int = 0


class AllowanceStore:
    """The only reader and writer of ``{principal:<id>}`` keys, and of claims on node ids."""

    def __init__(self, connection: Connection, *, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        self.test_clock: int | str = ""

    def take(
        self, *, principal_id: str, bucket: str, cost: int = 1, per_s: float, burst: int
    ) -> "Future[Taken]":
        """Take `cost` tokens from a principal's bucket, which holds `burst`."""
        return self._connection.run_script(
            "take_tokens",
            keys=[self._keys.access.bucket(principal_id, bucket)],
            args=[cost, per_s, burst, self.test_clock],
            read=_read_taken,
        )

    def hold_connection(
        self, *, principal_id: str, connection_id: str, most: int, lease_ms: int
    ) -> "Future[bool]":
        """Count a socket, or renew it; False when the principal has as many as it may."""
        return self._connection.run_script(
            "hold_connection",
            keys=[self._keys.access.sockets(principal_id)],
            args=[connection_id, most, lease_ms, self.test_clock],
            read=is_done,
        )

    def drop_connection(self, *, principal_id: str, connection_id: str) -> "Future[int]":
        """A socket is gone."""
        return self._connection.execute(
            "ZREM", self._keys.access.sockets(principal_id), connection_id
        )

    def hold_claim(
        self, *, principal_id: str, node_id: str, most: int, lease_ms: int
    ) -> "Future[bool]":
        """Count a node id that a principal claims; False when it has as many as it may."""
        return self._connection.run_script(
            "hold_connection",
            keys=[self._keys.access.claims(principal_id)],
            args=[node_id, most, lease_ms, self.test_clock],
            read=is_done,
        )

    def list_claims(self, *, principal_id: str) -> "Future[list[str]]":
        """Return the node ids that a principal holds."""
        return self._connection.execute("ZRANGE", self._keys.access.claims(principal_id), 0, -1)

    def drop_claim(self, *, principal_id: str, node_id: str) -> "Future[int]":
        """Count a node id no more."""
        return self._connection.execute("ZREM", self._keys.access.claims(principal_id), node_id)

    def drop_node_id(self, *, node_id: str, principal_id: str) -> "Future[bool]":
        """Let a node id go, if it is this principal's."""
        return self._connection.run_script(
            "drop_node_id",
            keys=[self._keys.node.owner(node_id)],
            args=[principal_id],
            read=is_done,
        )

    def take_attempt(
        self, *, principal_id: str, attempt: str, free: int, first_ms: int, longest_ms: int
    ) -> "Future[int]":
        """Count one try at what may fail; return 0, or how many ms to wait before the next."""
        return self._connection.run_script(
            "take_attempt",
            keys=[self._keys.access.attempts(principal_id)],
            args=[attempt, free, first_ms, longest_ms, self.test_clock],
            read=lambda raw: 0 if raw[0] == 1 else max(int(raw[2]), 1),
        )

    def drop_attempts(self, *, principal_id: str) -> "Future[int]":
        """Forget tries: one succeeded."""
        return self._connection.execute("DEL", self._keys.access.attempts(principal_id))

    def claim_node_id(
        self, *, node_id: str, principal_id: str, life_ms: int, is_named: bool
    ) -> "Future[bool]":
        """Claim a node id, or renew the claim; False when it is another principal's.

        A credential that names the id (`is_named`) takes it over.
        """
        return self._connection.run_script(
            "claim_node_id",
            keys=[self._keys.node.owner(node_id)],
            args=[principal_id, life_ms, int(is_named)],
            read=is_done,
        )


def _read_taken(raw: list[Any]) -> Taken:
    return Taken(done=True) if raw[0] == 1 else Taken(done=False, retry_after_ms=int(raw[2]))
