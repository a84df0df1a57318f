"""The session socket."""

import asyncio
import logging

from scheduling.model import clock
from scheduling.model.errors import (
    AlreadyInRoom,
    NotHost,
    Refusal,
    RoomFull,
    RoomUnknown,
    SessionUnknown,
    TooManyLanguages,
    TooManyRequests,
)
from scheduling.model.metrics import Metrics
from scheduling.model.shares import Shares
from sessions_app import messages, room_messages
from sessions_app.audio import MalformedFrame, decode_binary_frame
from sessions_app.services import SessionService
from sessions_app.speaker import Speaker
from sockets.consumers import MessageConsumer
from sockets.outbound import OutboundLimits
from sockets.reader import ReadMessage, Unreadable, name_kind
from sockets.socket_auth import SocketAuth
from sockets.wire import ErrorFrame

logger = logging.getLogger(__name__)

_SLOW_DOWN_MS = 1_000
# What a whole utterance takes of its principal's share besides, in frames: a job.
_UTTERANCE = 9
# What is refused in words of rooms.
_OF_ROOMS = (RoomUnknown, AlreadyInRoom, RoomFull, TooManyLanguages, NotHost, TooManyRequests)


class SessionConsumer(MessageConsumer[messages.FromSpeaker, messages.ToSpeaker | ErrorFrame]):
    """One speaker's socket; it carries one session in practice, several if the client wants."""

    reader = messages.reader

    def __init__(
        self,
        *,
        service: SessionService,
        outbound_limits: OutboundLimits,
        rate: tuple[float, int],
        shares: Shares,
        most_sessions: int,
        auth: SocketAuth,
        metrics: Metrics,
        most_frame_bytes: int | None,
    ) -> None:
        self._service = service
        self.outbound_limits = outbound_limits
        self.auth = auth
        self._metrics = metrics
        self.most_frame_bytes = most_frame_bytes
        self._speakers: dict[str, Speaker] = {}
        self._rate = Shares(per_s=rate[0], burst=rate[1])
        self._shares = shares
        self._most_sessions = most_sessions
        self._slowed_at_ms = -float("inf")

    async def answer(self, message: messages.FromSpeaker) -> None:
        await self.keep_pace(work=_UTTERANCE if isinstance(message, messages.Utterance) else 0)
        service = self._service
        match message:
            case messages.AudioChunk():
                await service.take_chunk(self._find(message.session_id), message)
            case messages.Utterance() | messages.CancelUtterance():
                await self._take_or_cancel(message)
            case messages.ClientHeartbeat():
                self.reply(self._answer_heartbeat(message))
            case messages.InitSession():
                self._check_sessions()
                speaker, ack = await service.open(message, outbound=self.outbound, peer=self.peer)
                self._speakers[speaker.session_id] = speaker
                self.reply(ack)
                await service.catch_up(speaker)
            case messages.ResultAck() | messages.UpdateSession():
                service.note(self._find(message.session_id), message)
            case messages.TtsStarted() | messages.TtsPlayEnded():
                await service.note_playback(self._find(message.session_id), message)
            case messages.CloseSession():
                await self._close(message)
            case _:
                await self._take_in_room(message)

    async def _take_in_room(self, message: room_messages.InRoom) -> None:
        """Let the session that was opened last do something in a room."""
        speaker = self._find_latest()
        try:
            await speaker.room.take(message, sender=self.peer.sender)
        except _OF_ROOMS as refusal:
            self.reply(room_messages.RoomRefused(code=refusal.code, message=str(refusal)))

    async def _take_or_cancel(self, message: messages.Utterance | messages.CancelUtterance) -> None:
        speaker = self._find(message.session_id)
        match message:
            case messages.Utterance():
                await self._service.take_utterance(speaker, message)
            case messages.CancelUtterance():
                await self._service.cancel(speaker, message.utterance_index)

    async def take_bytes(self, frame: bytes) -> None:
        """Take audio that came without JSON around it."""
        await self.keep_pace()
        try:
            chunk = decode_binary_frame(frame)
        except MalformedFrame as error:
            self._count_flaw("binary", "ignored")
            told = self.log_fields | {"error": str(error)}
            logger.debug("unreadable bytes from a speaker ignored", extra=told)
            return
        if chunk is not None:
            await self._service.take_bytes(self._find(chunk.session_id), chunk)

    @property
    def log_fields(self) -> dict[str, str]:
        return {"session_id": ",".join(self._speakers)} if self._speakers else {}

    def refused(self, refusal: Refusal) -> None:
        code, text = refusal.code, str(refusal)
        if code == "INTERNAL_ERROR":
            text = f"Failed to process message: {text}"
        self.reply(ErrorFrame(code=code, message=text, details=refusal.details))

    def mended(self, reading: ReadMessage[messages.FromSpeaker]) -> None:
        self._count_flaw(name_kind(type(reading.message)), "repaired")

    async def malformed(self, unreadable: Unreadable, frame: str) -> None:
        is_our_own = messages.is_our_own(frame)
        self._count_flaw(unreadable.kind, "ignored" if is_our_own else "refused")
        if not is_our_own:
            text = f"Invalid message format: {unreadable}"
            self.reply(ErrorFrame(code="INVALID_MESSAGE", message=text))

    def _count_flaw(self, kind: str, outcome: str) -> None:
        self._metrics.count("session_frames_flawed_total", kind or "unknown", outcome)

    async def disconnected(self, code: int) -> None:
        for speaker in self._speakers.values():
            await self._service.leave(speaker)

    def _find(self, session_id: str) -> Speaker:
        speaker = self._speakers.get(session_id)
        if speaker is None:
            raise SessionUnknown(f"Session does not exist: {session_id}")
        return speaker

    def _find_latest(self) -> Speaker:
        for speaker in reversed(self._speakers.values()):
            if speaker.life.is_here:
                return speaker
        raise SessionUnknown("Session not initialized")

    async def _close(self, message: messages.CloseSession) -> None:
        if (speaker := self._speakers.get(message.session_id)) is not None:
            await self._service.close(speaker)
        self.reply(messages.SessionClosed(session_id=message.session_id))

    def _answer_heartbeat(
        self, message: messages.ClientHeartbeat
    ) -> messages.ServerHeartbeat | ErrorFrame:
        speaker = self._speakers.get(message.session_id)
        if speaker is None:
            return ErrorFrame(code="INVALID_SESSION", message="Session does not exist")
        self._service.renew(speaker)
        return messages.ServerHeartbeat(session_id=message.session_id, timestamp=clock.now_ms())

    def _check_sessions(self) -> None:
        if sum(one.life.goes_on and not one.life.is_closed for one in self._speakers.values()) >= (
            self._most_sessions
        ):
            raise TooManyRequests(
                "This socket carries as many sessions as it may: close one, or open another.",
                details={"most": self._most_sessions},
            )

    async def keep_pace(self, *, cost: int = 1, work: int = 0) -> None:
        """Let a sender that is too fast wait, and ask it to slow down; nothing is dropped.

        What it sends meanwhile stays unread, in the end with the sender itself. The share is its
        principal's: many sockets send no faster than one.
        """
        wait_ms = max(
            self._rate.reserve("", cost=cost),
            self._shares.reserve(self.peer.sender, cost=cost + work),
        )
        if not wait_ms:
            return
        now_ms = clock.steady_ms()
        if now_ms - self._slowed_at_ms >= _SLOW_DOWN_MS:
            self._slowed_at_ms = now_ms
            self.reply(messages.Backpressure(action="SLOW_DOWN", resume_after_ms=_SLOW_DOWN_MS))
        await asyncio.sleep(wait_ms / 1000)
