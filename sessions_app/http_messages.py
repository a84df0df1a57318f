"""What speakers without a socket say, and what they are told (J16)."""

from typing import Annotated, Any

from msgspec import Meta

from sessions_app.message_fields import LanguageCode, RoomCode, ShortText
from sessions_app.messages import (
    MOST_TARGETS,
    Deadline,
    Index,
    PipelineWanted,
    SampleRate,
    Spoken,
)
from sockets.reader import MessageReader
from sockets.wire import Message

RequestId = Annotated[str, Meta(min_length=1, max_length=128)]


class Options(Message, frozen=True):
    """How an utterance is to be served."""

    require_tts: bool = True
    preferred_node_id: ShortText | None = None


class Callback(Message, frozen=True):
    """A web hook: where the outcome is told, and the secret that signs it."""

    url: Annotated[str, Meta(min_length=1, max_length=2_048)]
    secret: Annotated[str, Meta(min_length=16, max_length=256)]


class DispatchUtterance(Spoken, frozen=True):
    """One utterance, in a session that goes on, or in one of its own.

    Its audio is in it (`audio`, base64) or was sent ahead (`audio_ref`).
    """

    src_lang: LanguageCode
    tgt_lang: LanguageCode | None = None
    tgt_langs: Annotated[list[LanguageCode], Meta(max_length=MOST_TARGETS)] | None = None
    audio: str | None = None
    audio_ref: ShortText | None = None
    audio_format: ShortText = "pcm16"
    sample_rate: SampleRate = 16_000
    session_id: ShortText | None = None
    # Of a member of a room: what it is said in, and what proves whose session that is.
    room_code: RoomCode | None = None
    member_token: ShortText | None = None
    tenant_id: ShortText | None = None
    utterance_index: Index | None = None
    request_id: RequestId | None = None
    pipeline: PipelineWanted | None = None
    options: Options | None = None
    callback: Callback | None = None
    deadline_ms: Deadline | None = None


reader: MessageReader[DispatchUtterance] = MessageReader(DispatchUtterance)


class DispatchedJob(Message, frozen=True, omit_defaults=False):
    """A job on its way: at a node, or, without one, waiting for a slot."""

    job_id: str
    node_id: str | None
    attempt_id: int
    state: str
    tgt_lang: str


class RefusedTarget(Message, frozen=True):
    """One of several languages that was refused at once."""

    error: str
    detail: str
    tgt_lang: str
    details: Any = None


class Dispatched(DispatchedJob, frozen=True):
    """The one job of an utterance."""

    session_id: str
    utterance_index: int


class DispatchedToSeveral(Message, frozen=True, omit_defaults=False):
    """The jobs of an utterance, one a language; those refused at once have none."""

    session_id: str
    utterance_index: int
    jobs: list[DispatchedJob]
    refused: list[RefusedTarget]


class Kept(Message, frozen=True, omit_defaults=False):
    """Audio that was sent ahead, until when."""

    audio_ref: str
    size_bytes: int
    expires_at_ms: int


def choose_status(answer: Dispatched | DispatchedToSeveral) -> int:
    """Return 202 where a job has no node yet, else 200."""
    jobs = answer.jobs if isinstance(answer, DispatchedToSeveral) else [answer]
    return 202 if any(job.node_id is None for job in jobs) else 200
