"""Tells a node of its own mistakes, though not of each where there are many."""

from scheduling.model.shares import Shares
from sockets.outbound import FrameQueue
from sockets.wire import ErrorFrame, encode_text

_PER_S, _AT_ONCE = 2.0, 20


class MistakeSender:
    """One for each socket, whatever registers on it."""

    def __init__(self, outbound: FrameQueue) -> None:
        self._outbound = outbound
        self._telling = Shares(per_s=_PER_S, burst=_AT_ONCE)

    def tell(self, message: ErrorFrame) -> None:
        """Tell of a mistake, if not too many were told just now."""
        if not self._telling.take(""):
            self._outbound.enqueue(encode_text(message))
