"""Every frame between a node and the scheduler, as typed values.

What a node offers (`Service`, `Languages`, …) comes first, then what arrives, then what leaves.
Optional fields that are unset are left out of the JSON, never written as null.
"""

from typing import Any

import msgspec


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of a message."""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """One JSON text frame, told apart by its `type`."""


class Service(Part, frozen=True):
    """One installed service; `type` is `asr`, `nmt`, `tts`, `tone`, `semantic` or any other word.

    `device` and `status` have factories because the wire demands them, and defaults are left out.
    """

    service_id: str
    type: str
    device: str = msgspec.field(default_factory=lambda: "cpu")
    status: str = msgspec.field(default_factory=lambda: "running")
    version: str | None = None
    model_id: str | None = None
    engine: str | None = None
    last_error: str | None = None


class LanguagePair(Part, frozen=True):
    """A directed pair."""

    src: str
    tgt: str


class NmtCapability(Part, frozen=True):
    """What one translation model can do (N16).

    `rule` is `any_to_any`, `any_to_en`, `en_to_any` or `specific_pairs`.
    """

    model_id: str
    languages: list[str]
    rule: str
    supported_pairs: list[LanguagePair] | None = None
    blocked_pairs: list[LanguagePair] | None = None


class Languages(Part, frozen=True):
    """The languages a node declares, service by service (N16)."""

    asr_languages: list[str] | None = None
    tts_languages: list[str] | None = None
    semantic_languages: list[str] | None = None
    semantic_core_ready: bool | None = None
    nmt_capabilities: list[NmtCapability] | None = None
    supported_language_pairs: list[LanguagePair] | None = None


class Model(Part, frozen=True):
    """One installed model; `kind` is `asr`, `nmt`, `tts`, `vad`, `emotion` or `other`."""

    model_id: str
    kind: str
    version: str
    src_lang: str | None = None
    tgt_lang: str | None = None
    enabled: bool | None = None


class Gpu(Part, frozen=True):
    """One graphics card."""

    name: str
    memory_gb: int


class Hardware(Part, frozen=True):
    """What the machine is made of; `gpus` is absent when there are none."""

    cpu_cores: int
    memory_gb: int
    gpus: list[Gpu] | None = None


class ResourceUsage(Part, frozen=True):
    """Load in percent (0-100); the GPU figures are absent when there is no GPU (N5)."""

    cpu_percent: float
    mem_percent: float
    running_jobs: int
    gpu_percent: float | None = None
    gpu_mem_percent: float | None = None


class Capability(Part, frozen=True):
    """Whether a service type is ready, and through which services."""

    type: str
    ready: bool
    reason: str | None = None
    ready_impl_ids: list[str] | None = None


class RunningAttempt(Part, frozen=True):
    """An attempt the node still holds: it runs, or its result has not been taken yet."""

    job_id: str
    attempt_id: int


class Failure(Part, frozen=True):
    """Why a job has no result."""

    code: str
    message: str
    details: Any = None


class Pipeline(Part, frozen=True):
    """The steps asked for."""

    use_asr: bool = True
    use_nmt: bool = True
    use_tts: bool = True
    use_semantic: bool = False
    use_tone: bool = False


class NodeRegistered(Message, frozen=True, tag="node_register_ack"):
    """The scheduler knows us; work may come."""

    node_id: str
    message: str | None = None
    status: str | None = None
    resume_token: str | None = None
    max_frame_bytes: int | None = None


class AssignJob(Message, frozen=True, tag="job_assign"):
    """One attempt at one job, with the whole utterance."""

    job_id: str
    attempt_id: int
    session_id: str
    utterance_index: int
    trace_id: str
    src_lang: str
    tgt_lang: str
    pipeline: Pipeline
    audio: str
    audio_format: str
    sample_rate: int
    dialect: str | None = None
    features: dict[str, Any] | None = None
    mode: str | None = None
    lang_a: str | None = None
    lang_b: str | None = None
    auto_langs: list[str] | None = None
    enable_streaming_asr: bool | None = None
    partial_update_interval_ms: int | None = None
    padding_ms: int | None = None
    is_manual_cut: bool | None = None
    is_timeout_triggered: bool | None = None
    is_pause_triggered: bool | None = None
    is_max_duration_triggered: bool | None = None
    turn_id: str | None = None
    group_id: str | None = None
    part_index: int | None = None
    context_text: str | None = None  # what was said before, where the session tells
    glossary: list[str] | None = None  # words that matter
    traceparent: str | None = None
    enable_streaming_tts: bool = False


class OpenJob(AssignJob, frozen=True, kw_only=True, tag="job_open"):
    """One attempt at a job that is still being spoken: the same, and its audio follows."""

    audio: str = ""


class SpokenAudio(Message, frozen=True, tag="job_audio"):
    """What was said next in an open job, as base64; `seq` counts from 0 without gaps."""

    job_id: str
    attempt_id: int
    seq: int
    audio: str


class CloseJob(Message, frozen=True, tag="job_close"):
    """Nothing more is said in an open job after `last_seq`; the flags are those of an assign."""

    job_id: str
    attempt_id: int
    last_seq: int
    duration_ms: int | None = None
    padding_ms: int | None = None
    is_manual_cut: bool | None = None
    is_timeout_triggered: bool | None = None
    is_pause_triggered: bool | None = None
    is_max_duration_triggered: bool | None = None


class CancelJob(Message, frozen=True, tag="job_cancel"):
    """Stop working on a job; there is no reply."""

    job_id: str
    trace_id: str | None = None
    reason: str | None = None


class ControlNode(Message, frozen=True, tag="node_control"):
    """`shutdown` drains the node; other commands are ignored."""

    command: str
    reason: str | None = None


class NodeStatus(Message, frozen=True, tag="node_status"):
    """How the scheduler sees us."""

    status: str
    node_id: str | None = None
    reason: str | None = None


class PairingCode(Message, frozen=True, tag="pairing_code"):
    """A code by which one session has this node."""

    code: str


class ServerError(Message, frozen=True, tag="error"):
    """A refusal, of the registration as a rule."""

    code: str
    message: str
    details: Any = None


class RegisterNode(Message, frozen=True, tag="node_register"):
    """Who we are and what we offer; after a reconnect also what we still hold."""

    node_id: str | None
    version: str
    capability_schema_version: str
    platform: str
    hardware: Hardware
    installed_models: list[Model]
    installed_services: list[Service]
    capability_by_type: list[Capability]
    features_supported: dict[str, bool]
    advanced_features: list[str]
    accept_public_jobs: bool
    max_concurrent_jobs: int
    running_attempts: list[RunningAttempt]
    language_capabilities: Languages
    resume_token: str | None = None


class RequestPairingCode(Message, frozen=True, tag="request_pairing_code"):
    """We want a code to show."""

    node_id: str


class NodeHeartbeat(Message, frozen=True, tag="node_heartbeat"):
    """We are alive, this busy, and still hold these attempts (N5)."""

    node_id: str
    timestamp: int
    resource_usage: ResourceUsage
    installed_models: list[Model]
    installed_services: list[Service]
    capability_by_type: list[Capability]
    language_capabilities: Languages
    running_attempts: list[RunningAttempt]
    draining: bool | None = None


class AboutAttempt(Message, frozen=True):
    """What every message about one attempt names."""

    job_id: str
    attempt_id: int
    node_id: str
    session_id: str
    trace_id: str


class JobAccepted(AboutAttempt, frozen=True, tag="job_ack"):
    """The node has the job."""


class JobDeclined(AboutAttempt, frozen=True, tag="job_decline"):
    """The node does not take the job; `reason` is for the scheduler's operators."""

    reason: str | None = None


class JobStarted(AboutAttempt, frozen=True, tag="job_started"):
    """The handler runs."""


class AsrPartial(Message, frozen=True, tag="asr_partial"):
    """What has been understood so far."""

    job_id: str
    node_id: str
    session_id: str
    utterance_index: int
    text: str
    is_final: bool
    trace_id: str


class TranslationPartial(Message, frozen=True, tag="translation_partial"):
    """What has been translated so far: `committed` only grows, `tail` may change."""

    job_id: str
    attempt_id: int
    node_id: str
    seq: int
    committed: str
    tail: str | None = None


class TtsChunk(Message, frozen=True, tag="tts_chunk"):
    """The next clause of the translation, spoken, while the rest is still being said."""

    job_id: str
    attempt_id: int
    node_id: str
    seq: int
    audio: str
    tts_format: str


class JobResult(AboutAttempt, frozen=True, tag="job_result"):
    """The end of an attempt, good or bad."""

    utterance_index: int
    success: bool
    text_asr: str | None = None
    text_translated: str | None = None
    tts_audio: str | None = None
    tts_format: str | None = None
    extra: dict[str, Any] | None = None
    processing_time_ms: int | None = None
    node_completed_at_ms: int | None = None
    asr_quality_level: str | None = None
    quality_score: float | None = None
    error: Failure | None = None


Spoken = SpokenAudio | CloseJob
FromScheduler = (
    NodeRegistered
    | OpenJob
    | AssignJob
    | SpokenAudio
    | CloseJob
    | CancelJob
    | ControlNode
    | NodeStatus
    | PairingCode
    | ServerError
)
Partial = AsrPartial | TranslationPartial | TtsChunk
Asking = RegisterNode | NodeHeartbeat | RequestPairingCode
FromNode = Asking | JobAccepted | JobDeclined | JobStarted | Partial | JobResult

_decoder: msgspec.json.Decoder[FromScheduler] = msgspec.json.Decoder(FromScheduler)
_encoder = msgspec.json.Encoder()


def decode(frame: str | bytes) -> FromScheduler:
    """Read one frame of the scheduler.

    :raises msgspec.MsgspecError: not JSON, an unknown type, a field missing or of the wrong type
    """
    return _decoder.decode(frame)


def encode(message: FromNode) -> str:
    """Write one frame to the scheduler."""
    return _encoder.encode(message).decode()


def measure(message: FromNode) -> int:
    """Return how many bytes a frame has."""
    return len(_encoder.encode(message))
