"""A node declines a job that it was offered (ND9)."""

import asyncio

from nodes import messages
from nodes.connections import NodeConnection
from nodes.flaw_reporter import FlawReporter
from scheduling.jobs.attempts import Attempts
from scheduling.jobs.declines import Declines
from scheduling.model import clock, ids
from scheduling.model.background import Background
from scheduling.model.delivery import Delivery
from scheduling.model.errors import AlreadyAccepted, DependencyDown, NoSuchJob, Refusal
from scheduling.model.events import AttemptAnswered

_LOOK_AGAIN_S = 0.2


class JobDeclines:
    """Takes a node's no before it accepted; whatever else it declines is refused by name."""

    def __init__(
        self, *, declines: Declines, attempts: Attempts, delivery: Delivery, flaws: FlawReporter
    ) -> None:
        self._delivery = delivery
        self._declines = declines
        self._attempts = attempts
        self._flaws = flaws
        self._background = Background()

    async def decline_or_keep(
        self, connection: NodeConnection, message: messages.JobDeclined
    ) -> None:
        """Take what a node says on its socket; while Redis is down it is kept."""
        held = connection.find(message.job_id, message.attempt_id)
        if held is None:
            self._flaws.refuse_stray(connection, message)
            return
        if held.accepted:
            self._flaws.refuse_decline(connection, message, AlreadyAccepted())
            return
        try:
            await self._decline_or_tell(connection, message)
        except DependencyDown:
            self._background.run(
                self._again(connection, message), name="a decline kept while Redis is down"
            )

    async def decline(self, connection: NodeConnection, message: messages.JobDeclined) -> None:
        """Take a job from a node, and offer it to the next one.

        :raises AlreadyAccepted: the node had accepted it
        :raises StaleAttempt: the attempt is over, or another node's
        :raises NoSuchJob: nothing is known of the job
        :raises DependencyDown: Redis did not answer; it may be said again
        """
        session_id = ids.find_session_id(message.job_id)
        if session_id is None:
            raise NoSuchJob
        about = {"session_id": session_id, "job_id": message.job_id}
        declined = await self._declines.decline(
            **about,
            attempt=message.attempt_id,
            node_id=connection.node_id,
            reason=message.reason or "",
        )
        held = connection.find(message.job_id, message.attempt_id)
        held_ms = clock.steady_ms() - held.given_at_ms if held is not None else 0.0
        # Before its slot is free: the connection takes no job beyond what it has.
        connection.answer(message.job_id, message.attempt_id)
        await self._note_answered(connection, message)
        await self._declines.go_on(
            declined,
            **about,
            attempt=message.attempt_id,
            node_id=connection.node_id,
            held_ms=held_ms,
        )

    async def _note_answered(
        self, connection: NodeConnection, message: messages.JobDeclined
    ) -> None:
        """Let the instance that holds the node know, where it said so at another one."""
        if self._delivery.local.find_node(connection.node_id) is None:
            answered = AttemptAnswered(job_id=message.job_id, attempt=message.attempt_id)
            await self._delivery.to_node(connection.node_id, answered)

    async def _decline_or_tell(
        self, connection: NodeConnection, message: messages.JobDeclined
    ) -> None:
        try:
            await self.decline(connection, message)
        except DependencyDown:
            raise
        except Refusal as refusal:
            self._flaws.refuse_decline(connection, message, refusal)

    async def _again(self, connection: NodeConnection, message: messages.JobDeclined) -> None:
        while True:
            await self._attempts.wait_until_up()
            try:
                await self._decline_or_tell(connection, message)
            except DependencyDown:
                # One master of a cluster may be lost while the others answer.
                await asyncio.sleep(_LOOK_AGAIN_S)
                continue
            return
