"""A node's slots in Redis: taken, kept, given back, attempt by attempt."""

from asyncio import Future

from scheduling.model.limits import JobLimits
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import Node
from scheduling.model.speeds import Work
from scheduling.model.standing import UNTRIED, Ending, Fault, Judgement, StandingRules
from scheduling.store.keys import Keys
from scheduling.store.leases import Attempt, list_lease_keys, name_attempt, read_attempts
from scheduling.store.notes import SlotNotes
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import SlotReply, read_finished, read_judgement, read_slot

_QUARANTINE, _ABSOLVE, _PASSED = "quarantine", "absolve", "passed"


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
        standing_rules: StandingRules,
    ) -> None:
        self._rules = standing_rules.encode()
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
        forced: bool = False,
    ) -> "Future[SlotReply]":
        """Take a slot for an attempt, on the connection `node` was seen on (C5).

        With `forced` whatever its standing: nobody in good standing could serve.
        """
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
                int(forced),
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

    def finish(
        self,
        *,
        node_id: str,
        job_id: str,
        attempt: int,
        ending: Ending = Ending.NOTHING,
        work: Work | None = None,
    ) -> "Future[SlotReply]":
        """Free the slot of an attempt that ended, however far it came (C8)."""
        services, rate_ms = (work.services, work.rate_ms) if work else ("", 0)
        return self._connection.run_script(
            "finish_slot",
            keys=list_lease_keys(self._keys, node_id),
            args=[
                name_attempt(job_id, attempt),
                ending,
                self._rules,
                services,
                rate_ms,
                self.test_clock,
            ],
            read=read_finished,
        )

    def charge(
        self, *, node_id: str, job_id: str, attempt: int, fault: Fault
    ) -> "Future[Judgement | None]":
        """A doubt was right: the job ended well elsewhere; None where there was no such doubt."""
        return self._judge(node_id, fault, name_attempt(job_id, attempt))

    def note_probe(self, *, node_id: str, passed: bool) -> "Future[Judgement | None]":
        """Take how a node's probe ended; None where there is nothing to tell."""
        return self._judge(node_id, _PASSED if passed else Fault.PROBE, "")

    def hold_untried(self, *, node_id: str) -> "Future[Judgement | None]":
        """Let a node have few jobs until a probe proves it; None where one did, or it is judged."""
        return self._judge(node_id, UNTRIED, "")

    def doubt(self, *, node_id: str) -> "Future[Judgement | None]":
        """Let a node rest that failed a probe which no other has passed yet."""
        return self._judge(node_id, Ending.DOUBT, Fault.PROBE)

    def quarantine(self, *, node_id: str, for_ms: int) -> "Future[Judgement | None]":
        """Keep jobs from a node for a while; None where nobody knows it."""
        return self._judge(node_id, _QUARANTINE, for_ms)

    def absolve(self, *, node_id: str) -> "Future[Judgement | None]":
        """Forget all that speaks against a node; None where nothing does."""
        return self._judge(node_id, _ABSOLVE, "")

    def _judge(self, node_id: str, word: str, subject: str | int) -> "Future[Judgement | None]":
        return self._connection.run_script(
            "judge_node",
            keys=[self._keys.node.info(node_id)],
            args=[word, subject, self._rules, self.test_clock],
            read=read_judgement,
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
