"""What happens when a speaker opens a session, speaks, and goes."""

import msgspec

from scheduling.delivery import Delivery
from scheduling.dispatch import Dispatcher
from scheduling.errors import AccessDenied
from scheduling.journal import Journal
from scheduling.sessions import Sessions
from scheduling.settlement import Settlement
from sessions_app import messages
from sessions_app.audio import UndecodableAudio, check_utterance_audio, decode_chunk_payload
from sessions_app.in_flight import InFlight
from sessions_app.requests import read_profile
from sessions_app.speaker import SessionLimits, Speaker
from sockets.doors import Visitor
from sockets.outbound import Outbound


class SessionService:
    """Opens sessions and keeps their records; each live one is a `Speaker`."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        delivery: Delivery,
        dispatcher: Dispatcher,
        settlement: Settlement,
        in_flight: InFlight,
        limits: SessionLimits,
        use_binary_frames: bool,
        journal: Journal | None = None,
    ) -> None:
        self._sessions = sessions
        self._delivery = delivery
        self._dispatcher = dispatcher
        self._settlement = settlement
        self._in_flight = in_flight
        self._limits = limits
        self._journal = journal or Journal()
        self._use_binary_frames = use_binary_frames

    async def open(
        self, message: messages.InitSession, *, outbound: Outbound, visitor: Visitor
    ) -> tuple[Speaker, messages.SessionOpened]:
        """Open a session on this socket under an id of its own.

        :raises AccessDenied: it names a tenant that its credential does not belong to
        :raises DependencyDown: Redis did not answer
        """
        profile = read_profile(message, tenant_id=_find_tenant(message, visitor))
        session_id = await self._sessions.open(profile=msgspec.json.encode(profile))
        speaker = Speaker(
            session_id=session_id,
            profile=profile,
            outbound=outbound,
            dispatcher=self._dispatcher,
            settlement=self._settlement,
            sessions=self._sessions,
            in_flight=self._in_flight,
            limits=self._limits,
            journal=self._journal,
        )
        self._delivery.attach_session(session_id, speaker)
        return speaker, messages.SessionOpened(
            session_id=session_id,
            trace_id=profile.trace_id,
            use_binary_frame=self._use_binary_frames,
        )

    async def take_chunk(self, speaker: Speaker, message: messages.AudioChunk) -> None:
        """Take a chunk of audio; a payload that is no base64 is no audio."""
        await speaker.hear(audio=decode_chunk_payload(message.payload), is_final=message.is_final)

    async def take_utterance(self, speaker: Speaker, message: messages.Utterance) -> None:
        """Take a whole utterance.

        :raises UndecodableAudio: its audio is no base64, or nothing
        """
        if not check_utterance_audio(message.audio):
            raise UndecodableAudio("Audio decode failed: there is none")
        await speaker.utter(message)

    def renew(self, speaker: Speaker) -> None:
        """A speaker gave a sign of life: its record stays."""
        self._sessions.renew(speaker.session_id)

    async def close(self, speaker: Speaker) -> None:
        """End a session in order: what was said is still answered on this socket."""
        await speaker.close()
        self._sessions.close(speaker.session_id)

    async def leave(self, speaker: Speaker) -> None:
        """The socket is gone, and with it the session."""
        self._delivery.detach_session(speaker.session_id, speaker)
        self._sessions.close(speaker.session_id)
        await speaker.leave()


def _find_tenant(message: messages.InitSession, visitor: Visitor) -> str:
    """Return whose session it is; a credential of a tenant speaks for no other (I-49).

    :raises AccessDenied: the message names another
    """
    named = message.tenant_id or ""
    bound = visitor.principal.tenant_id if visitor.principal else ""
    if bound and named and named != bound:
        raise AccessDenied("This credential belongs to another tenant.", forbidden=True)
    return bound or named
