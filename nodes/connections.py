"""One node's connection in this process: who it is, and what it was given."""

import collections
from collections.abc import Callable, Iterator

import msgspec

from nodes import messages
from nodes.job_frames import CancelJob
from nodes.last_heartbeats import LastHeartbeat
from nodes.mistakes import MistakeSender
from nodes.partial_state import PartialState
from nodes.session_spelling import SessionSpelling
from nodes.speech_relay import SpeechRelay
from nodes.spelling import NodeSpelling
from scheduling.fleet.registry import MOST_BEYOND_SLOTS
from scheduling.model import clock, ids
from scheduling.model.errors import ConnectionFenced
from scheduling.model.events import (
    AttemptAnswered,
    AudioSpoken,
    JobAssigned,
    JobCancelled,
    NodeControlled,
    NodeFenced,
    NodeStatusChanged,
    SpeechEnded,
    ToNode,
)
from scheduling.model.jobs import JobKind
from scheduling.model.nodes import Node, NodeStatus
from scheduling.model.shares import Shares
from scheduling.model.speeds import UsualTime, Work, measure_work
from sockets.outbound import FrameQueue
from sockets.wire import ErrorFrame, encode_text

FENCED = 4409
DISCONNECT = "disconnect"
_NORMAL = 1000
# A job that was stopped may be on its way here for as long as a message may take.
_MOST_STOPPED = 1_024
# What a node says of them a moment later is no mistake.
_MOST_ANSWERED = 64
_LOOKS_PER_S = 10.0


class Held(msgspec.Struct):
    """A job this connection was given; `started` once the node was heard working on it.

    `accepted` says that the node said so, or never does; `told` that the speaker knows of it.
    `relay` is there while or since the node hears it as it is spoken. One that `is_hedge` is worked
    on by another node as well, and one that was `hedged` is by now.
    """

    attempt: int
    session_id: str
    utterance_index: int = 0
    trace_id: str = ""
    started: bool = False
    accepted: bool = False
    told: bool = False
    relay: SpeechRelay | None = None
    services: str = ""
    audio_ms: int = 0
    given_at_ms: float = 0.0
    kind: JobKind = JobKind()
    is_hedge: bool = False
    hedged: bool = False
    partial: PartialState = msgspec.field(default_factory=PartialState)

    @property
    def is_being_spoken(self) -> bool:
        """Say whether the node has not been told that the speech is over."""
        return self.relay is not None and not self.relay.is_over

    def measure(self) -> Work | None:
        """Return what it took until now by our own clock, None where the speech was part of it."""
        if self.relay is not None:
            return None
        took_ms = clock.steady_ms() - self.given_at_ms
        return measure_work(self.services, took_ms=took_ms, audio_ms=self.audio_ms)


class NodeConnection:
    """Identity comes from here, never from the body of a message (I-49)."""

    def __init__(
        self,
        *,
        node: Node,
        outbound: FrameQueue,
        on_written: Callable[["NodeConnection", JobAssigned], None],
        resume_token: str = "",
        spelling: NodeSpelling,
        mistakes: MistakeSender,
    ) -> None:
        self.node = node
        self.spelling = spelling
        self.unreadable_languages: list[tuple[str, str]] = []
        self.resume_token = resume_token
        self.held: dict[str, Held] = {}
        # How long the node takes to say that it has a job.
        self.accepting = UsualTime()
        self.reruns: messages.RerunMetrics | None = None
        # How often Redis is asked for jobs it says it failed and does not have: as many as it may.
        self.looks = Shares(per_s=_LOOKS_PER_S, burst=node.max_jobs + MOST_BEYOND_SLOTS)
        self.last_heartbeat: LastHeartbeat | None = None
        self.flaws_shown_at_ms = -float("inf")
        self.is_flaw_to_show = False
        self._stopped: dict[str, Held] = {}
        self._answered: collections.deque[str] = collections.deque(maxlen=_MOST_ANSWERED)
        self._outbound = outbound
        self._on_written = on_written
        self.mistakes = mistakes
        self._sessions = SessionSpelling()

    @property
    def node_id(self) -> str:
        return self.node.node_id

    @property
    def conn_epoch(self) -> int:
        return self.node.conn_epoch

    def enqueue(self, event: ToNode) -> bool:
        """Queue an event for the node's socket; False when it cannot take it."""
        match event:
            case JobAssigned():
                return self._enqueue_job(event)
            case AudioSpoken() | SpeechEnded():
                return self._relay(event)
            case JobCancelled():
                return self._cancel(event)
            case NodeStatusChanged():
                return self._show_status(event)
            case NodeControlled():
                return self._control(event)
            case AttemptAnswered():
                self.answer(event.job_id, event.attempt)
            case NodeFenced():
                self._step_aside()
        return True

    def answer(self, job_id: str, attempt: int) -> None:
        """Note that the node has answered an attempt, and may be given another job."""
        if self.find(job_id, attempt) is not None:
            del self.held[job_id]
            self._answered.append(job_id)

    def had(self, job_id: str) -> bool:
        """Say whether the node had a job on this connection that ended not long ago."""
        return job_id in self._stopped or job_id in self._answered

    def list_known(self) -> Iterator[tuple[str, Held]]:
        """Yield the jobs that the node may speak of: those it has, and those it was to stop."""
        yield from self.held.items()
        yield from self._stopped.items()

    def list_attempts(self) -> list[tuple[str, int]]:
        """Return the attempts this connection was given and has not answered."""
        return [(job_id, held.attempt) for job_id, held in self.held.items()]

    def find(self, job_id: str, attempt: int) -> Held | None:
        """Return what this connection holds of an attempt, None where it holds another or none."""
        held = self.held.get(job_id)
        return held if held is not None and held.attempt == attempt else None

    def _enqueue_job(self, event: JobAssigned) -> bool:
        """Queue a job, unless the node was told to stop it, or has as many as it offers.

        The last word that it never holds more: a slot may have become free before the word to
        stop got here. A lease ended by itself, or the job's own frame took a longer way.
        """
        if self.find(event.job_id, event.attempt) is not None:
            return True  # two instances may have placed a waiting job here at once
        before = self.held.get(event.job_id)
        if event.job_id in self._stopped or (
            before is None and len(self.held) >= self.node.max_jobs
        ):
            return False
        self.held[event.job_id] = Held(
            attempt=event.attempt,
            session_id=event.session_id,
            utterance_index=event.utterance_index,
            trace_id=event.trace_id,
            relay=SpeechRelay(self._outbound) if event.is_open else None,
            services=event.services,
            audio_ms=event.audio_ms,
            given_at_ms=clock.steady_ms(),
            kind=event.kind,
            is_hedge=event.is_hedge,
        )
        if self._outbound.enqueue(
            self._spell(event.frame),
            on_written=lambda: self._on_written(self, event),
        ):
            return True
        if before is None:
            del self.held[event.job_id]
        else:
            self.held[event.job_id] = before
        return False

    def _spell(self, frame: str) -> str:
        """Return an assignment in this node's words; who acknowledges knows jobs by their ids."""
        spelled = self.spelling.spell_frame(frame)
        return spelled if self.node.description.acknowledges else self._sessions.rename(spelled)

    def _relay(self, event: AudioSpoken | SpeechEnded) -> bool:
        held = self.find(event.job_id, event.attempt)
        return held is not None and held.relay is not None and held.relay.take(event)

    def _step_aside(self) -> None:
        fenced = ConnectionFenced()
        self._send(ErrorFrame(code=fenced.code, message=str(fenced)))
        self._outbound.close(FENCED, fenced.code)

    def _cancel(self, event: JobCancelled) -> bool:
        # It must not come back when leases are written back, nor after this word.
        unknown = Held(attempt=0, session_id=ids.find_session_id(event.job_id) or "")
        self._stopped[event.job_id] = self.held.pop(event.job_id, unknown)
        if len(self._stopped) > _MOST_STOPPED:
            del self._stopped[next(iter(self._stopped))]
        return self._send(
            CancelJob(job_id=event.job_id, trace_id=event.trace_id, reason=event.reason)
        )

    def _show_status(self, event: NodeStatusChanged) -> bool:
        if event.status is NodeStatus.OFFLINE:
            # Somebody else noticed its silence; its next heartbeat is told as a change.
            self.node = msgspec.structs.replace(self.node, status=event.status)
        return self._send(
            messages.NodeStatusShown(
                node_id=event.node_id,
                status=event.status,
                reason=event.reason,
                timestamp=event.timestamp,
            )
        )

    def _control(self, event: NodeControlled) -> bool:
        if event.command == DISCONNECT:
            self._outbound.close(_NORMAL, event.reason or "")
            return True
        return self._send(messages.ControlNode(command=event.command, reason=event.reason))

    def _send(self, message: messages.ToNode | ErrorFrame) -> bool:
        return self._outbound.enqueue(encode_text(message))
