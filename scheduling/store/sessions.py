"""A session's own record in Redis."""

from asyncio import Future

from scheduling.store.connection import Connection
from scheduling.store.keys import Keys
from scheduling.store.replies import is_done


class SessionStore:
    """Opens, renews and closes ``{session:<id>}`` records."""

    def __init__(self, connection: Connection, *, keys: Keys, life_ms: int) -> None:
        self._connection = connection
        self._keys = keys
        self._life_ms = life_ms
        self.test_clock = ""

    def open(self, *, session_id: str, instance_id: str, profile: bytes) -> "Future[bool]":
        """Open a session under an id; False when the id is taken."""
        return self._connection.run_script(
            "open_session",
            keys=[self._keys.session_info(session_id)],
            args=[instance_id, profile, self._life_ms, self.test_clock],
            read=is_done,
        )

    def renew(self, *, session_id: str) -> "Future[int]":
        """Keep the record for another span of life: the socket lives."""
        return self._connection.execute(
            "PEXPIRE", self._keys.session_info(session_id), self._life_ms
        )

    def close(self, *, session_id: str) -> "Future[int]":
        """Forget the session; its jobs' records end by themselves."""
        return self._connection.execute("DEL", self._keys.session_info(session_id))
