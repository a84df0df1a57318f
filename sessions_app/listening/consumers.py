"""The listeners' socket: it takes no speech."""

import asyncio
import logging
from typing import Any

from scheduling.model.errors import BadInput, Refusal
from scheduling.model.metrics import Metrics
from scheduling.model.shares import Shares
from sessions_app.listening import messages
from sessions_app.listening.caption_queue import CaptionQueue
from sessions_app.listening.listener import Listener
from sessions_app.listening.listener_seats import ListenerSeats
from sockets.consumers import MessageConsumer
from sockets.outbound import Outbound, OutboundLimits, Write
from sockets.reader import ReadMessage, Unreadable, name_kind
from sockets.socket_auth import SocketAuth
from sockets.wire import ErrorFrame

logger = logging.getLogger(__name__)

# A listener chooses now and then; what comes faster is read no faster.
_FRAMES_PER_S, _FRAMES_AT_ONCE = 5.0, 50
_NO_SPEECH = ErrorFrame(
    code="LISTEN_ONLY",
    message="Whoever listens here is not heard; join the room with a session to speak.",
)


class ListenConsumer(MessageConsumer[messages.FromListener, messages.ToListener | ErrorFrame]):
    """One listener's socket, in one room at a time."""

    reader = messages.reader

    def __init__(
        self,
        *,
        seats: ListenerSeats,
        outbound_limits: OutboundLimits,
        auth: SocketAuth,
        metrics: Metrics,
        most_frame_bytes: int | None,
    ) -> None:
        self._seats = seats
        self.outbound_limits = outbound_limits
        self.auth = auth
        self._metrics = metrics
        self.most_frame_bytes = most_frame_bytes
        self._listener: Listener | None = None
        self._rate = Shares(per_s=_FRAMES_PER_S, burst=_FRAMES_AT_ONCE, most_names=1)

    def open_outbound(self, send: Any, *, write: Write | None) -> Outbound:
        queue = CaptionQueue(send, limits=self.outbound_limits, write=write)
        self._listener = Listener(queue)
        return queue

    async def answer(self, message: messages.FromListener) -> None:
        await self.keep_pace()
        if self._listener is None:
            return
        match message:
            case messages.Listen():
                await self._seats.listen(
                    self._listener,
                    room_code=message.room_code or "",
                    lang=message.lang,
                    after=message.after or "",
                    peer=self.peer,
                )
            case messages.SetLanguage():
                await self._seats.change_language(self._listener, lang=message.lang)

    async def take_bytes(self, frame: bytes) -> None:
        """Tell who sends audio that nobody hears it."""
        await self.keep_pace()
        self.reply(_NO_SPEECH)

    @property
    def log_fields(self) -> dict[str, str]:
        code = self._listener.room_code if self._listener is not None else ""
        return {"room_code": code} if code else {}

    def refused(self, refusal: Refusal) -> None:
        self.reply(ErrorFrame(code=refusal.code, message=str(refusal), details=refusal.details))

    def mended(self, reading: ReadMessage[messages.FromListener]) -> None:
        self._count_flaw(name_kind(type(reading.message)), "repaired")

    async def malformed(self, unreadable: Unreadable, frame: str) -> None:
        self._count_flaw(unreadable.kind, "refused")
        if messages.is_of_speakers(frame):
            self.reply(_NO_SPEECH)
            return
        raise BadInput(f"Invalid message format: {unreadable}", code="INVALID_MESSAGE")

    async def disconnected(self, code: int) -> None:
        if self._listener is not None:
            await self._seats.leave(self._listener)

    async def keep_pace(self, *, cost: int = 1, work: int = 0) -> None:
        """Read no faster than a listener needs; what it sends meanwhile stays with it."""
        if wait_ms := self._rate.reserve("", cost=cost):
            await asyncio.sleep(wait_ms / 1000)

    def _count_flaw(self, kind: str, outcome: str) -> None:
        self._metrics.count("session_frames_flawed_total", kind or "unknown", outcome)
