"""Connections of nodes and speakers that keep what they are told."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from scheduling.model.events import JobCancelled, ToNode, ToSession
from scheduling.model.nodes import Node

Seen = TypeVar("Seen")


class RecordingNode:
    """Takes everything; `attempts` is what it was given and has not answered."""

    resume_token = ""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.conn_epoch = node.conn_epoch
        self.told: list[ToNode] = []
        self.untaken: asyncio.Queue[ToNode] = asyncio.Queue()
        self.attempts: list[tuple[str, int]] = []

    def list_attempts(self) -> list[tuple[str, int]]:
        return self.attempts

    def enqueue(self, event: ToNode) -> bool:
        self.told.append(event)
        self.untaken.put_nowait(event)
        return True

    async def next(self) -> ToNode:
        """Wait for the next thing it is told."""
        return await self.untaken.get()

    @property
    def cancelled(self) -> list[str]:
        """The jobs it was told to stop, in order."""
        return [event.job_id for event in self.told if isinstance(event, JobCancelled)]


class LookingNode(RecordingNode, Generic[Seen]):
    """Looks at something whenever it is told anything; `seen` is what it saw."""

    def __init__(self, node: Node, *, look: Callable[[], Seen]) -> None:
        super().__init__(node)
        self.seen: list[Seen] = []
        self._look = look

    def enqueue(self, event: ToNode) -> bool:
        self.seen.append(self._look())
        return super().enqueue(event)


class RecordingSpeaker:
    """A session's mailbox that keeps what it is told."""

    is_fenced = False

    def __init__(self) -> None:
        self.told: list[ToSession] = []

    def enqueue(self, event: ToSession) -> None:
        self.told.append(event)
