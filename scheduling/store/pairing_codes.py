"""Pairing codes: whose each is, and who has used it."""

from asyncio import Future

from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import is_done


class PairingCodeStore:
    """The only reader and writer of ``{pairing:<code>}`` keys."""

    def __init__(self, connection: Connection, *, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

    def keep(self, code: str, *, node_id: str, life_ms: int) -> "Future[bool]":
        """Let a code stand for a node for so long; False where it is taken."""
        return self._connection.run_script(
            "keep_pairing_code",
            keys=[self._keys.pairing_code(code)],
            args=[node_id, life_ms],
            read=is_done,
        )

    def use(self, code: str, *, shown_by: str) -> "Future[str]":
        """Use a code up; return its node's id, ``""`` where it is nobody's, or was used."""
        return self._connection.run_script(
            "use_pairing_code",
            keys=[self._keys.pairing_code(code)],
            args=[shown_by],
            read=lambda raw: str(raw[1]) if raw[0] == 1 else "",
        )
