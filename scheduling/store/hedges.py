"""Jobs in Redis that two nodes work on, for one of them takes long."""

from asyncio import Future

from scheduling.model.limits import JobLimits
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import Reply, read_reply


class HedgeStore:
    """The only writer of second attempts beside the newest; each call is issued at once."""

    def __init__(self, connection: Connection, *, keys: Keys, limits: JobLimits) -> None:
        self._connection = connection
        self._keys = keys
        self._limits = limits
        self.test_clock = ""

    def begin(
        self, *, session_id: str, job_id: str, attempt: int, node_id: str, second_node_id: str
    ) -> "Future[Reply]":
        """Let a second node have a job too, as the attempt after `attempt`, which goes on (ND6).

        It has a slot reserved for that attempt. A job is hedged once.
        """
        return self._connection.run_script(
            "hedge_job",
            keys=[self._keys.session.job(session_id, job_id)],
            args=[attempt, node_id, second_node_id, self._limits.ack_timeout_ms, self.test_clock],
            read=read_reply,
        )
