"""From what became of a job to the frames its speaker is sent."""

from collections.abc import Iterator

import msgspec

from scheduling.model.events import (
    ClauseSpoken,
    JobAccepted,
    JobDispatched,
    JobQueued,
    JobSettled,
    PartialHeard,
    TranslationHeard,
)
from scheduling.model.jobs import Request
from scheduling.model.outcomes import Refused, Result
from sessions_app import messages
from sessions_app.groups import UtteranceGroups
from sockets.wire import ErrorFrame

# What a speaker may be sent.
Frame = messages.ToSpeaker | ErrorFrame

_NOTHING_TO_SAY = frozenset({"NO_TEXT_ASSIGNED", "ASR_EMPTY"})
_QUIET_CODES = frozenset({"JOB_TIMEOUT", "CANCELLED"})
_HINTS = {
    "NO_AVAILABLE_NODE": "No node is available; please try again shortly.",
    "JOB_TIMEOUT": "The job timed out; please try again.",
    "DEADLINE_EXCEEDED": "It could not be translated in time; please try again.",
    "MODEL_NOT_AVAILABLE": "No node has the model that is needed.",
    "NMT_TIMEOUT": "The translation timed out; please try a shorter sentence.",
    "TTS_TIMEOUT": "The speech synthesis timed out; please try again.",
    "PAYLOAD_UNREADABLE": "What was said cannot be read any more; please say it again.",
    "SCHEDULER_DEPENDENCY_DOWN": "The scheduler cannot work right now; please try again shortly.",
}


def is_silent(event: JobSettled) -> bool:
    """Say whether the speaker is told nothing: the node heard nothing worth a word."""
    outcome = event.outcome
    return (
        isinstance(outcome, Result)
        and outcome.is_empty
        and (outcome.extra or {}).get("reason") in _NOTHING_TO_SAY
    )


def tell_progress(
    event: JobDispatched | JobAccepted, *, request: Request | None = None
) -> messages.UiEvent:
    """Return the event that shows a job on its way.

    The utterance is named as in `request`: whoever sent the event may know no more than the job.
    """
    asked = request.assignment if request else event
    return messages.UiEvent(
        trace_id=asked.trace_id,
        session_id=event.session_id,
        job_id=event.job_id,
        utterance_index=asked.utterance_index,
        event="DISPATCHED" if isinstance(event, JobDispatched) else "NODE_ACCEPTED",
        status="ok",
    )


def tell_queued(event: JobQueued, *, request: Request | None) -> messages.UiEvent:
    """Return the event that shows where a job stands in line."""
    asked = request.assignment if request else event
    return messages.UiEvent(
        trace_id=asked.trace_id,
        session_id=event.session_id,
        job_id=event.job_id,
        utterance_index=asked.utterance_index,
        event="QUEUED",
        status="ok",
        queue_position=event.position,
        expected_wait_ms=event.wait_ms,
    )


def tell_partial(event: PartialHeard) -> Iterator[Frame]:
    """Yield what shows words as they are recognised."""
    yield messages.PartialShown(
        session_id=event.session_id,
        utterance_index=event.utterance_index,
        job_id="",
        text=event.text,
        is_final=event.is_final,
        trace_id=event.trace_id,
    )
    yield messages.UiEvent(
        trace_id=event.trace_id,
        session_id=event.session_id,
        job_id="",
        utterance_index=event.utterance_index,
        event="ASR_PARTIAL",
        status="ok",
    )


def tell_translation(event: TranslationHeard, *, tgt_lang: str | None) -> Frame:
    """Return what shows a translation as it grows."""
    return messages.TranslationGrowing(
        session_id=event.session_id,
        utterance_index=event.utterance_index,
        job_id=event.job_id,
        attempt_id=event.attempt,
        committed=event.committed,
        tail=event.tail,
        trace_id=event.trace_id,
        tgt_lang=tgt_lang,
    )


def tell_clause(event: ClauseSpoken, *, tgt_lang: str | None) -> Frame:
    """Return what speaks the next clause of a translation."""
    return messages.ClauseSaid(
        session_id=event.session_id,
        utterance_index=event.utterance_index,
        job_id=event.job_id,
        attempt_id=event.attempt,
        seq=event.seq,
        audio=event.audio,
        tts_format=event.tts_format,
        trace_id=event.trace_id,
        tgt_lang=tgt_lang,
    )


def tell_outcome(
    event: JobSettled,
    *,
    groups: UtteranceGroups,
    now_ms: int,
    tgt_lang: str | None = None,
    is_announced: bool = False,
    tells_speech_end: bool = False,
) -> Iterator[Frame]:
    """Yield the frames that end an utterance: one of them is its result, or says it is missing.

    `tgt_lang` names its language where the session has several; of a refusal that `is_announced`
    only the marker is left to be said. `tells_speech_end` is for who asked to be shown times.
    """
    outcome = event.outcome
    if isinstance(outcome, Refused):
        if not is_announced:
            yield from tell_refusal(event)
        yield tell_missing(event, reason=outcome.code.lower(), now_ms=now_ms, tgt_lang=tgt_lang)
    elif outcome.is_empty:
        yield tell_missing(event, reason="silence_detected", now_ms=now_ms, tgt_lang=tgt_lang)
    else:
        if outcome.text_asr:
            yield _tell_step(event, "ASR_FINAL")
        if outcome.text_translated:
            yield _tell_step(event, "NMT_DONE")
        told = _tell_result(event, outcome, groups, now_ms, tgt_lang)
        if tells_speech_end:
            told = msgspec.structs.replace(told, speech_ended_at_ms=event.speech_ended_at_ms)
        yield told


def tell_missing(
    event: JobSettled, *, reason: str, now_ms: int, tgt_lang: str | None = None
) -> messages.MissingResult:
    """Return the marker that stands where a result would."""
    return messages.MissingResult(
        session_id=event.session_id,
        utterance_index=event.utterance_index,
        reason=reason,
        created_at_ms=now_ms,
        trace_id=event.trace_id,
        tgt_lang=tgt_lang,
    )


def tell_refusal(event: JobSettled) -> Iterator[Frame]:
    """Yield what says why an utterance has no result, before the marker in its place."""
    refused = event.outcome
    if not isinstance(refused, Refused):
        return
    yield messages.UiEvent(
        trace_id=event.trace_id,
        session_id=event.session_id,
        job_id=event.job_id,
        utterance_index=event.utterance_index,
        event="ERROR",
        status="error",
        elapsed_ms=event.elapsed_ms,
        error_code=refused.code,
        hint=_HINTS.get(refused.code, refused.message),
    )
    if refused.code not in _QUIET_CODES:
        yield ErrorFrame(
            code=refused.code,
            message=refused.message,
            details=refused.details,
            trace_id=event.trace_id,
        )


def _tell_step(event: JobSettled, step: str) -> messages.UiEvent:
    return messages.UiEvent(
        trace_id=event.trace_id,
        session_id=event.session_id,
        job_id=event.job_id,
        utterance_index=event.utterance_index,
        event=step,
        status="ok",
        elapsed_ms=event.elapsed_ms,
    )


def _tell_result(
    event: JobSettled,
    result: Result,
    groups: UtteranceGroups,
    now_ms: int,
    tgt_lang: str | None,
) -> messages.TranslationResult:
    part = groups.add_result(
        text_asr=result.text_asr,
        now_ms=now_ms,
        utterance_index=event.utterance_index if tgt_lang else None,
    )
    timings = (result.extra or {}).get("service_timings")
    if not isinstance(timings, dict):
        timings = None
    if timings is None and result.processing_time_ms is not None:
        timings = {"total_ms": result.processing_time_ms}
    return messages.TranslationResult(
        session_id=event.session_id,
        utterance_index=event.utterance_index,
        job_id=event.job_id,
        text_asr=result.text_asr,
        text_translated=result.text_translated,
        tts_audio=result.tts_audio,
        tts_format=result.tts_format,
        trace_id=event.trace_id,
        scheduler_sent_at_ms=now_ms,
        extra=result.extra,
        group_id=part.group_id if part else None,
        part_index=part.part_index if part else None,
        service_timings=timings,
        asr_quality_level=result.asr_quality_level,
        reason_codes=result.reason_codes,
        quality_score=result.quality_score,
        rerun_count=result.rerun_count,
        segments_meta=result.segments_meta,
        tts_chunks=result.clauses,
        tgt_lang=tgt_lang,
    )
