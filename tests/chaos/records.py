"""What peers saw and did, in the order in which it happened: all that the checker reads."""

import time
from dataclasses import dataclass, field
from enum import StrEnum

from tests.chaos.words import Words


class NodeDid(StrEnum):
    """What happened at a node."""

    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    CANCELLED = "cancelled"  # it was told to stop, and did
    ANSWERED = "answered"
    LOST = "lost"  # its socket is gone
    FORGOT = "forgot"  # it no longer works on the job: it lost its socket and cannot resume


class SpeakerDid(StrEnum):
    """What happened at a speaker."""

    OPENED = "opened"  # a new session
    RESUMED = "resumed"  # the session goes on, on another socket
    SAID = "said"
    ANSWERED = "answered"
    REFUSED = "refused"
    LEFT = "left"  # the socket of a session that cannot resume is gone: nothing is owed


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvent:
    """`node` is the peer's own number; what it is called by the server does not matter."""

    at_s: float
    node: int
    did: NodeDid
    job_id: str = ""
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerEvent:
    """`socket` counts the speaker's connections; `text` is the answer, or the reason for none."""

    at_s: float
    speaker: int
    socket: int
    session_id: str
    did: SpeakerDid
    index: int = -1
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What Redis held of one node at one moment, beside what the node offers."""

    at_s: float
    node: int
    held: int
    offered: int


@dataclass(slots=True)
class Records:
    """Everything a run leaves behind."""

    slots: dict[int, int] = field(default_factory=dict)
    nodes: list[NodeEvent] = field(default_factory=list)
    speakers: list[SpeakerEvent] = field(default_factory=list)
    oversold_leases: list[Lease] = field(default_factory=list)
    samples: int = 0
    words: Words = field(default_factory=Words)

    def note_node(self, node: int, did: NodeDid, *, job_id: str = "", attempt: int = 0) -> None:
        self.nodes.append(
            NodeEvent(at_s=time.monotonic(), node=node, did=did, job_id=job_id, attempt=attempt)
        )

    def note_speaker(
        self,
        speaker: int,
        did: SpeakerDid,
        *,
        socket: int,
        session_id: str,
        index: int = -1,
        text: str = "",
    ) -> None:
        self.speakers.append(
            SpeakerEvent(
                at_s=time.monotonic(),
                speaker=speaker,
                socket=socket,
                session_id=session_id,
                did=did,
                index=index,
                text=text,
            )
        )
