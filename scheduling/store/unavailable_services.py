"""Marks of services that a node cannot run now, and the limits on making them (C17 to C19)."""

from asyncio import Future

from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import is_done

_WHAT = "model_na"


class UnavailableServiceStore:
    """Marks services in the node's slot; both limits always end."""

    def __init__(
        self,
        connection: Connection,
        *,
        keys: Keys,
        mark_ms: int,
        debounce_ms: int,
        window_ms: int,
        most_per_window: int,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._mark_ms = mark_ms
        self._debounce_ms = debounce_ms
        self._window_ms = window_ms
        self._most = most_per_window
        self.test_clock: int | str = ""

    def mark(self, *, node_id: str, service_id: str) -> "Future[int]":
        """Ask the node for this service no more for a while; return until when, ms (M3)."""
        return self._connection.run_script(
            "mark_unavailable",
            keys=[self._keys.node.unavail(node_id)],
            args=[service_id, self._mark_ms, self.test_clock],
            read=lambda raw: int(raw[1]),
        )

    def count_report(self, node_id: str) -> "Future[int]":
        """Count a report of this node; 0, or for how many ms it made too many (M5)."""
        return self._connection.run_script(
            "limit_rate",
            keys=[self._keys.node.rate(node_id, _WHAT)],
            args=[self._most, self._window_ms],
            read=lambda raw: 0 if is_done(raw) else int(raw[2]),
        )

    def is_first(self, what: str) -> "Future[bool]":
        """Say whether nobody on any instance said `what` within the last while (M4)."""
        return self._connection.execute(
            "SET",
            self._keys.debounce(f"model_unavailable:{what}"),
            1,
            "NX",
            "PX",
            self._debounce_ms,
            read=bool,
        )
