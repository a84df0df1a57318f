"""What the scheduler tells a node's or a speaker's connection, wherever it is.

A tag names an event between instances, and in the list of dead letters. What a node or a speaker
is sent is written by the connection that takes the event.
"""

import msgspec

from scheduling.model.jobs import JobKind
from scheduling.model.nodes import NodeStatus
from scheduling.model.outcomes import Outcome


class JobAssigned(msgspec.Struct, frozen=True, tag="job_assigned"):
    """To a node: here is a job; `frame` is the encoded assignment, ready for the socket.

    One that `is_open` is still being spoken: its audio follows. `services` and `audio_ms` are what
    the time it takes is measured by, `kind` is what it is counted as. One that `is_hedge` is worked
    on elsewhere as well. Where nobody answered by `help_by_ms`, only a second node can answer in
    time; 0: there is no deadline, or no such node.
    """

    job_id: str
    attempt: int
    session_id: str
    utterance_index: int
    trace_id: str
    frame: str
    is_open: bool = False
    services: str = ""
    audio_ms: int = 0
    kind: JobKind = JobKind()
    is_hedge: bool = False
    help_by_ms: int = 0


class AudioSpoken(msgspec.Struct, frozen=True, tag="audio_spoken"):
    """To a node: what was said next; `pieces` are base64, numbered on from `first_seq`."""

    job_id: str
    attempt: int
    session_id: str
    first_seq: int
    pieces: tuple[str, ...]


class SpeechEnded(msgspec.Struct, frozen=True, tag="speech_ended"):
    """To a node: nothing more will be said after `last_seq`, -1 where nothing was.

    `reason` is the flag of the cut, as an assignment has them, ``""`` for none.
    """

    job_id: str
    attempt: int
    session_id: str
    last_seq: int
    duration_ms: int
    padding_ms: int | None = None
    reason: str = ""


class JobCancelled(msgspec.Struct, frozen=True, omit_defaults=True, tag="job_cancel"):
    """To a node: stop this job if you can; no answer is expected."""

    job_id: str
    trace_id: str | None = None
    reason: str | None = None


class NodeStatusChanged(msgspec.Struct, frozen=True, tag="node_status"):
    """To a node: what the scheduler now takes you for (N6); `timestamp` is in seconds."""

    node_id: str
    status: NodeStatus
    reason: str
    timestamp: int


class NodeControlled(msgspec.Struct, frozen=True, omit_defaults=True, tag="node_control"):
    """To a node: an operator's wish, ``shutdown`` or ``reload_config``."""

    command: str
    reason: str | None = None


class NodeFenced(msgspec.Struct, frozen=True, tag="node_fenced"):
    """To a node's older connection: a newer one has your id; close."""

    node_id: str


class AttemptAnswered(msgspec.Struct, frozen=True, tag="attempt_answered"):
    """To a node's connection: the node answered an attempt at another instance."""

    job_id: str
    attempt: int


ToNode = (
    JobAssigned
    | AudioSpoken
    | SpeechEnded
    | JobCancelled
    | NodeStatusChanged
    | NodeControlled
    | NodeFenced
    | AttemptAnswered
)


class JobDispatched(msgspec.Struct, frozen=True, tag="job_dispatched"):
    """To a speaker: a node's connection has the job; with `is_open` it hears it as it comes."""

    session_id: str
    job_id: str
    utterance_index: int
    trace_id: str
    attempt: int = 0
    node_id: str = ""
    is_open: bool = False


class StreamFailed(msgspec.Struct, frozen=True, tag="stream_broken"):
    """To a speaker's process: an attempt did not get all that was said, so it must begin anew.

    `reason` is ``stream_gap``, a piece was lost, or ``stream_slow``, the node does not keep up.
    """

    session_id: str
    job_id: str
    attempt: int
    node_id: str
    reason: str


class JobAccepted(msgspec.Struct, frozen=True, tag="job_accepted"):
    """To a speaker: the node confirmed that it has the job."""

    session_id: str
    job_id: str
    utterance_index: int
    trace_id: str


class PartialHeard(msgspec.Struct, frozen=True, tag="partial_heard"):
    """To a speaker: what has been recognised so far; outside the order of results.

    Of one that `is_hedge` another attempt is under way; so of those below.
    """

    session_id: str
    job_id: str
    utterance_index: int
    trace_id: str
    text: str
    is_final: bool
    attempt: int = 0
    is_hedge: bool = False


class TranslationHeard(msgspec.Struct, frozen=True, tag="translation_heard"):
    """To a speaker: what has been translated so far; outside the order of results.

    Within an attempt `committed` only grows; `tail` may change.
    """

    session_id: str
    job_id: str
    utterance_index: int
    trace_id: str
    attempt: int
    committed: str
    tail: str
    is_hedge: bool = False


class ClauseSpoken(msgspec.Struct, frozen=True, tag="clause_spoken"):
    """To a speaker: the next clause of the translation, as base64 in `tts_format`."""

    session_id: str
    job_id: str
    utterance_index: int
    trace_id: str
    attempt: int
    seq: int
    audio: str
    tts_format: str
    is_hedge: bool = False


class JobQueued(msgspec.Struct, frozen=True, tag="job_queued"):
    """To a speaker: the job waits as the so many-th, about so long yet; None: nobody knows."""

    session_id: str
    job_id: str
    utterance_index: int
    trace_id: str
    position: int
    wait_ms: int | None = None


class JobSettled(msgspec.Struct, frozen=True, tag="job_settled"):
    """To a speaker: the job ended; `elapsed_ms` counts from its creation.

    `tgt_lang`, `speech_ended_at_ms`, `is_streamed` and `answer_by_ms` are filled in by whoever
    knows what was asked for.
    """

    session_id: str
    job_id: str
    utterance_index: int
    trace_id: str
    outcome: Outcome
    elapsed_ms: int
    tgt_lang: str = ""
    speech_ended_at_ms: int = 0
    is_streamed: bool = False
    answer_by_ms: int = 0


class SessionFenced(msgspec.Struct, frozen=True, tag="session_fenced"):
    """To a speaker's older socket: the session goes on at a newer one; close."""

    session_id: str
    conn_epoch: int


class SignalRelayed(msgspec.Struct, frozen=True, tag="signal_relayed"):
    """To a member of a room: what another's browser tells its own, to hear each other's voice.

    `body` is the JSON of the message as it is passed on.
    """

    session_id: str
    room_code: str
    from_id: str
    body: bytes


ToSession = (
    SessionFenced
    | JobQueued
    | JobDispatched
    | StreamFailed
    | JobAccepted
    | PartialHeard
    | TranslationHeard
    | ClauseSpoken
    | JobSettled
    | SignalRelayed
)
