"""From what a room is told to the frames its members are sent."""

import datetime as dt
from typing import Any

import msgspec

from scheduling.model import clock
from scheduling.model.languages import AUTO, normalize
from scheduling.model.rooms import Caption, Member, Room
from sessions_app import messages, room_messages
from sessions_app.requests import TWO_WAY, Profile
from sessions_app.result_frames import Frame

LONGEST_NAME = 64
_PCM16 = "pcm16"
_read_signal = msgspec.json.Decoder(room_messages.Signal).decode


def tell_created(room: Room) -> room_messages.RoomCreated:
    """Return what opens the page of a room; also for who joins: its page waits for nothing else."""
    return room_messages.RoomCreated(room_code=room.code, room_id=room.room_id)


def tell_members(room: Room) -> room_messages.RoomMembers:
    """Return who speaks in a room."""
    return room_messages.RoomMembers(
        room_code=room.code, members=tuple(map(_describe_member, room.members))
    )


def _describe_member(member: Member) -> room_messages.RoomMember:
    joined_at = dt.datetime.fromtimestamp(member.joined_at_ms / 1000, dt.UTC)
    return room_messages.RoomMember(
        participant_id=member.member_id,
        session_id=member.member_id,
        display_name=member.display_name or None,
        preferred_lang=member.lang if member.named_lang else None,
        raw_voice_preferences=member.raw_voice,
        joined_at=joined_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )


def tell_caption(caption: Caption) -> Frame:
    """Return what shows, or speaks, what another member said, in the language of this one."""
    named: dict[str, Any] = {
        "session_id": caption.speaker_id,
        "utterance_index": caption.utterance_index,
        "trace_id": caption.trace_id,
    }
    if caption.reason:
        return messages.MissingResult(reason=caption.reason, created_at_ms=caption.at_ms, **named)
    if caption.is_final:
        return messages.TranslationResult(
            job_id=caption.job_id,
            text_asr=caption.source_text,
            text_translated=caption.text,
            tts_audio=caption.audio,
            tts_format=caption.audio_format or _PCM16,
            scheduler_sent_at_ms=clock.now_ms(),
            **named,
        )
    if caption.clause >= 0:
        return messages.ClauseSaid(
            job_id=caption.job_id,
            attempt_id=caption.attempt,
            seq=caption.clause,
            audio=caption.audio,
            tts_format=caption.audio_format,
            **named,
        )
    return messages.TranslationGrowing(
        job_id=caption.job_id,
        attempt_id=caption.attempt,
        committed=caption.text,
        tail=caption.tail,
        **named,
    )


def read_signal(body: bytes) -> room_messages.Signal:
    """Return what a member's browser is told by another's, from its JSON."""
    return _read_signal(body)


def bound_name(name: str | None) -> str:
    """Return a name as it is shown: one short line of text, whatever somebody called itself."""
    shown = "".join(each if each.isprintable() else " " for each in (name or "")[:1024])
    return " ".join(shown.split())[:LONGEST_NAME]


def choose_language(profile: Profile, preferred: str | None) -> str:
    """Return the language a member listens in: the one it names, else that of its session (RM4).

    Of a two-way session that is the one it does not speak.
    """
    if preferred:
        return normalize(preferred)
    if profile.mode == TWO_WAY and profile.lang_a and profile.lang_b:
        spoken = normalize(profile.src_lang)
        one, other = normalize(profile.lang_a), normalize(profile.lang_b)
        if spoken != AUTO:
            return one if spoken == other else other
    return normalize(profile.tgt_lang)
