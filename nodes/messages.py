"""The node socket's messages: first what nodes say, then what they are told."""

from typing import Annotated, Any, ClassVar, get_args

import msgspec
from msgspec import Meta

from nodes.job_frames import AssignJob, CancelJob, CloseJob, OpenJob, SpokenAudio
from scheduling.model.languages import NmtRule
from scheduling.model.nodes import NodeStatus
from sockets.reader import MessageReader
from sockets.wire import PROTOCOL_VERSION, Message, check_levels, find_type

# The end of a text, not of its last line; in the dialect of JSON Schema.
NodeId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$(?!\n)", max_length=64)]
ShortText = Annotated[str, Meta(max_length=256)]
# More than anybody says in an utterance of a minute, in any script.
PartialText = Annotated[str, Meta(max_length=16_384)]
Counter = Annotated[int, Meta(ge=0, le=2**53)]
Slots = Annotated[int, Meta(ge=1, le=2**53)]
Share = Annotated[float, Meta(ge=0, le=1)]
Span = Annotated[float, Meta(ge=0, le=2**53)]
# So many that the sum over all cards is a number, too.
Gigabytes = Annotated[float, Meta(ge=0, le=2**30)]
Languages = Annotated[list[Annotated[str, Meta(max_length=35)]], Meta(max_length=512)]


class Gpu(Message, frozen=True):
    """One graphics card."""

    name: ShortText
    memory_gb: Gigabytes = 0.0


class Hardware(Message, frozen=True):
    """The machine; `gpus` is absent where there is none."""

    cpu_cores: float = 0
    memory_gb: Gigabytes = 0.0
    gpus: list[Gpu] | None = None


class InstalledService(Message, frozen=True):
    """A service of the node; any `type` is kept, only known ones are asked for."""

    service_id: ShortText
    type: ShortText
    status: ShortText = "running"
    device: ShortText | None = None
    version: ShortText | None = None


class InstalledModel(Message, frozen=True):
    """A model of the node; `model_id` names it."""

    model_id: ShortText
    kind: ShortText | None = None
    version: ShortText | None = None
    enabled: bool | None = None


class Capability(Message, frozen=True):
    """Whether the node can serve a type now; the older node names what serves it."""

    type: ShortText
    ready: bool
    ready_impl_ids: Any = None


class LanguagePair(Message, frozen=True):
    """A direction of translation."""

    src: ShortText
    tgt: ShortText


class NmtCapability(Message, frozen=True):
    """One translation model's languages (N16)."""

    rule: NmtRule
    model_id: ShortText | None = None
    languages: Languages | None = None
    supported_pairs: list[LanguagePair] | None = None
    blocked_pairs: list[LanguagePair] | None = None


class LanguageCapabilities(Message, frozen=True):
    """The languages a node hears, speaks, repairs and translates between."""

    asr_languages: Languages | None = None
    tts_languages: Languages | None = None
    semantic_languages: Languages | None = None
    semantic_core_ready: bool | None = None
    nmt_capabilities: list[NmtCapability] | None = None
    supported_language_pairs: list[LanguagePair] | None = None


class AttemptName(Message, frozen=True):
    """An attempt a node says it is working on."""

    job_id: ShortText
    attempt_id: Counter


class RegisterNode(Message, frozen=True, tag="node_register"):
    version: ShortText
    platform: ShortText
    hardware: Hardware
    capability_by_type: list[Capability]
    accept_public_jobs: bool
    node_id: NodeId | None = None
    capability_schema_version: ShortText | None = None
    installed_services: list[InstalledService] | None = None
    language_capabilities: LanguageCapabilities | None = None
    advanced_features: list[ShortText] | None = None
    max_concurrent_jobs: Slots | None = None
    # Told to operators alone: nothing in them is a reason to refuse a node.
    features_supported: Any = None
    installed_models: Any = None
    resume_token: ShortText | None = None
    running_attempts: list[AttemptName] | None = None


class ResourceUsage(Message, frozen=True):
    """Percent of the machine; a figure outside 0 to 100 makes the heartbeat an unhealthy one."""

    essential: ClassVar = frozenset({"cpu_percent", "mem_percent", "running_jobs"})
    cpu_percent: float = 0.0
    mem_percent: float = 0.0
    gpu_percent: float | None = None
    gpu_mem_percent: float | None = None
    running_jobs: Counter = 0


class RerunMetrics(Message, frozen=True):
    """How often a node's program has recognised an utterance again since it began."""

    total: Counter = msgspec.field(default=0, name="totalReruns")
    successful: Counter = msgspec.field(default=0, name="successfulReruns")
    failed: Counter = msgspec.field(default=0, name="failedReruns")
    timed_out: Counter = msgspec.field(default=0, name="timeoutReruns")
    improved: Counter = msgspec.field(default=0, name="qualityImprovements")


class NodeHeartbeat(Message, frozen=True, tag="node_heartbeat"):
    node_id: ShortText
    resource_usage: ResourceUsage
    timestamp: int = 0
    installed_services: list[InstalledService] | None = None
    capability_by_type: list[Capability] | None = None
    language_capabilities: LanguageCapabilities | None = None
    running_attempts: list[AttemptName] | None = None
    draining: bool | None = None
    rerun_metrics: RerunMetrics | None = None
    installed_models: Any = None


class Envelope(Message, frozen=True):
    """Whom a frame is about, read by itself where the rest cannot be read."""

    job_id: ShortText | None = None
    attempt_id: Counter | None = None
    node_id: ShortText | None = None
    session_id: ShortText | None = None
    utterance_index: Counter | None = None
    trace_id: ShortText | None = None
    success: Any = None


class JobAck(Message, frozen=True, tag="job_ack"):
    # Only a result says so: it is one, whatever it calls itself.
    essential: ClassVar = frozenset({"success"})

    job_id: ShortText
    attempt_id: Counter
    node_id: ShortText
    session_id: ShortText
    trace_id: ShortText
    success: None = None


class JobDeclined(Message, frozen=True, tag="job_decline"):
    """The node would not take the job; `reason` is its own, for operators."""

    job_id: ShortText
    attempt_id: Counter
    node_id: ShortText
    session_id: ShortText = ""
    trace_id: ShortText = ""
    reason: ShortText | None = None


class JobStarted(Message, frozen=True, tag="job_started"):
    essential: ClassVar = frozenset({"success"})

    job_id: ShortText
    attempt_id: Counter
    node_id: ShortText
    session_id: ShortText
    trace_id: ShortText
    success: None = None


class AsrPartial(Message, frozen=True, tag="asr_partial"):
    job_id: ShortText
    node_id: ShortText
    session_id: ShortText
    utterance_index: Counter
    text: str
    is_final: bool
    trace_id: ShortText
    attempt_id: Counter | None = None


class TranslationPartial(Message, frozen=True, tag="translation_partial"):
    """What has been translated so far: `committed` only grows, `tail` may change."""

    job_id: ShortText
    attempt_id: Counter
    node_id: ShortText
    seq: Counter
    committed: PartialText
    tail: PartialText = ""


class TtsChunk(Message, frozen=True, tag="tts_chunk"):
    """The next clause of the translation, spoken; `audio` is base64 in `tts_format`."""

    job_id: ShortText
    attempt_id: Counter
    node_id: ShortText
    seq: Counter
    audio: str
    tts_format: ShortText = "pcm16"


class JobError(Message, frozen=True):
    """Why a job failed on the node; the words are for operators, and the node's own."""

    code: ShortText = ""
    message: str = ""
    details: Any = None

    def __post_init__(self) -> None:
        check_levels(self.details)


class ServiceTimings(Message, frozen=True):
    """How long the services of a node took."""

    asr_ms: Span | None = None
    nmt_ms: Span | None = None
    tts_ms: Span | None = None
    total_ms: Span | None = None


class Extra(Message, frozen=True):
    """What a node may add to a result; whatever else it says there is its own."""

    emotion: ShortText | None = None
    speech_rate: Span | None = None
    voice_style: ShortText | None = None
    service_timings: ServiceTimings | None = None
    language_probability: Share | None = None
    language_probabilities: (
        Annotated[dict[Annotated[str, Meta(max_length=35)], Share], Meta(max_length=512)] | None
    ) = None
    reason: ShortText | None = None
    filtered: bool | None = None


class SegmentsMeta(Message, frozen=True):
    """The stretches of speech that a node found in an utterance; times are in seconds."""

    count: Counter | None = None
    max_gap: Span | None = None
    avg_duration: Span | None = None


class JobOutput(Message, frozen=True, kw_only=True):
    """What a node made of an utterance; audio is base64."""

    # A result whose words cannot be read is none.
    essential: ClassVar = frozenset({"text_asr", "text_translated"})

    text_asr: str | None = None
    text_translated: str | None = None
    tts_audio: Any = None  # looked at in `results`: without it there may be words to tell
    tts_format: ShortText | None = None
    extra: Extra | None = None
    processing_time_ms: Span | None = None
    node_completed_at_ms: Counter | None = None
    asr_quality_level: ShortText | None = None
    reason_codes: Annotated[list[ShortText], Meta(max_length=32)] | None = None
    quality_score: Share | None = None
    rerun_count: Counter | None = None
    segments_meta: SegmentsMeta | None = None


class JobResult(JobOutput, frozen=True, tag="job_result"):
    job_id: ShortText
    attempt_id: Counter
    node_id: ShortText
    session_id: ShortText
    utterance_index: Counter
    success: bool
    trace_id: ShortText
    error: JobError | None = None


class NodeErrorReported(Message, frozen=True, tag="node_error"):
    node_id: ShortText
    code: ShortText
    message: str
    details: Any = None


class RequestPairingCode(Message, frozen=True, tag="request_pairing_code"):
    """The node wants a code by which its owner's session is bound to it."""

    node_id: ShortText


class NodeRegistered(Message, frozen=True, tag="node_register_ack"):
    node_id: str
    message: str
    status: str
    resume_token: str | None = None
    max_frame_bytes: int | None = None
    protocol_version: str = msgspec.field(default_factory=lambda: PROTOCOL_VERSION)


class NodeStatusShown(Message, frozen=True, tag="node_status"):
    """What the scheduler now takes the node for (N6); `timestamp` is in seconds."""

    node_id: str
    status: NodeStatus
    reason: str
    timestamp: int


class PairingCodeDrawn(Message, frozen=True, tag="pairing_code"):
    """A code for one session, and how long it may be shown."""

    code: str
    expires_in_ms: int


class ControlNode(Message, frozen=True, tag="node_control"):
    """An operator's wish, ``shutdown`` or ``reload_config``."""

    command: str
    reason: str | None = None


AboutJob = (
    JobAck | JobDeclined | JobStarted | AsrPartial | TranslationPartial | TtsChunk | JobResult
)
FromNode = RegisterNode | NodeHeartbeat | AboutJob | NodeErrorReported | RequestPairingCode
ToNode = (
    NodeRegistered
    | AssignJob
    | OpenJob
    | SpokenAudio
    | CloseJob
    | CancelJob
    | NodeStatusShown
    | ControlNode
    | PairingCodeDrawn
)

REGISTER = "node_register"
# A node that registers is told of every field that is wrong; later ones are read as far as they go.
reader: MessageReader[FromNode] = MessageReader(
    *get_args(FromNode),
    tolerant=tuple(kind for kind in get_args(FromNode) if kind is not RegisterNode),
    envelope=Envelope,
)
decode = reader.decode


def is_error(frame: str) -> bool:
    """Say whether a node says that something is wrong; were that answered, it would go on."""
    return find_type(frame) == "error"
