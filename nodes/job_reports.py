"""What nodes without a socket say of their jobs, at whichever instance they say it (N18)."""

from typing import Any

import msgspec

from nodes import http_messages, messages
from nodes.connections import Held, NodeConnection
from nodes.flaw_reporter import FlawReporter
from nodes.http_nodes import HttpNodes
from nodes.job_declines import JobDeclines
from nodes.job_service import NodeJobService
from nodes.mistakes import MistakeSender
from nodes.poll_queue import PollQueue
from nodes.spelling import UNKNOWN_SPELLING
from nodes.unread_attempts import find_attempt
from scheduling.access.access import Access
from scheduling.access.admissions import Admission
from scheduling.fleet.registry import Registry
from scheduling.jobs.attempts import Attempts
from scheduling.model import errors, ids
from scheduling.model.credentials import Principal
from scheduling.model.delivery import Delivery
from scheduling.model.events import AttemptAnswered
from sockets.endpoints import Call
from sockets.outbound import OutboundLimits
from sockets.reader import ReadMessage, Unreadable


class JobReports:
    """Hands reports to the service of the sockets; the scripts know whose attempt it is."""

    def __init__(
        self,
        *,
        http_nodes: HttpNodes,
        jobs: NodeJobService,
        declines: JobDeclines,
        registry: Registry,
        attempts: Attempts,
        delivery: Delivery,
        access: Access,
        flaws: FlawReporter,
    ) -> None:
        self._flaws = flaws
        self._http_nodes = http_nodes
        self._jobs = jobs
        self._declines = declines
        self._registry = registry
        self._attempts = attempts
        self._delivery = delivery
        self._access = access

    async def accept(self, call: Call[http_messages.AckJob]) -> http_messages.Noted:
        """The node has the job, or works on it; said twice it changes nothing.

        :raises StaleAttempt: it is no longer this node's
        """
        message = call.message
        session_id = _find_session(message)
        connection = await self._find_connection(call.principal, message.node_id)
        held = connection.find(message.job_id, message.attempt_id) or Held(
            attempt=message.attempt_id, session_id=session_id
        )
        if not await self._jobs.accept(connection, message.job_id, held, tell=True):
            await self._judge(message, session_id=session_id)
            return http_messages.Noted(status="ended")
        connection.held[message.job_id] = held
        if message.status == "running":
            self._jobs.begin(connection, message.job_id, held)
        return http_messages.Noted(status=message.status)

    async def decline(self, call: Call[http_messages.DeclineJob]) -> http_messages.Noted:
        """The node would not take the job, which is offered to another.

        :raises AlreadyAccepted: the node had accepted it
        :raises StaleAttempt: it is no longer this node's
        """
        message = call.message
        connection = await self._find_connection(call.principal, message.node_id)
        declined = messages.JobDeclined(
            job_id=message.job_id,
            attempt_id=message.attempt_id,
            node_id=message.node_id,
            reason=message.reason,
        )
        await self._declines.decline(connection, declined)
        return http_messages.Noted(status="declined")

    async def complete(self, call: Call[http_messages.DoneJob]) -> http_messages.Noted:
        """The node finished the job.

        :raises StaleAttempt: the job is another attempt's, or another node's
        """
        output = msgspec.structs.asdict(call.message.result)
        await self._report(call, success=True, **output)
        return http_messages.Noted(status="done")

    async def fail(self, call: Call[http_messages.FailJob]) -> http_messages.Noted:
        """The node could not do the job; another one may.

        :raises StaleAttempt: the job is another attempt's, or another node's
        """
        message = call.message
        error = messages.JobError(
            code=message.reason, message=message.message, details=message.details
        )
        await self._report(call, success=False, error=error)
        return http_messages.Noted(status="failed")

    async def _report(
        self,
        call: Call[http_messages.DoneJob] | Call[http_messages.FailJob],
        *,
        success: bool,
        **said: Any,
    ) -> None:
        """End the attempt as the socket's ``job_result`` would; `said` are fields of that."""
        message = call.message
        result = messages.JobResult(
            job_id=message.job_id,
            attempt_id=message.attempt_id,
            node_id=message.node_id,
            session_id=_find_session(message),
            utterance_index=0,
            success=success,
            trace_id="",
            **said,
        )
        connection = await self._find_connection(call.principal, message.node_id)
        # Before its slot is free: the connection takes no job beyond what it has.
        await self._note_answered(message.node_id, message.job_id, message.attempt_id)
        if not await self._jobs.take_result(connection, result):
            await self._judge(message, session_id=result.session_id, failed=not success)

    async def note_mended(self, principal: Principal | None, reading: ReadMessage[Any]) -> None:
        """A node's body was taken although it was not as declared."""
        held = self._http_nodes.find(reading.message.node_id)
        if held is not None:
            held.check(principal)
        self._flaws.note_mended(held.connection if held else None, reading)

    async def note_unreadable(self, principal: Principal | None, unreadable: Unreadable) -> None:
        """A node's body could not be taken; the attempt it is about has failed.

        :raises Refusal: the node is none of the caller's, or not known
        """
        said = unreadable.values
        held = self._http_nodes.find(said.get("node_id", ""))
        if held is not None:
            held.check(principal)
        self._flaws.note_unreadable(held.connection if held else None, unreadable)
        if "node_id" not in said:
            return
        connection = await self._find_connection(principal, said["node_id"])
        failed = find_attempt(connection, unreadable)
        if failed and await self._jobs.fail_unreadable(connection, unreadable, *failed):
            await self._note_answered(said["node_id"], *failed)

    async def _note_answered(self, node_id: str, job_id: str, attempt: int) -> None:
        """Let the instance that holds a node know that it has answered."""
        if self._http_nodes.find(node_id) is None:
            answered = AttemptAnswered(job_id=job_id, attempt=attempt)
            await self._delivery.to_node(node_id, answered)

    async def _judge(
        self, message: http_messages.AttemptReport, *, session_id: str, failed: bool = False
    ) -> None:
        await self._attempts.judge(
            session_id=session_id,
            job_id=message.job_id,
            attempt=message.attempt_id,
            node_id=message.node_id,
            failed=failed,
        )

    async def _find_connection(self, principal: Principal | None, node_id: str) -> NodeConnection:
        """Return the node's connection, or one for this report alone where another has it."""
        http_node = self._http_nodes.find(node_id)
        if http_node is not None:
            http_node.check(principal)
            http_node.hear()
            return http_node.connection
        if principal is not None:
            visit = Admission(principal=principal, connection_id="")
            await self._access.claim_node_id(visit, node_id)
        box = PollQueue(limits=OutboundLimits(), on_closed=lambda _box: None)
        return NodeConnection(
            node=await self._registry.get_node(node_id),
            outbound=box,
            on_written=self._jobs.written,
            spelling=UNKNOWN_SPELLING,
            mistakes=MistakeSender(box),
        )


def _find_session(message: http_messages.AttemptReport) -> str:
    """Return the session that a job's id names.

    :raises NoSuchJob: it is no job id of ours
    """
    session_id = ids.find_session_id(message.job_id)
    if session_id is None:
        raise errors.NoSuchJob
    return session_id
