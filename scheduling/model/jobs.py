"""Jobs: their states, what they need, and what each one carries."""

import enum
from collections.abc import Callable
from typing import Any

import msgspec

from scheduling.model.outcomes import Refused
from scheduling.model.standing import BLAMES_SPEAKER


class JobState(enum.StrEnum):
    """The states of one job (docs/architecture.md); the last three before RELEASED are final."""

    NEW = "NEW"
    SELECTING = "SELECTING"
    RESERVED = "RESERVED"
    DISPATCHED = "DISPATCHED"
    ACKED = "ACKED"
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    RELEASED = "RELEASED"


ENDED = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.RELEASED})
WAITING = frozenset({JobState.NEW, JobState.SELECTING, JobState.RETRYING})
SENT = frozenset({JobState.RESERVED, JobState.DISPATCHED})

_PHASE2 = {
    JobState.NEW: "CREATED",
    JobState.SELECTING: "CREATED",
    JobState.RETRYING: "CREATED",
    JobState.RESERVED: "CREATED",
    JobState.DISPATCHED: "DISPATCHED",
    JobState.ACKED: "ACCEPTED",
    JobState.RUNNING: "RUNNING",
    JobState.DONE: "FINISHED",
    JobState.FAILED: "FINISHED",
    JobState.CANCELLED: "FINISHED",
    JobState.RELEASED: "RELEASED",
}


def phase2_state(state: JobState) -> str:
    """Return the older vocabulary's word for `state` (J-1)."""
    return _PHASE2[state]


class Pipeline(msgspec.Struct, frozen=True):
    """Which services the utterance goes through."""

    use_asr: bool = True
    use_nmt: bool = True
    use_tts: bool = True
    use_semantic: bool = False
    use_tone: bool = False


PARTIAL_EVERY_MS = 1_000
"""What every job says, whoever asks for it; clients' wishes are ignored."""
STREAMING = "streaming"
"""The type of a node's capability to work while somebody speaks."""


class Need(msgspec.Struct, frozen=True):
    """What a node must offer to get this job; equal needs wait in one line.

    `src` may be ``auto``; `pairs` are the directed pairs that must all be served, which is
    both directions of a two-way conversation. Types are service types. Where `only_node_id` is
    not ``""``, no other node may have the job, at any attempt. `features` are those that a node
    should support; one that does not is taken while none that does can serve. Where it is not
    `public`, private nodes may have it too; `owner_tenant_id` is the tenant whose private nodes may
    in any case, proved by a credential.
    """

    src: str
    tgt: str
    types: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    public: bool = True
    only_node_id: str = ""
    features: tuple[str, ...] = ()
    owner_tenant_id: str = ""

    @property
    def is_bound(self) -> bool:
        """Say whether it waits for its one node: the speaker's own, whom nobody stands in for."""
        return bool(self.only_node_id) and not self.public

    @property
    def pair(self) -> str:
        """Return source and target as people write them: ``zh-en``."""
        return f"{self.src}-{self.tgt}"

    def for_streaming(self) -> "Need":
        """Return the same of a node that hears speech while it is spoken."""
        return msgspec.structs.replace(self, types=(*self.types, STREAMING))

    def for_parcel(self) -> "Need":
        """Return the same of a node that takes an utterance whole."""
        types = tuple(each for each in self.types if each != STREAMING)
        return msgspec.structs.replace(self, types=types)

    def for_own_node(self, node_id: str) -> "Need":
        """Return the same of one node alone, be it private."""
        return msgspec.structs.replace(self, public=False, only_node_id=node_id)

    def for_any_node(self) -> "Need":
        """Return the same without the one node it must be."""
        return msgspec.structs.replace(self, only_node_id="") if self.only_node_id else self


class JobKind(msgspec.Struct, frozen=True):
    """What times of jobs are told apart by: pool (``""`` for all nodes), pair and tenant."""

    pool_id: str = ""
    pair: str = ""
    tenant_id: str = ""


UNHEARD = msgspec.Raw(b"")
"""The audio of an utterance that has only begun; in a frame it is absent."""


_OPUS_BYTES_A_SECOND = 3_000


class Assignment(msgspec.Struct, frozen=True):
    """One attempt at a job: what its node is to do.

    `audio` is base64 of the whole utterance in `audio_format`, as it stands in a frame
    (`quote_base64`): it is passed on and never looked at. It is `UNHEARD` where the speech has
    only begun: then the node hears it piece by piece.
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

    @property
    def audio_ms(self) -> int:
        """Return how much was said: as it was measured, else by the size of the audio."""
        if self.expected_duration_ms is not None:
            return self.expected_duration_ms
        audio_bytes = max(len(self.audio) - 2, 0) * 3 // 4
        per_second = self.sample_rate * 2 if self.audio_format == "pcm16" else _OPUS_BYTES_A_SECOND
        return audio_bytes * 1_000 // max(per_second, 1)

    @property
    def is_open(self) -> bool:
        """Say whether the speech goes on as far as this assignment knows."""
        return self.audio == UNHEARD


# Writes an assignment as its node receives it; a job is kept in that form until it ends.
EncodeAssignment = Callable[[Assignment], str]


def quote_base64(text: str) -> msgspec.Raw:
    """Return base64 as it stands in a frame; looking for what to escape costs 10 µs for 21 KB."""
    return msgspec.Raw(b'"%b"' % text.encode("ascii"))


class Request(msgspec.Struct, frozen=True):
    """One utterance to be processed: who asks, what it needs, what the node will receive.

    `preferred_node_id` is the node to try first (L5), ``""`` where any will do. `sharer` is whose
    share of waiting it uses up, ``""`` where that is its tenant's. `speech_ended_at_ms` is when the
    last voice was heard, 0 where that is not known. `safe_seq` is the last of the speaker's chunks
    that are not needed once Redis has this, -1 where it changes nothing. `conn_epoch` is the socket
    it was heard on, where its speaker says again on the next what is lost with that; else 0.
    `is_streamed` says that a node heard it while it was spoken, to its end. `answer_by_ms` is the
    moment after which no answer is wanted, 0 where any will do. Answers of one `lane` leave in the
    order of their utterances, and wait for none of another. `is_anew` says that the utterance had a
    job while it was spoken, which ended before it did.
    """

    assignment: Assignment
    need: Need
    tenant_id: str
    request_id: str | None = None
    preferred_node_id: str = ""
    sharer: str = ""
    speech_ended_at_ms: int = 0
    safe_seq: int = -1
    conn_epoch: int = 0
    is_streamed: bool = False
    answer_by_ms: int = 0
    lane: str = ""
    is_anew: bool = False

    @property
    def utterance_key(self) -> str:
        """Return what makes two requests of one session the same utterance (J4)."""
        key = f"{self.assignment.utterance_index}:{self.assignment.tgt_lang}"
        return f"{key}:anew" if self.is_anew else key


# An attempt by its number, and the node that has it.
LiveAttempt = tuple[int, str]


class FailedAttempt(msgspec.Struct, frozen=True):
    """An attempt that failed, the node that had it, and why."""

    attempt: int
    node_id: str
    reason: str


class JobRecord(msgspec.Struct, frozen=True):
    """A job as Redis holds it, for those who repair or explain it.

    `attempt` is the newest and `node_id` its node, once the job ended the node it ended on. `live`
    are all attempts that may be answered yet, or that could when the job ended; `ended_by` is the
    one it ended with. `first_failure` is what to tell where none is answered well. While somebody
    speaks, `open_until_ms` is when that must be over; 0 where all has been said. `deadline_at_ms`
    is when its next step must have happened, `answer_by_ms` when it must be answered, 0 for no such
    moment. While it is hedged, `hedge` is the second attempt, in `hedge_state`, until
    `hedge_until_ms`; else 0. Once hedged, it `was_hedged`.
    """

    job_id: str
    session_id: str
    tenant_id: str
    utterance_index: int
    state: JobState
    attempt: int
    node_id: str
    failed_on: tuple[str, ...]
    created_at_ms: int
    deadline_at_ms: int
    trace_id: str
    need: Need
    preferred_node_id: str = ""
    reason: str = ""
    live: tuple[LiveAttempt, ...] = ()
    first_failure: Refused | None = None
    ended_by: LiveAttempt | None = None
    open_until_ms: int = 0
    failures: tuple[FailedAttempt, ...] = ()
    declined_by: tuple[str, ...] = ()
    answer_by_ms: int = 0
    hedge: int = 0
    hedge_state: JobState = JobState.NEW
    hedge_until_ms: int = 0
    was_hedged: bool = False

    @property
    def due_at_ms(self) -> int:
        """Return when somebody must look at it: it is to be answered, or to take its next step."""
        moments = [self.deadline_at_ms]
        if self.state not in ENDED:
            moments += filter(None, [self.answer_by_ms, self.hedge and self.hedge_until_ms])
        return min(moments)

    def is_hedge_due(self, now_ms: int) -> bool:
        """Say whether only the second attempt is late: the first, and its job, go on."""
        ends_at_ms = min(filter(None, [self.deadline_at_ms, self.answer_by_ms]))
        return self.hedge > 0 and self.hedge_until_ms <= now_ms < ends_at_ms

    @property
    def not_for(self) -> tuple[str, ...]:
        """Return the nodes that do not get it any more: they had it, or would not have it."""
        return (*self.failed_on, *self.declined_by) if self.declined_by else self.failed_on

    def is_current(self, *, attempt: int, node_id: str) -> bool:
        """Say whether an attempt is the newest, on its node, and the job goes on."""
        return self.state not in ENDED and (self.attempt, self.node_id) == (attempt, node_id)

    def awaits(self, *, attempt: int, node_id: str) -> bool:
        """Say whether an attempt was handed to its node, which is still to accept it."""
        if self.hedge and attempt == self.hedge:
            is_sent = self.hedge_state is JobState.DISPATCHED
            return is_sent and self.holds(attempt=attempt, node_id=node_id)
        is_sent = self.state is JobState.DISPATCHED
        return is_sent and self.is_current(attempt=attempt, node_id=node_id)

    def was_blamed(self, *, not_by: str) -> bool:
        """Say whether another node than `not_by` has blamed what was said."""
        return any(one.reason in BLAMES_SPEAKER and one.node_id != not_by for one in self.failures)

    def holds(self, *, attempt: int, node_id: str) -> bool:
        """Say whether an attempt is live, and so entitled to its slot."""
        return self.state not in ENDED and (attempt, node_id) in self.live


COMPLETED, NOT_FOUND, ELSEWHERE = "completed", "not_found", "elsewhere"
# In place of the job that an utterance has: none, its speaker says it again on another socket.
NO_JOB = ""


class Completed(msgspec.Struct, frozen=True):
    """What the end of its speech found of an open job.

    `word` is `COMPLETED`, or why nothing changed: ``ended``, `NOT_FOUND`, or `ELSEWHERE` where its
    speaker says it again on another socket. Where it was completed, `node_id` has its `attempt`,
    ``""`` where it waits for a node; `is_sent` says that it was handed to the node, which is not
    so while a slot is being taken there.
    """

    word: str
    attempt: int = 0
    node_id: str = ""
    is_sent: bool = False
