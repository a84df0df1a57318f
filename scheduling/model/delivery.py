"""Bring events to the connection of a node or a speaker, wherever it is held."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from scheduling.model.events import SessionFenced, ToNode, ToSession
from scheduling.model.instances import SessionRow
from scheduling.model.nodes import Node


class NodeMailbox(Protocol):
    """A node's connection in this process."""

    @property
    def node(self) -> Node: ...

    @property
    def conn_epoch(self) -> int: ...

    @property
    def resume_token(self) -> str: ...

    def list_attempts(self) -> list[tuple[str, int]]:
        """Return what it was given and has not answered."""

    def enqueue(self, event: ToNode) -> bool:
        """Queue an event for the socket; False when it is closed or too far behind."""


class SessionMailbox(Protocol):
    """A speaker's connection in this process."""

    @property
    def languages(self) -> tuple[tuple[str, str], ...]:
        """The directed pairs the session may speak; ``auto`` stands for any source."""

    def enqueue(self, event: ToSession) -> None:
        """Take an event; what the socket cannot take now stays in the session's outbox."""

    def describe(self, *, instance_id: str) -> SessionRow:
        """Return the session as lists of operators show it."""

    @property
    def is_fenced(self) -> bool:
        """Say whether the session went on elsewhere: nothing for it may end here."""

    @property
    def is_idle(self) -> bool:
        """Say whether the speaker waits for no answer now."""

    def go_away(self) -> None:
        """Close the socket: this process leaves, the speaker may come back elsewhere."""

    async def restore(self) -> None:
        """Redis lost its data: write back what this process knows of the session."""


class RemoteRoute(Protocol):
    """The way to connections that other instances hold."""

    async def to_node(self, node_id: str, event: ToNode, *, conn_epoch: int | None) -> bool: ...

    async def to_session(self, session_id: str, event: ToSession) -> bool: ...

    async def to_session_at(self, instance_id: str, session_id: str, event: ToSession) -> bool: ...


class SocketsHeld(msgspec.Struct, frozen=True):
    """How many connections this process holds."""

    nodes: int
    sessions: int


class LocalConnections:
    """The connections of nodes and speakers that this process holds."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeMailbox] = {}
        self._sessions: dict[str, SessionMailbox] = {}
        # Sessions of our own, in which nodes are probed: no speakers, and counted nowhere.
        self.probes: dict[str, Callable[[ToSession], None]] = {}

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

    def attach_session(
        self, session_id: str, mailbox: SessionMailbox, *, fence: SessionFenced | None = None
    ) -> None:
        """Take over a session's events; who has them is fenced, or has them still where newer."""
        older = self._sessions.get(session_id)
        if fence is not None and older is not None and not older.is_fenced:
            older.enqueue(fence)
            if not older.is_fenced:
                return
        self._sessions[session_id] = mailbox

    def detach_session(self, session_id: str, mailbox: SessionMailbox) -> None:
        if self._sessions.get(session_id) is mailbox:
            del self._sessions[session_id]

    def holds_session(self, session_id: str) -> bool:
        """Say whether a speaker is one of this process."""
        return session_id in self._sessions

    def list_nodes(self) -> list[NodeMailbox]:
        """Return the connections of nodes that this process holds."""
        return list(self._nodes.values())

    def list_sessions(self) -> list[SessionMailbox]:
        """Return the speakers that this process holds."""
        return list(self._sessions.values())

    def find_node(self, node_id: str) -> NodeMailbox | None:
        """Return a node's connection in this process."""
        return self._nodes.get(node_id)

    def to_node(self, node_id: str, event: ToNode, *, conn_epoch: int | None) -> bool | None:
        """Queue an event for a connection of this process; None when it holds no such one."""
        mailbox = self._nodes.get(node_id)
        if mailbox is None or conn_epoch not in (None, mailbox.conn_epoch):
            return None
        return mailbox.enqueue(event)

    def to_session(self, session_id: str, event: ToSession) -> bool:
        """Hand an event to a speaker of this process; False when it holds no such one."""
        mailbox = self._sessions.get(session_id)
        if mailbox is None and session_id in self.probes:
            self.probes[session_id](event)
            return True
        if mailbox is None or mailbox.is_fenced:
            return False
        mailbox.enqueue(event)
        return True


class Delivery:
    """Brings events to connections of this process, and to others through their instance."""

    def __init__(self) -> None:
        self._remote: RemoteRoute | None = None
        self.local = LocalConnections()

    def connect(self, remote: RemoteRoute) -> None:
        """Let what is not held here go to the instance that holds it."""
        self._remote = remote

    async def fence_session(self, fence: SessionFenced, *, was_at: str) -> None:
        """Close the socket a session had at another instance; `attach_session` closes one here."""
        if self._remote is not None:
            await self._remote.to_session_at(was_at, fence.session_id, fence)

    async def to_node(self, node_id: str, event: ToNode, *, conn_epoch: int | None = None) -> bool:
        """Queue `event` for a node's connection, wherever it is; False when that cannot take it.

        With `conn_epoch`, only for that very connection. True says that the connection here, or
        the inbox of the instance that holds it, has taken the event.
        """
        here = self.local.to_node(node_id, event, conn_epoch=conn_epoch)
        if here is not None:
            return here
        return self._remote is not None and await self._remote.to_node(
            node_id, event, conn_epoch=conn_epoch
        )

    async def to_session(self, session_id: str, event: ToSession) -> bool:
        """Hand `event` to a speaker's connection, wherever it is; False when nobody holds it."""
        if self.local.to_session(session_id, event):
            return True
        return self._remote is not None and await self._remote.to_session(session_id, event)
