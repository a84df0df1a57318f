"""What happens when a speaker opens a session, speaks, and goes."""

import asyncio
from collections.abc import Callable, Coroutine

import msgspec

from scheduling.access.pairing import Pairing
from scheduling.jobs.sessions import Opened, Sessions, SessionTakeover
from scheduling.model.background import Background
from scheduling.model.credentials import Principal, find_owner
from scheduling.model.delivery import Delivery
from scheduling.model.errors import (
    AccessDenied,
    DependencyDown,
    NoSuchUtterance,
    TooManyRequests,
    UnknownPairingCode,
    UtteranceOver,
)
from scheduling.model.events import SessionFenced
from sessions_app import messages
from sessions_app.audio import BinaryChunk, decode_chunk_payload
from sessions_app.requests import Profile, declare_audio, read_profile, read_several
from sessions_app.sent_chunk import SentChunk
from sessions_app.speaker import Speaker
from sessions_app.speaker_builder import SpeakerBuilder
from sessions_app.whole_audio import settle_audio
from sockets.outbound import Outbound
from sockets.socket_auth import Peer

_LOOK_AGAIN_S = 0.2


class SessionService:
    """Opens sessions and keeps their records; each live one is a `Speaker`."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        pairing: Pairing,
        delivery: Delivery,
        speakers: SpeakerBuilder,
        use_binary_frames: bool,
        grace_s: float,
    ) -> None:
        self._sessions = sessions
        self._pairing = pairing
        self._delivery = delivery
        self._speakers = speakers
        self._use_binary_frames = use_binary_frames
        self._grace_s = grace_s
        self._background = Background()

    async def open(
        self, message: messages.InitSession, *, outbound: Outbound, peer: Peer
    ) -> tuple[Speaker, messages.SessionOpened]:
        """Open a session on this socket under an id of its own, or resume the one it names.

        A token that proves nothing, or is another's, opens a new session: its id tells the client.
        A pairing code that binds it to no node changes nothing but what the client is told; a
        session that is resumed keeps the node it has.

        :raises AccessDenied: it names a tenant that its credential does not belong to
        :raises ForeignAudio: its chunks are to be in a format that we do not take
        :raises DependencyDown: Redis did not answer
        """
        owner = find_owner(peer.principal)
        if message.resume_token:
            found = await self._sessions.resume(message.resume_token, owner=owner)
            if found is not None:
                return await self._resume(found, outbound=outbound)
        profile = read_profile(
            message,
            tgt_lang=message.tgt_lang,
            tgt_langs=read_several(message),
            tenant_id=find_tenant(message.tenant_id, peer.principal),
            principal=peer.principal,
        )
        own_node_id, why_unpaired = await self._find_own_node(message.pairing_code, peer)
        profile = msgspec.structs.replace(declare_audio(message, profile), own_node_id=own_node_id)
        opened = await self._sessions.open(
            profile=msgspec.json.encode(profile),
            resumable=message.resume_token is not None,
            owner=owner,
        )
        speaker = self._attach(opened, profile=profile, outbound=outbound)
        speaker.speech.go_on_from(self._speakers.find_first_index())
        ack = self._describe(speaker)
        return speaker, msgspec.structs.replace(ack, pairing_error=why_unpaired or msgspec.UNSET)

    async def _find_own_node(self, code: str | None, peer: Peer) -> tuple[str, str]:
        """Return the node that a code binds a session to, else why it binds it to none."""
        if not code:
            return "", ""
        try:
            node_id = await self._pairing.use(code, sender=peer.sender, shown_by=peer.connection_id)
        except (UnknownPairingCode, TooManyRequests) as refusal:
            return "", refusal.code
        return node_id, ""

    async def _resume(
        self, found: SessionTakeover, *, outbound: Outbound
    ) -> tuple[Speaker, messages.SessionOpened]:
        """Take a session over: its older socket is closed, its answers come here from now on.

        Another may do so meanwhile: `catch_up` finds out whether this one is still the newest.
        """
        fence = SessionFenced(
            session_id=found.opened.session_id, conn_epoch=found.opened.conn_epoch
        )
        await self._delivery.fence_session(fence, was_at=found.was_at)
        profile = msgspec.json.decode(found.profile, type=Profile)
        speaker = self._speakers.build(found.opened, profile=profile, outbound=outbound)
        self._delivery.local.attach_session(speaker.session_id, speaker, fence=fence)
        speaker.go_on_from(found.next_index, safe_seq=found.safe_seq)
        return speaker, msgspec.structs.replace(
            self._describe(speaker),
            message="session resumed",
            resumed=True,
            acked_seq=found.safe_seq if speaker.acknowledges else msgspec.UNSET,
        )

    def _attach(self, opened: Opened, *, profile: Profile, outbound: Outbound) -> Speaker:
        speaker = self._speakers.build(opened, profile=profile, outbound=outbound)
        self._delivery.local.attach_session(opened.session_id, speaker)
        return speaker

    def _describe(self, speaker: Speaker) -> messages.SessionOpened:
        profile = speaker.profile
        audio_format = profile.audio_format or "opus"
        return messages.SessionOpened(
            session_id=speaker.session_id,
            trace_id=profile.trace_id,
            use_binary_frame=self._use_binary_frames,
            negotiated_codec=audio_format,
            negotiated_audio_format=audio_format,
            negotiated_sample_rate=profile.sample_rate,
            resume_token=speaker.opened.resume_token or msgspec.UNSET,
            assigned_node_id=profile.own_node_id or msgspec.UNSET,
        )

    async def catch_up(self, speaker: Speaker) -> None:
        """Send what a resumed session was not yet known to have, and wait for the rest."""
        if not speaker.opened.resume_token:
            return
        if not await self._give_way(speaker):
            self._background.run(self._give_way_later(speaker), name="looking for a newer socket")
        if speaker.life.is_fenced:
            return
        try:
            # First: what is answered now may be for its room.
            await speaker.room.resume()
        finally:
            await speaker.recovery.catch_up(speaker.enqueue)

    def note(self, speaker: Speaker, message: messages.ResultAck | messages.UpdateSession) -> None:
        """The client has every answer up to an index, or other words matter from now on."""
        match message:
            case messages.ResultAck():
                self._sessions.jobs.acknowledge(
                    session_id=speaker.session_id, utterance_index=message.utterance_index
                )
            case messages.UpdateSession():
                speaker.context.glossary = tuple(message.glossary)

    async def take_chunk(self, speaker: Speaker, message: messages.AudioChunk) -> None:
        """Take a chunk of audio; a payload that is no base64 is no audio."""
        sent = SentChunk(decode_chunk_payload(message.payload), message.payload or "")
        await self._hear(
            speaker,
            sent,
            is_final=message.is_final,
            seq=message.seq,
            deadline_ms=message.deadline_ms,
        )

    async def take_bytes(self, speaker: Speaker, chunk: BinaryChunk) -> None:
        """Take a chunk of audio that came without JSON around it."""
        sent = SentChunk(chunk.audio)
        await self._hear(speaker, sent, is_final=chunk.is_final, seq=chunk.seq)

    async def _hear(
        self,
        speaker: Speaker,
        sent: SentChunk,
        *,
        is_final: bool,
        seq: int,
        deadline_ms: int | None = None,
    ) -> None:
        """Take a chunk; one that is sent again is nothing new."""
        if not (speaker.acknowledges and speaker.speech.is_repeat(seq)):
            utterances = speaker.speech.hear(
                audio=sent.audio, is_final=is_final, seq=seq, deadline_ms=deadline_ms
            )
            await speaker.submit(utterances, sent)

    async def note_playback(
        self, speaker: Speaker, message: messages.TtsStarted | messages.TtsPlayEnded
    ) -> None:
        """The client plays a translation, or has played it."""
        match message:
            case messages.TtsStarted():
                await speaker.submit(speaker.speech.start_playback())
            case messages.TtsPlayEnded():
                speaker.writer.note_playback(
                    group_id=message.group_id, ended_at_ms=message.ts_end_ms
                )
                await speaker.submit(speaker.speech.end_playback())

    async def take_utterance(self, speaker: Speaker, message: messages.Utterance) -> None:
        """Take a whole utterance.

        :raises BadInput: its number is that of what is being said
        :raises UndecodableAudio: its audio is no base64, or nothing
        :raises ForeignAudio: its audio is in a form that we do not take
        """
        speaker.live.check_index(message.utterance_index)
        audio = settle_audio(
            message.audio, audio_format=message.audio_format, sample_rate=message.sample_rate
        )
        settled = msgspec.structs.replace(
            message,
            audio=audio.text,
            audio_format=audio.audio_format,
            sample_rate=audio.sample_rate,
        )
        wanted = await speaker.audience.aim(speaker.speech.take_utterance(settled))
        await speaker.submission.submit(wanted)

    async def cancel(self, speaker: Speaker, utterance_index: int | None) -> None:
        """End an utterance that its speaker wants no answer to, or without an index what is said.

        :raises NoSuchUtterance: nothing is being said, or nothing was said under this number
        :raises UtteranceOver: it has its answer, or has been cancelled
        """
        spoken = speaker.speech.find_spoken()
        if utterance_index is None or (spoken and spoken.index == utterance_index):
            await self._cancel_spoken(speaker)
            return
        asked = speaker.results.list_of(utterance_index)
        ended = [await speaker.submission.cancel(request) for request in asked]
        if not any(ended):
            was_asked = asked or utterance_index < speaker.results.accepted_below
            raise UtteranceOver if was_asked else NoSuchUtterance

    async def _cancel_spoken(self, speaker: Speaker) -> None:
        """Cut what is being said, and ask for nothing of it."""
        dropped = [request for wanted in speaker.speech.close() for request in wanted]
        opened = speaker.live.give_up()
        for request in dropped:
            job = opened.pop(request.assignment.tgt_lang, None)
            if job is None:
                speaker.submission.tell_cancelled(request)
            else:
                await speaker.submission.cancel(job)
        for job in opened.values():
            await speaker.submission.cancel(job)
        await speaker.submit(())
        if not dropped:
            raise NoSuchUtterance

    def renew(self, speaker: Speaker) -> None:
        """A speaker gave a sign of life: its record stays, where the session is still its own."""
        self._sessions.renew(speaker.session_id)
        if speaker.life.can_return:
            self._background.run(self._give_way(speaker), name="looking for a newer socket")

    async def _give_way(self, speaker: Speaker) -> bool:
        """Close the socket where a newer one has the session; False when Redis did not answer.

        Whoever resumed it tells the one before: that may fail, or come before it is attached.
        """
        try:
            newest = await self._sessions.find_epoch(speaker.session_id)
        except DependencyDown:
            return False
        if not speaker.life.is_fenced:
            speaker.enqueue(SessionFenced(session_id=speaker.session_id, conn_epoch=newest))
        return True

    async def _give_way_later(self, speaker: Speaker) -> None:
        while speaker.life.is_here:
            await asyncio.sleep(_LOOK_AGAIN_S)
            if await self._give_way(speaker):
                return

    async def close(self, speaker: Speaker) -> None:
        """End a session in order: what was said is still answered on this socket."""
        await speaker.close()
        self._sessions.close(speaker.opened)

    async def leave(self, speaker: Speaker) -> None:
        """The socket is gone, and with it the session, unless its speaker may come back."""
        may_return = speaker.life.can_return
        if speaker.life.is_fenced or not await speaker.park():
            await self._let_go(speaker)
        elif may_return:
            self._end_later(self._give_up, speaker)
        else:
            self._sessions.close(speaker.opened)
            self._end_later(self._let_go, speaker)

    def _end_later(
        self, end: Callable[[Speaker], Coroutine[None, None, None]], speaker: Speaker
    ) -> None:
        asyncio.get_running_loop().call_later(
            self._grace_s, lambda: self._background.run(end(speaker), name="a session's end")
        )

    async def _let_go(self, speaker: Speaker) -> None:
        self._delivery.local.detach_session(speaker.session_id, speaker)
        if not speaker.life.is_fenced:
            self._sessions.close(speaker.opened)
            await speaker.leave()

    async def _give_up(self, speaker: Speaker) -> None:
        """The grace is over: nobody waits for the answers, unless the session went on elsewhere."""
        self._delivery.local.detach_session(speaker.session_id, speaker)
        if not speaker.life.is_fenced and await self._sessions.end(speaker.opened):
            await speaker.leave()


def find_tenant(named: str | None, principal: Principal | None) -> str:
    """Return whose session it is; a credential of a tenant speaks for no other (I-49).

    :raises AccessDenied: the message names another
    """
    bound = principal.tenant_id if principal else ""
    if bound and named and named != bound:
        raise AccessDenied("This credential belongs to another tenant.", forbidden=True)
    return bound or named or ""
