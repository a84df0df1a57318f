"""The frames of daphne's WebSocket: no faster than they are taken, few small ones, all in time."""

from typing import Any

from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.protocol import connectionDone

from lingua.serving.deadlines import MOST_HEAD_BYTES, PeerDeadline
from lingua.serving.frame_pieces import (
    POLICY_VIOLATION,
    TOO_MANY_PIECES,
    UNFINISHED,
    PieceShares,
)

_CONTINUATION, _LAST_DATA = 0, 7


class BoundedFrames(WebSocketProtocol):
    """Reads frames while somebody takes them, and closes on who sends pieces without end."""

    transport: Any
    _pieces: PieceShares
    _deadline: PeerDeadline
    _early = b""
    _held_back = False
    _is_discarding = False
    _has_ended = False

    def connectionMade(self) -> None:
        server = self.factory.server_class
        self._pieces = PieceShares(server.pieces)
        self._deadline = PeerDeadline(server.patience, drop=self._give_up)
        super().connectionMade()

    def connectionLost(self, reason: Any = connectionDone) -> None:
        self._deadline.clear()
        super().connectionLost(reason)

    def name_sender(self, sender: str) -> None:
        """Say whose share the socket uses up."""
        self._pieces.name(sender)

    def dataReceived(self, data: bytes) -> None:
        if self._is_discarding:
            return
        if self.state == self.STATE_CONNECTING and hasattr(self, "handshake_deferred"):
            # Frames before our answer wait for it.
            self._early += data
            if len(self._early) > MOST_HEAD_BYTES:
                self.transport.abortConnection()
            return
        super().dataReceived(data)
        self._watch_rest(len(data))

    def processData(self) -> bool:
        """Take what is next from the buffer; False: nothing is, or nobody would take it."""
        return not self._held_back and super().processData()

    def onFrameBegin(self) -> None:
        """Count what is no message in itself, before it costs more."""
        frame = self.current_frame
        is_whole = frame.fin and _CONTINUATION < frame.opcode <= _LAST_DATA
        if not is_whole and not self._is_discarding and not self._pieces.take(frame.length):
            self._refuse_more(TOO_MANY_PIECES)
        super().onFrameBegin()

    def onMessageEnd(self) -> None:
        self._has_ended = True
        super().onMessageEnd()

    def _take_early(self) -> None:
        early, self._early = self._early, b""
        if early:
            self.dataReceived(early)

    def _hold_back(self) -> None:
        self._held_back = True

    def _go_on(self) -> None:
        if self._held_back:
            self._held_back = False
            self.consumeData()

    def _watch_rest(self, count: int) -> None:
        """Give the peer its time for a message that it began, from the last one's end on."""
        if self.state != self.STATE_OPEN or not self._has_rest():
            self._deadline.clear()
        else:
            if self._has_ended or not self._deadline.is_running:
                self._deadline.expect_body()
            self._deadline.note_bytes(count)
        self._has_ended = False

    def _has_rest(self) -> bool:
        return any((self.data, self.current_frame, self.inside_message))

    def _give_up(self) -> None:
        """Give up a message that does not end."""
        if self._held_back:
            # It is we who do not read.
            self._deadline.expect_body()
        else:
            self._refuse_more(UNFINISHED)

    def _refuse_more(self, reason: str) -> None:
        self._is_discarding = True
        self.data = b""
        self.sendCloseFrame(code=POLICY_VIOLATION, reasonUtf8=reason.encode())
