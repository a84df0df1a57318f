"""The session socket's messages: first what speakers say, then what they are told."""

from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta

from sessions_app.message_fields import LanguageCode, Moment, ShortText, check_tags
from sessions_app.room_messages import InRoom, OfRoom
from sockets.reader import MessageReader
from sockets.wire import PROTOCOL_VERSION, Message, check_levels, find_type

# Languages one utterance may be translated to.
MOST_TARGETS = 32
Index = Annotated[int, Meta(ge=0, le=2**53 - 1)]
# As in the header of a WAV file.
SampleRate = Annotated[int, Meta(ge=4_000, le=384_000)]
# Of PCM16 in chunks, which are kept for as long as somebody speaks.
ChunkRate = Annotated[int, Meta(ge=4_000, le=96_000)]
# How long after its end an utterance may be answered; longer than that no job lives.
Deadline = Annotated[int, Meta(ge=1, le=600_000)]
_LANGUAGE_FIELDS = ("src_lang", "tgt_lang", "lang_a", "lang_b", "tgt_langs", "auto_langs")


GlossaryWords = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=200)
]


class Spoken(Message, frozen=True, kw_only=True):
    """What both a session and a single utterance may say about their languages."""

    dialect: ShortText | None = None
    features: dict[str, Any] | None = None
    mode: ShortText | None = None
    lang_a: LanguageCode | None = None
    lang_b: LanguageCode | None = None
    auto_langs: Annotated[list[LanguageCode], Meta(max_length=128)] | None = None
    trace_id: ShortText | None = None
    # The span of the caller's that ours belong to, as W3C writes it.
    traceparent: ShortText | None = None

    def __post_init__(self) -> None:
        check_levels(self.features)
        for field in _LANGUAGE_FIELDS:
            tags = getattr(self, field, None)
            if tags is not None:
                check_tags(field, (tags,) if isinstance(tags, str) else tags)


class InitSession(Spoken, frozen=True, tag="session_init"):
    client_version: ShortText
    platform: ShortText
    src_lang: LanguageCode
    tgt_lang: LanguageCode
    pairing_code: ShortText | None = None
    tenant_id: ShortText | None = None
    # Further languages to translate every utterance to: one job, and one answer, for each.
    tgt_langs: Annotated[list[LanguageCode], Meta(max_length=MOST_TARGETS)] | None = None
    # What its chunks are; what is left out is found out. WAV is PCM16 behind headers.
    audio_format: ShortText | None = None
    sample_rate: ChunkRate | None = None
    # Show what is heard and translated while it is said; and say the translation by clause.
    enable_streaming: bool | None = None
    enable_streaming_tts: bool | None = None
    # Words that matter: names, terms. And whether nodes may know what was said before.
    glossary: GlossaryWords | None = None
    enable_context: bool | None = None
    # Of utterances that name none of their own.
    deadline_ms: Deadline | None = None
    # Empty: let me resume this session. Otherwise the token of the session to resume.
    resume_token: ShortText | None = None


class ResultAck(Message, frozen=True, tag="result_ack"):
    """The speaker has every answer up to this utterance."""

    session_id: ShortText
    utterance_index: Index


class UpdateSession(Message, frozen=True, tag="session_update"):
    """The words that matter from now on, in place of those before."""

    session_id: ShortText
    glossary: GlossaryWords


class AudioChunk(Message, frozen=True, tag="audio_chunk"):
    session_id: ShortText
    seq: Annotated[int, Meta(ge=0)]
    is_final: bool
    payload: str | None = None
    # Of the utterance that ends next.
    deadline_ms: Deadline | None = None


class PipelineWanted(Message, frozen=True):
    """Which services the speaker asks for."""

    use_asr: bool
    use_nmt: bool
    use_tts: bool
    use_semantic: bool = False
    use_tone: bool = False


class Utterance(Spoken, frozen=True, tag="utterance"):
    session_id: ShortText
    utterance_index: Index
    manual_cut: bool
    src_lang: LanguageCode
    tgt_lang: LanguageCode
    audio: str
    audio_format: ShortText
    sample_rate: SampleRate
    pipeline: PipelineWanted | None = None
    request_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    deadline_ms: Deadline | None = None


class CancelUtterance(Message, frozen=True, tag="utterance_cancel"):
    """No answer is wanted any more; without an index, to what is being said."""

    session_id: str
    utterance_index: Index | None = None


class ClientHeartbeat(Message, frozen=True, tag="client_heartbeat"):
    session_id: ShortText
    timestamp: int


class TtsStarted(Message, frozen=True, tag="tts_started"):
    session_id: ShortText
    trace_id: ShortText
    group_id: ShortText
    ts_start_ms: Moment


class TtsPlayEnded(Message, frozen=True, tag="tts_play_ended"):
    session_id: ShortText
    trace_id: ShortText
    group_id: ShortText
    ts_end_ms: Moment


class CloseSession(Message, frozen=True, tag="session_close"):
    session_id: ShortText
    reason: ShortText


class SessionOpened(Message, frozen=True, omit_defaults=False, tag="session_init_ack"):
    session_id: str
    trace_id: str
    message: str = "session created"
    protocol_version: str = PROTOCOL_VERSION
    use_binary_frame: bool = False
    negotiated_codec: str = "opus"
    negotiated_audio_format: str = "opus"
    negotiated_sample_rate: int = 16_000
    negotiated_channel_count: int = 1
    resume_token: str | msgspec.UnsetType = msgspec.UNSET
    resumed: bool | msgspec.UnsetType = msgspec.UNSET
    # Of a resumed session whose chunks are acknowledged; -1 for none.
    acked_seq: int | msgspec.UnsetType = msgspec.UNSET
    # The node it is paired with, which alone gets its jobs; or why the code binds it to none.
    assigned_node_id: str | msgspec.UnsetType = msgspec.UNSET
    pairing_error: str | msgspec.UnsetType = msgspec.UNSET


class TranslationResult(Message, frozen=True, tag="translation_result"):
    session_id: str
    utterance_index: int
    job_id: str
    text_asr: str
    text_translated: str
    tts_audio: str
    tts_format: str
    trace_id: str
    scheduler_sent_at_ms: int
    extra: dict[str, Any] | None = None
    group_id: str | None = None
    part_index: int | None = None
    service_timings: dict[str, Any] | None = None
    asr_quality_level: str | None = None
    reason_codes: tuple[str, ...] | None = None
    quality_score: float | None = None
    rerun_count: int | None = None
    segments_meta: dict[str, Any] | None = None
    # How many clauses of it were spoken before, as `tts_chunk`.
    tts_chunks: int = 0
    # When the speaker's last word was heard, by the clock of `scheduler_sent_at_ms`.
    speech_ended_at_ms: int = 0
    # Only in a session with several target languages.
    tgt_lang: str | None = None


class MissingResult(Message, frozen=True, tag="missing_result"):
    session_id: str
    utterance_index: int
    reason: str
    created_at_ms: int
    trace_id: str | None = None
    # Only in a session with several target languages.
    tgt_lang: str | None = None


class PartialShown(Message, frozen=True, tag="asr_partial"):
    session_id: str
    utterance_index: int
    job_id: str
    text: str
    is_final: bool
    trace_id: str


class TranslationGrowing(Message, frozen=True, tag="translation_partial"):
    """What has been translated so far: within an attempt `committed` only grows."""

    session_id: str
    utterance_index: int
    job_id: str
    attempt_id: int
    committed: str
    tail: str
    trace_id: str
    # Only in a session with several target languages.
    tgt_lang: str | None = None


class ClauseSaid(Message, frozen=True, tag="tts_chunk"):
    """The next clause of the translation, spoken; `seq` counts from 0 within an attempt."""

    session_id: str
    utterance_index: int
    job_id: str
    attempt_id: int
    seq: int
    audio: str
    tts_format: str
    trace_id: str
    # Only in a session with several target languages.
    tgt_lang: str | None = None


class AudioAck(Message, frozen=True, tag="audio_ack"):
    """All chunks up to `seq` are safe: they need not be sent again on another socket."""

    session_id: str
    seq: int


class UiEvent(Message, frozen=True, tag="ui_event"):
    trace_id: str
    session_id: str
    job_id: str
    utterance_index: int
    event: str
    status: str
    elapsed_ms: int | None = None
    error_code: str | None = None
    hint: str | None = None
    # Of a job that waits: the so many-th, for about so long.
    queue_position: int | None = None
    expected_wait_ms: int | None = None


class ServerHeartbeat(Message, frozen=True, tag="server_heartbeat"):
    session_id: str
    timestamp: int


class SessionClosed(Message, frozen=True, tag="session_close_ack"):
    session_id: str


class Backpressure(Message, frozen=True, tag="backpressure"):
    action: str
    resume_after_ms: int
    message: str | None = None


FromSpeaker = (
    InitSession
    | ResultAck
    | UpdateSession
    | AudioChunk
    | Utterance
    | CancelUtterance
    | ClientHeartbeat
    | TtsStarted
    | TtsPlayEnded
    | CloseSession
    | InRoom
)
ToSpeaker = (
    SessionOpened
    | TranslationResult
    | MissingResult
    | PartialShown
    | TranslationGrowing
    | ClauseSaid
    | AudioAck
    | UiEvent
    | ServerHeartbeat
    | SessionClosed
    | Backpressure
    | OfRoom
)

reader: MessageReader[FromSpeaker] = MessageReader(*get_args(FromSpeaker))
decode = reader.decode


_OUR_OWN_TYPES = frozenset(
    {
        *("session_init_ack", "translation_result", "missing_result", "asr_partial", "ui_event"),
        *("translation_partial", "tts_chunk", "audio_ack"),
        *("server_heartbeat", "session_close_ack", "backpressure", "error", "room_error"),
        *("room_create_ack", "room_members", "room_expired"),
    }
)


def is_our_own(frame: str) -> bool:
    """Say whether a client sent a message of ours back; such frames are ignored, not refused."""
    return find_type(frame) in _OUR_OWN_TYPES
