"""Bring events to the connection of a node or a speaker, wherever it is held."""

from typing import Protocol

import msgspec

from scheduling.events import ToNode, ToSession


class NodeMailbox(Protocol):
    """A node's connection in this process."""

    @property
    def conn_epoch(self) -> int: ...

    def post(self, event: ToNode) -> bool:
        """Queue an event for the socket; False when it is closed or too far behind."""


class SessionMailbox(Protocol):
    """A speaker's connection in this process."""

    @property
    def languages(self) -> tuple[tuple[str, str], ...]:
        """The directed pairs the session may speak; ``auto`` stands for any source."""

    def post(self, event: ToSession) -> None:
        """Take an event; what the socket cannot take now stays in the session's outbox."""


class SocketsHeld(msgspec.Struct, frozen=True):
    """How many connections this process holds."""

    nodes: int
    sessions: int


class Delivery:
    """Knows the connections of this process; others are reached through their instance."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeMailbox] = {}
        self._sessions: dict[str, SessionMailbox] = {}

    @property
    def held(self) -> SocketsHeld:
        return SocketsHeld(nodes=len(self._nodes), sessions=len(self._sessions))

    def list_languages(self) -> list[tuple[tuple[str, str], ...]]:
        """Return the pairs of every session this process holds."""
        return [mailbox.languages for mailbox in self._sessions.values()]

    def attach_node(self, node_id: str, mailbox: NodeMailbox) -> NodeMailbox | None:
        """Take over a node's events; return the older connection this one replaces."""
        older = self._nodes.get(node_id)
        self._nodes[node_id] = mailbox
        return older

    def detach_node(self, node_id: str, mailbox: NodeMailbox) -> None:
        """Stop taking a node's events, unless a newer connection already does (I-11)."""
        if self._nodes.get(node_id) is mailbox:
            del self._nodes[node_id]

    def attach_session(self, session_id: str, mailbox: SessionMailbox) -> None:
        self._sessions[session_id] = mailbox

    def detach_session(self, session_id: str, mailbox: SessionMailbox) -> None:
        if self._sessions.get(session_id) is mailbox:
            del self._sessions[session_id]

    async def to_node(self, node_id: str, event: ToNode, *, conn_epoch: int | None = None) -> bool:
        """Queue `event` for a node's connection; False when that connection cannot take it.

        With `conn_epoch`, only for that very connection.
        """
        mailbox = self._nodes.get(node_id)
        if mailbox is None or (conn_epoch is not None and mailbox.conn_epoch != conn_epoch):
            return False
        return mailbox.post(event)

    async def to_session(self, session_id: str, event: ToSession) -> bool:
        """Hand `event` to a speaker's connection; False when nobody holds it."""
        mailbox = self._sessions.get(session_id)
        if mailbox is None:
            return False
        mailbox.post(event)
        return True
