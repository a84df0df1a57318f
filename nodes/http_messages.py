"""What nodes without a socket say, and what they are told (N18)."""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from nodes.messages import Counter, JobOutput, NodeHeartbeat, NodeId, ShortText
from sockets.wire import PROTOCOL_VERSION, Message, check_levels


class PollWork(Message, frozen=True):
    """A node without a socket asks what there is for it, and waits a while."""

    called: ClassVar = "node_poll"

    node_id: NodeId
    resume_token: ShortText
    wait_ms: Annotated[int, Meta(ge=0, le=30_000)] = 20_000
    most: Annotated[int, Meta(ge=1, le=64)] = 16
    # The number of the last answer that was had: what a later one brought is brought again.
    had: Annotated[int, Meta(ge=0)] | None = None


class BeatOverHttp(NodeHeartbeat, frozen=True, tag="node_heartbeat"):
    """A heartbeat, with the token that names the connection it belongs to."""

    essential: ClassVar = frozenset({"resume_token"})

    resume_token: ShortText = ""


class AttemptReport(Message, frozen=True):
    """Which attempt a node without a socket speaks of."""

    job_id: ShortText
    attempt_id: Counter
    node_id: NodeId


class AckJob(AttemptReport, frozen=True):
    """The node has the job; with the status ``running`` it works on it."""

    called: ClassVar = "job_ack"

    status: Literal["accepted", "running"] = "accepted"
    reason: ShortText | None = None


class DeclineJob(AttemptReport, frozen=True):
    """The node would not take the job; `reason` is its own, for operators."""

    called: ClassVar = "job_decline"

    reason: ShortText | None = None


class DoneJob(AttemptReport, frozen=True):
    """The node finished the job."""

    called: ClassVar = "job_result"

    result: JobOutput
    status: ShortText = "done"


class FailJob(AttemptReport, frozen=True):
    """The node could not do the job; `reason` is a code, as in ``job_result``."""

    called: ClassVar = "job_result"

    status: ShortText = "failed"
    reason: ShortText = "PROCESSING_ERROR"
    message: str = ""
    details: Any = None

    def __post_init__(self) -> None:
        check_levels(self.details)


class RegisteredOverHttp(Message, frozen=True, omit_defaults=False):
    """Who the node is, and how it goes on."""

    node_id: str
    status: str
    resume_token: str
    heartbeat_interval_ms: int
    ok: bool = True
    protocol_version: str = PROTOCOL_VERSION


class Noted(Message, frozen=True, omit_defaults=False):
    """It is so; `status` is what the node, or the job, is now."""

    status: str
    ok: bool = True
