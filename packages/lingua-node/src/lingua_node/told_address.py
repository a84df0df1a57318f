"""Where a node's file says that its scheduler is, while a command reads the file."""

import contextvars
from dataclasses import dataclass


@dataclass(slots=True)
class ToldAddress:
    """What the file itself would have run with `node.run(url=…, token=…)`."""

    url: str | None = None
    token: str | None = None


# Set while a file is read: `Node.run` then notes what it was told, and returns.
reading: contextvars.ContextVar[ToldAddress | None] = contextvars.ContextVar(
    "reading", default=None
)
