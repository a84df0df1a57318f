"""The frames that give a node its jobs, whole or while they are spoken, and take them away."""

from typing import Any

import msgspec

from scheduling.model.jobs import UNHEARD, Assignment, Pipeline
from sockets.wire import Message, encode_text


class AssignJob(Message, frozen=True, tag="job_assign"):
    """One attempt at a job, with the whole utterance; the fields of `Assignment`, in its order.

    `audio` is base64 that stands in the frame as it came.
    """

    job_id: str
    attempt_id: int
    session_id: str
    utterance_index: int
    src_lang: str
    tgt_lang: str
    audio_format: str
    sample_rate: int
    trace_id: str
    pipeline: Pipeline
    enable_streaming_asr: bool
    partial_update_interval_ms: int
    audio: msgspec.Raw = UNHEARD
    dialect: str | None = None
    features: dict[str, Any] | None = None
    mode: str | None = None
    lang_a: str | None = None
    lang_b: str | None = None
    auto_langs: tuple[str, ...] | None = None
    padding_ms: int | None = None
    is_manual_cut: bool = False
    is_timeout_triggered: bool = False
    is_pause_triggered: bool = False
    is_max_duration_triggered: bool = False
    turn_id: str | None = None
    expected_duration_ms: int | None = None
    traceparent: str | None = None
    enable_streaming_tts: bool = False
    context_text: str | None = None
    glossary: tuple[str, ...] | None = None


class OpenJob(AssignJob, frozen=True, tag="job_open"):
    """One attempt at a job that is still being spoken: the same, without audio."""


class SpokenAudio(Message, frozen=True, tag="job_audio"):
    """What was said next, as base64; `seq` counts from 0 without gaps."""

    job_id: str
    attempt_id: int
    seq: int
    audio: str


class CloseJob(Message, frozen=True, tag="job_close"):
    """Nothing more will be said after `last_seq`; the flags are those of an assignment."""

    job_id: str
    attempt_id: int
    last_seq: int
    duration_ms: int
    padding_ms: int | None = None
    is_manual_cut: bool = False
    is_timeout_triggered: bool = False
    is_pause_triggered: bool = False
    is_max_duration_triggered: bool = False


class CancelJob(Message, frozen=True, tag="job_cancel"):
    """Stop this job if you can; no answer is expected."""

    job_id: str
    trace_id: str | None = None
    reason: str | None = None


def encode_assignment(assignment: Assignment) -> str:
    """Return the frame that gives a node its job.

    By place, not by name: that costs 0.2 µs, and a test holds the fields of both together.
    """
    kind = OpenJob if assignment.is_open else AssignJob
    return encode_text(kind(*msgspec.structs.astuple(assignment)))
