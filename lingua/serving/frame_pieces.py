"""What a socket sends that no application sees one by one: pings, pongs, pieces of messages.

A whole message counts in the share of who sends it (`sockets/consumers.py`). These never get there,
and a million of them fit into 6 MB.
"""

import asyncio
import logging

from scheduling.model.shares import Shares

logger = logging.getLogger(__name__)

# A piece with more costs its sender more than us.
_SMALL_BYTES = 1024
TOO_MANY_PIECES, UNFINISHED = "too many small frames", "a message was not finished"
POLICY_VIOLATION = 1008


class PieceLimits:
    """How many small pieces one socket, and all of one sender, may send a second and at once."""

    def __init__(self, *, socket: tuple[float, int], sender: tuple[float, int]) -> None:
        self.per_s, self.burst = socket
        self.shares = Shares(per_s=sender[0], burst=sender[1])


class PieceShares:
    """The small pieces of one socket; `sender` is whose share they use up, too."""

    __slots__ = ("_filled_at_s", "_limits", "_tokens", "sender")

    def __init__(self, limits: PieceLimits) -> None:
        self._limits = limits
        self._tokens = float(limits.burst)
        self._filled_at_s = asyncio.get_running_loop().time()
        self.sender = ""

    def name(self, sender: str) -> None:
        """Say whose share the socket uses up."""
        self.sender = sender

    def take(self, size_bytes: int) -> bool:
        """Count a piece; False where the socket, or its sender, has sent too many small ones."""
        if size_bytes >= _SMALL_BYTES:
            return True
        limits, now_s = self._limits, asyncio.get_running_loop().time()
        earned = (now_s - self._filled_at_s) * limits.per_s
        self._filled_at_s = now_s
        self._tokens = min(self._tokens + earned, limits.burst) - 1
        if self._tokens >= 0 and not limits.shares.take(self.sender):
            return True
        logger.warning("a socket sends too many small frames", extra={"sender": self.sender})
        return False
