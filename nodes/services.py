"""What happens when a node registers, lives, and goes (N1 to N17)."""

import logging

from nodes import messages
from nodes.connections import Held, NodeConnection
from nodes.job_service import NodeJobService
from nodes.lifecycle import describe, is_healthy, read_usage
from scheduling import clock, errors, ids
from scheduling.delivery import Delivery
from scheduling.events import NodeFenced, NodeStatusChanged
from scheduling.limits import NodeLimits
from scheduling.nodes import Node, NodeStatus, Usage
from scheduling.recovery import Recovery
from scheduling.settlement import Stores
from scheduling.snapshot import Fleet
from scheduling.store import timers
from scheduling.store.nodes import Attempt, Registered
from sockets.outbound import Outbound

logger = logging.getLogger(__name__)

_SCHEMA = "2.0"
_RESTARTING = 1012


class NodeService:
    """Keeps the record of every node whose socket this process holds."""

    def __init__(
        self,
        *,
        instance_id: str,
        stores: Stores,
        fleet: Fleet,
        delivery: Delivery,
        recovery: Recovery,
        jobs: NodeJobService,
        limits: NodeLimits,
    ) -> None:
        self._instance_id = instance_id
        self._stores = stores
        self._fleet = fleet
        self._delivery = delivery
        self._recovery = recovery
        self._jobs = jobs
        self._limits = limits

    async def register(
        self, message: messages.RegisterNode, *, outbound: Outbound
    ) -> tuple[NodeConnection, messages.NodeRegistered]:
        """Give a node its id on this connection; an older connection of the same id is closed.

        :raises RegistrationRefused: wrong schema, no GPU where one is required, or an id that
            lives elsewhere under another token
        """
        self._check(message)
        node_id = message.node_id or ids.new_node_id()
        description = describe(message, before=None)
        offered = message.max_concurrent_jobs or self._limits.default_max_jobs
        max_jobs = min(max(offered, 1), self._limits.most_max_jobs)
        kept_token = ids.new_token() if description.resumes else ""
        registered = await self._stores.nodes.register(
            node_id=node_id,
            instance_id=self._instance_id,
            max_jobs=max_jobs,
            description=description,
            shown_token=message.resume_token or "",
            kept_token=kept_token,
        )
        if registered is None:
            raise errors.RegistrationRefused(
                code="NODE_ID_CONFLICT",
                message="This node id is connected elsewhere; clear it and register again.",
            )
        connection = NodeConnection(
            node_id=node_id,
            conn_epoch=registered.conn_epoch,
            description=description,
            max_jobs=max_jobs,
            outbound=outbound,
            on_written=self._jobs.written,
        )
        older = self._delivery.attach_node(node_id, connection)
        if older is not None:
            older.post(NodeFenced(node_id=node_id))
        self._put(connection, Usage(), draining=False, load=len(registered.attempts))
        await self._stores.timers.arm(
            timers.name_node(timers.SILENT, node_id, registered.conn_epoch),
            delay_ms=self._limits.heartbeat_timeout_ms,
        )
        await self._take_up(connection, message, registered)
        return connection, messages.NodeRegistered(
            node_id=node_id,
            message="registered",
            status=NodeStatus.REGISTERING,
            resume_token=kept_token or None,
        )

    async def record_heartbeat(
        self, connection: NodeConnection, message: messages.NodeHeartbeat
    ) -> None:
        """Take a node's figures and its status one step on; it is told when that changes.

        :raises ConnectionFenced: a newer connection has this node's id
        """
        usage = read_usage(message.resource_usage)
        description = describe(message, before=connection.description)
        healthy = is_healthy(
            description=description,
            usage=usage,
            status=connection.status,
            require_gpu=self._limits.require_gpu,
        )
        changed = description != connection.description
        recorded = await self._stores.nodes.record_heartbeat(
            node_id=connection.node_id,
            conn_epoch=connection.conn_epoch,
            healthy=healthy,
            usage=usage,
            description=description if changed else None,
            draining=message.draining,
            running=_read_attempts(message.running_attempts),
        )
        if recorded is None:
            raise errors.ConnectionFenced
        connection.description = description
        connection.status = recorded.status
        node = self._put(connection, usage, draining=recorded.draining, load=recorded.load)
        if recorded.status is not recorded.before:
            connection.post(
                NodeStatusChanged(
                    node_id=connection.node_id,
                    status=node.shown_status,
                    reason="heartbeat" if healthy else "unhealthy",
                    timestamp=clock.now_ms() // 1000,
                )
            )

    async def disconnect(self, connection: NodeConnection, *, code: int) -> None:
        """A node's socket is gone: no more jobs for it, and those it held move on.

        A node that resumes, and any node while this process restarts, has a grace to come back.
        """
        self._delivery.detach_node(connection.node_id, connection)
        retired = await self._stores.nodes.retire(
            node_id=connection.node_id, conn_epoch=connection.conn_epoch
        )
        self._fleet.remove(connection.node_id, conn_epoch=connection.conn_epoch)
        if not retired.attempts:
            return
        if connection.description.resumes or code == _RESTARTING:
            await self._stores.timers.arm(
                timers.name_node(timers.GONE, connection.node_id, connection.conn_epoch),
                delay_ms=self._limits.grace_ms,
            )
            return
        for job_id, attempt in retired.attempts:
            await self._recovery.abandon(node_id=connection.node_id, job_id=job_id, attempt=attempt)

    def _check(self, message: messages.RegisterNode) -> None:
        if message.capability_schema_version != _SCHEMA:
            raise errors.RegistrationRefused(
                code="INVALID_CAPABILITY_SCHEMA",
                message=f"capability_schema_version must be {_SCHEMA!r}; update the node.",
            )
        if self._limits.require_gpu and not message.hardware.gpus:
            raise errors.RegistrationRefused(
                code="NO_GPU_AVAILABLE",
                message="This scheduler takes only nodes with a GPU; hardware.gpus names none.",
            )

    async def _take_up(
        self, connection: NodeConnection, message: messages.RegisterNode, registered: Registered
    ) -> None:
        """What a returning node still runs stays its own; what it lost moves on at once."""
        running = set(_read_attempts(message.running_attempts) or ())
        for job_id, attempt in registered.attempts:
            session_id = ids.find_session_id(job_id)
            if (job_id, attempt) in running and session_id is not None:
                connection.held[job_id] = Held(
                    attempt=attempt,
                    session_id=session_id,
                    utterance_index=0,
                    trace_id="",
                    started=True,
                )
            elif connection.description.resumes:
                await self._recovery.abandon(
                    node_id=connection.node_id, job_id=job_id, attempt=attempt
                )

    def _put(self, connection: NodeConnection, usage: Usage, *, draining: bool, load: int) -> Node:
        node = Node(
            node_id=connection.node_id,
            instance_id=self._instance_id,
            conn_epoch=connection.conn_epoch,
            status=connection.status,
            max_jobs=connection.max_jobs,
            description=connection.description,
            usage=usage,
            heartbeat_at_ms=clock.now_ms(),
            draining=draining,
        )
        self._fleet.put(node)
        self._fleet.record_load(connection.node_id, load)
        return node


def _read_attempts(names: list[messages.AttemptName] | None) -> list[Attempt] | None:
    if names is None:
        return None
    return [(name.job_id, name.attempt_id) for name in names if ids.find_session_id(name.job_id)]
