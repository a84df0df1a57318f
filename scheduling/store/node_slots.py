"""A node's slots in Redis: taken, kept, given back, attempt by attempt."""

from asyncio import Future

from scheduling.model.limits import JobLimits
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import Node
from scheduling.store.keys import Keys
from scheduling.store.leases import Attempt, list_lease_keys, name_attempt, read_attempts
from scheduling.store.notes import SlotNotes
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import SlotReply, read_slot


class NodeSlotStore:
    """Takes slots of a node and gives them back; one script a method, issued at once."""

    def __init__(
        self,
        connection: Connection,
        *,
        keys: Keys,
        silent_ms: int,
        limits: JobLimits,
        metrics: Metrics,
    ) -> None:
        self._connection = connection
        self._notes = SlotNotes(metrics)
        self._keys = keys
        self._silent_ms = silent_ms
        self._jobs = limits
        self.test_clock: int | str = ""

    def reserve(
        self,
        *,
        node: Node,
        job_id: str,
        attempt: int,
        types: tuple[str, ...],
        urgent: bool = False,
    ) -> "Future[SlotReply]":
        """Take a slot for an attempt, on the connection `node` was seen on (C5)."""
        info, resv, run, cap = list_lease_keys(self._keys, node.node_id)
        return self._connection.run_script(
            "reserve_slot",
            keys=[info, resv, run, self._keys.node.unavail(node.node_id), cap],
            args=[
                name_attempt(job_id, attempt),
                self._jobs.reservation_ms,
                node.conn_epoch,
                self._silent_ms,
                ",".join(node.list_service_ids(types)),
                self.test_clock,
            ],
            read=self._notes.reserved(node),
            urgent=urgent,
        )

    def commit(self, *, node_id: str, job_id: str, attempt: int) -> "Future[SlotReply]":
        """Turn a reservation into a run lease: the node accepted the attempt (C6)."""
        return self._connection.run_script(
            "commit_slot",
            keys=list_lease_keys(self._keys, node_id),
            args=[name_attempt(job_id, attempt), self._jobs.run_lease_ms, self.test_clock],
            read=self._notes.committed,
        )

    def finish(self, *, node_id: str, job_id: str, attempt: int) -> "Future[SlotReply]":
        """Free the slot of an attempt that ended, however far it came (C8)."""
        return self._connection.run_script(
            "finish_slot",
            keys=list_lease_keys(self._keys, node_id),
            args=[name_attempt(job_id, attempt), self.test_clock],
            read=read_slot,
        )

    def release(self, *, node_id: str, job_id: str, attempt: int) -> "Future[SlotReply]":
        """Give a reservation back that was never accepted (C7)."""
        return self._connection.run_script(
            "release_slot",
            keys=list_lease_keys(self._keys, node_id),
            args=[name_attempt(job_id, attempt), self.test_clock],
            read=read_slot,
        )

    def list_attempts(self, *, node_id: str) -> "Future[tuple[Attempt, ...]]":
        """Return the attempts that hold a run lease, ended or not."""
        return self._connection.execute(
            "ZRANGE", self._keys.node.run(node_id), 0, -1, read=read_attempts
        )
