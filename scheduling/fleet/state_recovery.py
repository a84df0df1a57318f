"""Write back what Redis lost: everything the connections of this process know (G5)."""

import logging

from scheduling.fleet.registry import Registry
from scheduling.model import errors
from scheduling.model.delivery import Delivery
from scheduling.model.events import NodeFenced

logger = logging.getLogger(__name__)


class StateRecovery:
    """Nodes first, with their leases, so that nothing is granted twice; then sessions."""

    def __init__(self, *, delivery: Delivery, registry: Registry) -> None:
        self._delivery = delivery
        self._registry = registry

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
        logger.warning(
            "connections written back", extra={"nodes": len(nodes), "sessions": len(sessions)}
        )
        return len(nodes) + len(sessions)
