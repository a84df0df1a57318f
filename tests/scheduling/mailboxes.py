"""A node's connection that keeps what it is told, and says what it holds."""

from scheduling.model.events import JobCancelled, ToNode
from scheduling.model.nodes import Node


class RecordingNode:
    """Takes everything; `attempts` is what it was given and has not answered."""

    resume_token = ""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.conn_epoch = node.conn_epoch
        self.told: list[ToNode] = []
        self.attempts: list[tuple[str, int]] = []

    def list_attempts(self) -> list[tuple[str, int]]:
        return self.attempts

    def enqueue(self, event: ToNode) -> bool:
        self.told.append(event)
        return True

    @property
    def cancelled(self) -> list[str]:
        """The jobs it was told to stop, in order."""
        return [event.job_id for event in self.told if isinstance(event, JobCancelled)]
