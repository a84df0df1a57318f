"""Builds the frames that answer an assign."""

import base64
from typing import Any

from lingua_node import messages
from lingua_node.jobs import JobFailed, Result


def accepted(assign: messages.AssignJob, node_id: str) -> messages.JobAccepted:
    return messages.JobAccepted(**_name(assign, node_id))


def declined(
    assign: messages.AssignJob, node_id: str, *, reason: str | None
) -> messages.JobDeclined:
    return messages.JobDeclined(**_name(assign, node_id), reason=reason)


def started(assign: messages.AssignJob, node_id: str) -> messages.JobStarted:
    return messages.JobStarted(**_name(assign, node_id))


def partial(
    assign: messages.AssignJob, node_id: str, *, text: str, is_final: bool
) -> messages.AsrPartial:
    return messages.AsrPartial(
        job_id=assign.job_id,
        node_id=node_id,
        session_id=assign.session_id,
        utterance_index=assign.utterance_index,
        text=text,
        is_final=is_final,
        trace_id=assign.trace_id,
    )


def translation(
    assign: messages.AssignJob, node_id: str, *, seq: int, committed: str, tail: str
) -> messages.TranslationPartial:
    return messages.TranslationPartial(
        job_id=assign.job_id,
        attempt_id=assign.attempt_id,
        node_id=node_id,
        seq=seq,
        committed=committed,
        tail=tail or None,
    )


def clause(
    assign: messages.AssignJob, node_id: str, *, seq: int, audio: str, tts_format: str
) -> messages.TtsChunk:
    return messages.TtsChunk(
        job_id=assign.job_id,
        attempt_id=assign.attempt_id,
        node_id=node_id,
        seq=seq,
        audio=audio,
        tts_format=tts_format,
    )


def success(
    assign: messages.AssignJob, node_id: str, result: Result, processing_time_ms: int
) -> messages.JobResult:
    """A good end; the audio travels as base64."""
    audio = base64.b64encode(result.tts_audio).decode() if result.tts_audio else None
    return messages.JobResult(
        **_name(assign, node_id),
        utterance_index=assign.utterance_index,
        success=True,
        text_asr=result.text_asr,
        text_translated=result.text_translated,
        tts_audio=audio,
        tts_format=result.tts_format if audio else None,
        extra=result.extra or None,
        processing_time_ms=processing_time_ms,
        asr_quality_level=result.asr_quality_level,
        quality_score=result.quality_score,
    )


def failure(
    assign: messages.AssignJob, node_id: str, error: JobFailed, processing_time_ms: int = 0
) -> messages.JobResult:
    """A bad end, with the code and the reason."""
    return messages.JobResult(
        **_name(assign, node_id),
        utterance_index=assign.utterance_index,
        success=False,
        processing_time_ms=processing_time_ms,
        error=messages.Failure(code=error.code, message=str(error), details=error.details),
    )


def withdrawn(result: messages.JobResult, error: JobFailed) -> messages.JobResult:
    """A bad end in place of a result that was made, and cannot be sent."""
    return messages.JobResult(
        job_id=result.job_id,
        attempt_id=result.attempt_id,
        node_id=result.node_id,
        session_id=result.session_id,
        utterance_index=result.utterance_index,
        trace_id=result.trace_id,
        success=False,
        processing_time_ms=result.processing_time_ms,
        error=messages.Failure(code=error.code, message=str(error), details=error.details),
    )


def _name(assign: messages.AssignJob, node_id: str) -> dict[str, Any]:
    """Return the fields that say which attempt a frame is about."""
    return {
        "job_id": assign.job_id,
        "attempt_id": assign.attempt_id,
        "node_id": node_id,
        "session_id": assign.session_id,
        "trace_id": assign.trace_id,
    }
