"""From what a speaker said to the job that is asked for."""

from collections.abc import Sequence
from typing import Any

import msgspec

from scheduling.model import clock, ids
from scheduling.model.credentials import Principal
from scheduling.model.errors import BadInput
from scheduling.model.jobs import (
    PARTIAL_EVERY_MS,
    Assignment,
    Need,
    Pipeline,
    Request,
    quote_base64,
)
from scheduling.model.languages import AUTO, normalize, spell
from sessions_app import http_messages, http_room_messages, messages
from sessions_app.audio import read_format
from sessions_app.cuts import Cut

_DEFAULT_TENANT = "default"
# Features of a session that count for the choice of nodes, and a name as nodes may give it.
_MOST_FEATURES, _LONGEST_FEATURE = 8, 64
TWO_WAY = "two_way_auto"
_ONE_WAY = "one_way"


class Profile(msgspec.Struct, frozen=True):
    """What a session said of itself when it opened."""

    src_lang: str
    tgt_lang: str
    trace_id: str
    tenant_id: str
    dialect: str | None = None
    features: dict[str, object] | None = None
    mode: str | None = None
    lang_a: str | None = None
    lang_b: str | None = None
    auto_langs: tuple[str, ...] | None = None
    traceparent: str | None = None
    # Every language an utterance is translated to, where that is more than one.
    tgt_langs: tuple[str, ...] = ()
    # What its chunks are, where it said so.
    audio_format: str | None = None
    sample_rate: int = 16_000
    # Of a session without a socket: whose it is, as the credential said; else None.
    caller: str | None = None
    # Of one that is a member of a room: what proves that it asks, and how it is shown there.
    member_digest: str = ""
    shown_name: str = ""
    # Nodes that can shall work while somebody speaks; and say the translation clause by clause.
    streams: bool = False
    speaks_by_clause: bool = False
    # Words that matter, and whether nodes may know what was said before.
    glossary: tuple[str, ...] = ()
    keeps_said: bool = False
    # How long after their end its utterances may be answered; 0: as late as may be.
    deadline_ms: int = 0
    # Whose share its utterances use up: of a principal that is bound to no tenant its own.
    sharer: str = ""
    # The node it was paired with: no other gets its jobs.
    own_node_id: str = ""
    # The tenant that its credential is bound to: that one's private nodes may have its jobs, too.
    owner_tenant_id: str = ""

    @property
    def languages(self) -> tuple[tuple[str, str], ...]:
        """Return the directed pairs this session may speak; ``auto`` stands for any source."""
        if self.mode == TWO_WAY and self.lang_a and self.lang_b:
            one, other = normalize(self.lang_a), normalize(self.lang_b)
            return (one, other), (other, one)
        src = normalize(self.src_lang)
        return tuple((src, normalize(tgt)) for tgt in self.tgt_langs or (self.tgt_lang,))


def read_targets(tgt_lang: str | None, tgt_langs: list[str] | None) -> tuple[str, ...]:
    """Return the languages asked for, each once, as it was named first.

    :raises BadInput: there is none
    """
    named = [*([tgt_lang] if tgt_lang else []), *(tgt_langs or ())]
    if not named:
        raise BadInput("Name tgt_lang or tgt_langs.", code="INVALID_MESSAGE")
    spelled: dict[str, str] = {}
    for code in named:
        spelled.setdefault(normalize(code), spell(code))
    return tuple(spelled.values())


def read_profile(
    message: messages.InitSession | http_messages.DispatchUtterance | http_room_messages.EnterRoom,
    *,
    tgt_lang: str,
    tgt_langs: tuple[str, ...],
    tenant_id: str,
    principal: Principal | None = None,
    caller: str | None = None,
) -> Profile:
    """Return the profile of a session about to open; a trace id is drawn where none came."""
    return Profile(
        src_lang=spell(message.src_lang),
        tgt_lang=spell(tgt_lang),
        trace_id=message.trace_id or ids.new_trace_id(),
        tenant_id=tenant_id or _DEFAULT_TENANT,
        dialect=message.dialect,
        features=message.features,
        mode=message.mode,
        lang_a=message.lang_a and spell(message.lang_a),
        lang_b=message.lang_b and spell(message.lang_b),
        auto_langs=_spell_all(message.auto_langs),
        traceparent=message.traceparent,
        tgt_langs=tgt_langs,
        caller=caller,
        sharer=find_sharer(principal),
        owner_tenant_id=principal.tenant_id if principal else "",
    )


def find_sharer(principal: Principal | None) -> str:
    """Return whose share utterances use up: a principal's own, where it is bound to no tenant.

    Else one that may speak for any tenant would have the share of each.
    """
    return principal.principal_id if principal and not principal.tenant_id else ""


def declare_audio(message: messages.InitSession, profile: Profile) -> Profile:
    """Return the profile with what its session says of its chunks.

    :raises ForeignAudio: they are to be in a format that we do not take
    """
    if message.audio_format is not None:
        read_format(message.audio_format)
    return msgspec.structs.replace(
        profile,
        audio_format=message.audio_format,
        sample_rate=message.sample_rate or profile.sample_rate,
        glossary=tuple(message.glossary or ()),
        keeps_said=bool(message.enable_context),
        streams=bool(message.enable_streaming),
        speaks_by_clause=bool(message.enable_streaming and message.enable_streaming_tts),
        deadline_ms=message.deadline_ms or 0,
    )


def fan_out(request: Request, targets: Sequence[str]) -> list[Request]:
    """Return one request a language: jobs of their own, retried and answered each by itself (J18).

    No targets, or one: the request as it is.
    """
    if len(targets) <= 1:
        return [request]
    return [_aim(request, target) for target in targets]


def _aim(request: Request, target: str) -> Request:
    job = request.assignment
    assignment = msgspec.structs.replace(
        job, job_id=ids.new_job_id(job.session_id), tgt_lang=target
    )
    need = state_need(assignment)
    return msgspec.structs.replace(
        request,
        assignment=assignment,
        need=msgspec.structs.replace(request.need, tgt=need.tgt, pairs=need.pairs),
        request_id=f"{request.request_id}:{target}" if request.request_id else None,
    )


def aim_at(request: Request, lang: str) -> Request:
    """Return what an utterance in a room asks for in a language that somebody listens in.

    Who listens in one language waits for none of the others. A two-way session is heard in any.
    """
    job, target = request.assignment, spell(lang)
    if job.mode == TWO_WAY:
        spoken = job.auto_langs or tuple(each for each in (job.lang_a, job.lang_b) if each)
        one_way = msgspec.structs.replace(job, mode=_ONE_WAY, auto_langs=spoken)
        request = msgspec.structs.replace(request, assignment=one_way)
    return msgspec.structs.replace(_aim(request, target), lane=lang)


def aim_at_words(request: Request, lang: str) -> Request:
    """Return what an utterance in a room asks for where only what was said is wanted of it."""
    job = request.assignment
    job = msgspec.structs.replace(job, pipeline=Pipeline(use_nmt=False, use_tts=False))
    need = msgspec.structs.replace(request.need, types=state_need(job).types)
    return aim_at(msgspec.structs.replace(request, assignment=job, need=need), lang)


def read_several(message: messages.InitSession) -> tuple[str, ...]:
    """Return the languages of a session that asks for several, else none.

    :raises BadInput: a two-way session asks for them
    """
    if not message.tgt_langs:
        return ()
    if message.mode == TWO_WAY:
        raise BadInput("A two-way session has no tgt_langs.", code="INVALID_MESSAGE")
    return read_targets(message.tgt_lang, message.tgt_langs)


def request_from_begun(
    profile: Profile,
    *,
    session_id: str,
    utterance_index: int,
    audio_format: str,
    sample_rate: int,
) -> Request:
    """Ask for the translation of an utterance that is still being spoken."""
    assignment = Assignment(
        job_id=ids.new_job_id(session_id),
        attempt_id=1,
        session_id=session_id,
        utterance_index=utterance_index,
        src_lang=profile.src_lang,
        tgt_lang=profile.tgt_lang,
        audio_format=audio_format,
        sample_rate=sample_rate,
        trace_id=profile.trace_id,
        pipeline=Pipeline(),
        enable_streaming_asr=True,
        partial_update_interval_ms=PARTIAL_EVERY_MS,
        dialect=profile.dialect,
        features=profile.features,
        mode=profile.mode,
        lang_a=profile.lang_a,
        lang_b=profile.lang_b,
        auto_langs=profile.auto_langs,
        traceparent=profile.traceparent,
        enable_streaming_tts=profile.speaks_by_clause,
    )
    return Request(
        assignment=assignment,
        need=_bind_to_owner(state_need(assignment), profile),
        tenant_id=profile.tenant_id,
        sharer=profile.sharer,
    )


def request_from_cut(
    profile: Profile, *, session_id: str, cut: Cut, audio: str, deadline_ms: int = 0
) -> Request:
    """Ask for the translation of an utterance cut from chunks; `audio` is base64.

    Its deadline counts from now on, when its end is known; 0: that of its session.
    """
    begun = request_from_begun(
        profile,
        session_id=session_id,
        utterance_index=cut.utterance_index,
        audio_format=cut.audio_format,
        sample_rate=cut.sample_rate,
    )
    assignment = msgspec.structs.replace(
        begun.assignment,
        audio=quote_base64(audio),
        padding_ms=cut.padding_ms,
        is_manual_cut=cut.is_manual_cut,
        is_timeout_triggered=cut.is_timeout_triggered,
        is_pause_triggered=cut.is_pause_triggered,
        is_max_duration_triggered=cut.is_max_duration_triggered,
        turn_id=cut.turn_id,
        expected_duration_ms=cut.duration_ms,
    )
    return msgspec.structs.replace(
        begun,
        assignment=assignment,
        speech_ended_at_ms=cut.speech_ended_at_ms,
        answer_by_ms=_end_by(deadline_ms or profile.deadline_ms),
    )


def request_from_utterance(profile: Profile, message: messages.Utterance) -> Request:
    """Ask for the translation of a whole utterance; what it leaves out, the session said."""
    assignment = Assignment(
        job_id=ids.new_job_id(message.session_id),
        attempt_id=1,
        session_id=message.session_id,
        utterance_index=message.utterance_index,
        src_lang=spell(message.src_lang),
        tgt_lang=spell(message.tgt_lang),
        audio=quote_base64(message.audio),
        audio_format=message.audio_format,
        sample_rate=message.sample_rate,
        trace_id=message.trace_id or profile.trace_id,
        pipeline=_read_pipeline(message.pipeline),
        enable_streaming_asr=True,
        partial_update_interval_ms=PARTIAL_EVERY_MS,
        dialect=message.dialect or profile.dialect,
        features=message.features if message.features is not None else profile.features,
        mode=message.mode or profile.mode,
        lang_a=spell(message.lang_a) if message.lang_a else profile.lang_a,
        lang_b=spell(message.lang_b) if message.lang_b else profile.lang_b,
        auto_langs=_spell_all(message.auto_langs) or profile.auto_langs,
        # A node answers only flagged jobs at once; a whole utterance is never a part of one.
        is_manual_cut=True,
        traceparent=message.traceparent or profile.traceparent,
    )
    return Request(
        assignment=assignment,
        need=_bind_to_owner(state_need(assignment), profile),
        tenant_id=profile.tenant_id,
        request_id=message.request_id,
        sharer=profile.sharer,
        answer_by_ms=_end_by(message.deadline_ms or profile.deadline_ms),
    )


def _end_by(deadline_ms: int) -> int:
    """Return the moment that a deadline means for what is whole now, 0 for none."""
    return clock.now_ms() + deadline_ms if deadline_ms else 0


def state_need(assignment: Assignment) -> Need:
    """Return what a node must offer: the pipeline's services, and every direction it may take."""
    pipeline = assignment.pipeline
    wanted = (
        ("asr", pipeline.use_asr),
        ("nmt", pipeline.use_nmt),
        ("tts", pipeline.use_tts),
        ("semantic", pipeline.use_semantic),
        ("tone", pipeline.use_tone),
    )
    src, tgt = normalize(assignment.src_lang), normalize(assignment.tgt_lang)
    pairs: tuple[tuple[str, str], ...] = ((src, tgt),)
    if assignment.mode == TWO_WAY and src == AUTO and assignment.lang_a and assignment.lang_b:
        one, other = normalize(assignment.lang_a), normalize(assignment.lang_b)
        pairs = ((one, other), (other, one))
    return Need(
        src=src,
        tgt=tgt,
        types=tuple(kind for kind, use in wanted if use),
        pairs=pairs,
        features=_list_features(assignment.features),
    )


def _bind_to_owner(need: Need, profile: Profile) -> Need:
    """Return a need with whose it is: the private nodes of its tenant, or its own node alone."""
    if profile.owner_tenant_id:
        need = msgspec.structs.replace(need, owner_tenant_id=profile.owner_tenant_id)
    return need.for_own_node(profile.own_node_id) if profile.own_node_id else need


def _list_features(features: dict[str, Any] | None) -> tuple[str, ...]:
    """Return the features asked for, in an order of their own: equal needs wait in one line."""
    asked = [name for name, value in (features or {}).items() if value is True]
    known = [name for name in asked if len(name) <= _LONGEST_FEATURE]
    return tuple(sorted(known[:_MOST_FEATURES]))


def _read_pipeline(wanted: messages.PipelineWanted | None) -> Pipeline:
    if wanted is None:
        return Pipeline()
    return Pipeline(
        use_asr=wanted.use_asr,
        use_nmt=wanted.use_nmt,
        use_tts=wanted.use_tts,
        use_semantic=wanted.use_semantic,
        use_tone=wanted.use_tone,
    )


def _spell_all(codes: list[str] | None) -> tuple[str, ...] | None:
    return None if codes is None else tuple(map(spell, codes))
