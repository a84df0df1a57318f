"""Tells of what nodes' frames had wrong: operators by log and figures, the node by a message."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from nodes import messages
from nodes.connections import NodeConnection
from nodes.mistakes import MistakeSender
from scheduling.fleet.registry import Attempt
from scheduling.model import clock
from scheduling.model.errors import NoSuchJob, Refusal, StaleAttempt
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import Flaws, Node
from scheduling.model.shares import Shares
from sockets.reader import Flaw, ReadMessage, Unreadable, name_kind
from sockets.wire import ErrorFrame

logger = logging.getLogger(__name__)

_UNKNOWN = "unknown"
_SHOWN_EVERY_MS = 1_000
_MOST_TOLD = 5
_LONGEST_WORDS = 500
# Lines a second, and at once, that the frames of one node fill the log with.
_LINES_PER_S, _MOST_LINES = 2.0, 20


class FlawReporter:
    """Counts what was repaired, dropped or refused, by node program and by node (ED1).

    `show` takes a node whose figures of that have changed, at most one a second.
    """

    def __init__(self, *, metrics: Metrics, show: Callable[[Node], None]) -> None:
        self._metrics = metrics
        self._show = show
        self._lines = Shares(per_s=_LINES_PER_S, burst=_MOST_LINES)

    def note_mended(self, connection: NodeConnection | None, reading: ReadMessage[Any]) -> None:
        """Note a frame that was taken although it was not as declared."""
        kind = name_kind(type(reading.message))
        if reading.repaired:
            self._note(connection, "repaired", kind=kind, flaws=reading.repaired)
        if reading.dropped:
            self.note_dropped(connection, reading.dropped, kind=kind)

    def note_dropped(
        self, connection: NodeConnection | None, flaws: Sequence[Flaw], *, kind: str
    ) -> None:
        """Note what was left out of a frame, and tell the node."""
        self._note(connection, "dropped", kind=kind, flaws=flaws)
        if connection is not None:
            told = _say(flaws)
            connection.mistakes.tell(ErrorFrame(code="FIELD_IGNORED", message=f"{kind}: {told}"))

    def note_stray(
        self,
        connection: NodeConnection,
        message: messages.AboutJob,
    ) -> None:
        """Refuse what a node says of an attempt it does not have.

        Not of one that ended a moment ago: that word and this one passed each other.
        """
        if not connection.had(message.job_id):
            self.refuse_stray(connection, message)

    def refuse_stray(self, connection: NodeConnection, message: messages.AboutJob) -> None:
        """Refuse the same, also of one that ended a moment ago."""
        held = connection.held.get(message.job_id)
        if held is None and connection.had(message.job_id):
            code, flaw = StaleAttempt.code, Flaw("attempt_id", "an attempt that is over")
        elif held is None:
            code, flaw = NoSuchJob.code, Flaw("job_id", "no job that this connection was given")
        else:
            known = f"attempt {held.attempt} is what this connection was given"
            code, flaw = StaleAttempt.code, Flaw("attempt_id", known)
        kind = name_kind(type(message))
        self.refuse(connection, connection.mistakes, code, flaw, kind=kind, job_id=message.job_id)

    def refuse_decline(
        self, connection: NodeConnection, message: messages.JobDeclined, refusal: Refusal
    ) -> None:
        """Refuse that a node declines what is not, or is no longer, to be declined."""
        kind, flaw = name_kind(type(message)), Flaw("attempt_id", str(refusal))
        self.refuse(
            connection, connection.mistakes, refusal.code, flaw, kind=kind, job_id=message.job_id
        )

    def refuse(
        self,
        connection: NodeConnection | None,
        mistakes: MistakeSender,
        code: str,
        flaw: Flaw,
        *,
        kind: str,
        **said: str,
    ) -> None:
        """Count a frame that can be read and is not to be, and tell the node why."""
        self._note(connection, "refused", kind=kind, flaws=(flaw,), **said)
        details = {"type": kind, "field": flaw.field} | said
        mistakes.tell(ErrorFrame(code=code, message=str(flaw), details=details))

    def note_unreadable(self, connection: NodeConnection | None, unreadable: Unreadable) -> None:
        """Note a frame that could not be taken; whoever has its socket tells the node."""
        said = {
            name: unreadable.values[name]
            for name in ("node_id", "job_id", "attempt_id")
            if name in unreadable.values
        }
        flaws = (unreadable.flaw,)
        self._note(connection, "refused", kind=unreadable.kind, flaws=flaws, **said)

    def report_failure(
        self, connection: NodeConnection, error: messages.JobError | None, **about: object
    ) -> None:
        """Show operators why a node failed, in its own words; the log has none of them.

        They may quote what was said.
        """
        code, words = (error.code, error.message) if error else ("", "no reason given")
        logger.warning("a node failed", extra={"node_id": connection.node_id, **about})
        before = connection.node.flaws
        flaws = msgspec.structs.replace(
            before,
            failures=before.failures + 1,
            last_failure=f"{code}: {words}"[:_LONGEST_WORDS],
            last_at_ms=clock.now_ms(),
        )
        self._show_flaws(connection, flaws)

    def report_takeover(self, node: Node) -> None:
        """Tell operators that a node's id was taken from a connection that lived."""
        self._metrics.count("node_takeovers_total")
        logger.warning(
            "a node's id was taken from a living connection; two nodes may have it",
            extra={"node_id": node.node_id, "takeovers": node.takeovers},
        )

    def _note(
        self,
        connection: NodeConnection | None,
        outcome: str,
        *,
        kind: str,
        flaws: Sequence[Flaw],
        **said: object,
    ) -> None:
        node = connection.node if connection else None
        program = f"{node.description.platform} {node.description.version}" if node else _UNKNOWN
        self._metrics.count(
            "node_frames_flawed_total",
            kind or _UNKNOWN,
            outcome,
            self._metrics.bound("node_program", program),
        )
        told = _say(flaws)
        if node:
            said["node_id"] = node.node_id
        # All are counted above; what a node says thousands of times is not told as often.
        if not self._lines.take(node.node_id if node else ""):
            logger.warning(
                "a frame of a node was not as declared",
                extra={"kind": kind or _UNKNOWN, "outcome": outcome, "told": told, **said},
            )
        if connection is not None:
            before = connection.node.flaws
            count = {outcome: getattr(before, outcome) + 1}
            now = msgspec.structs.replace(before, last=told, last_at_ms=clock.now_ms(), **count)
            self._show_flaws(connection, now)

    def _show_flaws(self, connection: NodeConnection, flaws: Flaws) -> None:
        connection.node = msgspec.structs.replace(connection.node, flaws=flaws)
        if connection.is_flaw_to_show:
            return
        wait_ms = connection.flaws_shown_at_ms + _SHOWN_EVERY_MS - clock.steady_ms()
        if wait_ms <= 0:
            self._show_now(connection)
        else:
            connection.is_flaw_to_show = True
            loop = asyncio.get_running_loop()
            loop.call_later(wait_ms / 1000, self._show_now, connection)

    def _show_now(self, connection: NodeConnection) -> None:
        connection.is_flaw_to_show = False
        connection.flaws_shown_at_ms = clock.steady_ms()
        self._show(connection.node)


def make_error(unreadable: Unreadable, failed: Attempt | None = None) -> ErrorFrame:
    """Return what a node is told of a frame that could not be taken, and what `failed` by it."""
    said = unreadable.values
    if failed is not None:
        said = {"job_id": failed[0], "attempt_id": failed[1]}
    details = {"type": unreadable.kind, "field": unreadable.flaw.field}
    details |= {name: said[name] for name in ("job_id", "attempt_id") if name in said}
    return ErrorFrame(code="INVALID_MESSAGE", message=str(unreadable.flaw), details=details)


def _say(flaws: Sequence[Flaw]) -> str:
    return "; ".join(str(flaw) for flaw in flaws[:_MOST_TOLD])
