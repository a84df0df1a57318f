"""Uvicorn's WebSocket with pings for those alone who are silent."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class PingedSocket(WebSocketsSansIOProtocol):
    """Whoever speaks shows that it is there: a node that beats is never pinged.

    `heard_at` is the loop's time at which anything came; a subclass that reads by itself notes it.
    """

    heard_at = 0.0

    def schedule_ping(self) -> None:
        """Ping once the peer has been silent for an interval."""
        self.ping_timer = self.loop.call_at(self._find_ping_at(), self.send_keepalive_ping)

    def send_keepalive_ping(self) -> None:
        """Ping, or wait on if something came since this was to be."""
        if self.loop.time() < self._find_ping_at():
            self.schedule_ping()
            return
        super().send_keepalive_ping()

    def _find_ping_at(self) -> float:
        return self.heard_at + (self.ping_interval or 0.0)
