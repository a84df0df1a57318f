"""Write back what Redis lost: everything this process knows (G5, ED7)."""

import logging

from scheduling.fleet.registry import Registry
from scheduling.jobs.job_recovery import JobRecovery
from scheduling.model import errors
from scheduling.model.delivery import Delivery
from scheduling.model.events import NodeFenced

logger = logging.getLogger(__name__)


class StateRecovery:
    """Nodes first, with their leases, so that nothing is granted twice; then sessions.

    Last the jobs of callers without a connection.
    """

    def __init__(
        self, *, delivery: Delivery, registry: Registry, job_recovery: JobRecovery
    ) -> None:
        self._delivery = delivery
        self._registry = registry
        self._job_recovery = job_recovery

    async def run_once(self) -> int:
        """Write back every connection; return how many.

        :raises DependencyDown: Redis is gone again; the next pass begins anew
        """
        nodes, sessions = self._delivery.local.list_nodes(), self._delivery.local.list_sessions()
        for mailbox in nodes:
            try:
                await self._registry.restore(
                    node=mailbox.node,
                    resume_token=mailbox.resume_token,
                    attempts=mailbox.list_attempts(),
                )
            except errors.ConnectionFenced:
                mailbox.enqueue(NodeFenced(node_id=mailbox.node.node_id))
        for session in sessions:
            await session.restore()
        jobs = await self._job_recovery.restore_all()
        logger.warning(
            "connections written back",
            extra={"nodes": len(nodes), "sessions": len(sessions), "jobs": jobs},
        )
        return len(nodes) + len(sessions)
