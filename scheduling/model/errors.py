"""Everything that can be refused, by name.

Refusal
├── DependencyDown        SCHEDULER_DEPENDENCY_DOWN
├── SessionUnknown        INTERNAL_ERROR
├── QueueFull             NO_AVAILABLE_NODE
├── NoNodeInTime          NO_AVAILABLE_NODE
├── TenantLimited         NO_AVAILABLE_NODE
├── NoEligiblePool        NO_CAPABLE_NODE
├── PreferredNodeNotCapable  PREFERRED_NODE_NOT_CAPABLE
├── OwnNodeAway           PREFERRED_NODE_NOT_CAPABLE
├── JobTimedOut           JOB_TIMEOUT
├── DeadlineExceeded      DEADLINE_EXCEEDED
├── SpeechAbandoned       SPEECH_ABANDONED
├── PayloadUnreadable     PAYLOAD_UNREADABLE
├── RegistrationRefused   NO_GPU_AVAILABLE, INVALID_CAPABILITY_SCHEMA, NODE_ID_CONFLICT, …
├── ConnectionFenced      NODE_ID_CONFLICT
├── NodeUnknown           NODE_UNAVAILABLE
├── StaleAttempt          STALE_ATTEMPT
├── NoSuchJob             NO_SUCH_JOB
├── AlreadyAccepted       ALREADY_ACCEPTED
├── NoSuchUtterance       NO_SUCH_UTTERANCE
├── UtteranceOver         UTTERANCE_OVER
├── UnknownPairingCode    INVALID_PAIRING_CODE
├── RoomUnknown           ROOM_NOT_FOUND
├── AlreadyInRoom         ALREADY_IN_ROOM
├── RoomFull              ROOM_FULL
├── TooManyLanguages      TOO_MANY_LANGUAGES
├── NotHost               NOT_HOST
├── AccessDenied          UNAUTHORIZED, FORBIDDEN
├── TooManyRequests       RATE_LIMITED
├── NodeForgotten         INTERNAL_ERROR
├── InstanceIdTaken       INTERNAL_ERROR
├── NotAlone              INTERNAL_ERROR
├── PayloadKeysDiffer     INTERNAL_ERROR
└── BadInput              INVALID_MESSAGE, INTERNAL_ERROR
"""

from typing import Any


class Refusal(Exception):
    """The request was understood and refused; `code` is stable, the message is for people.

    `details` is any JSON-ready value, for instance ``{"retry_after_ms": 2000}``.
    """

    code = "INTERNAL_ERROR"

    def __init__(self, message: str | None = None, *, details: Any = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])
        self.details = details


class DependencyDown(Refusal):
    """The scheduler cannot reach its Redis; nothing was accepted. Try again shortly."""

    code = "SCHEDULER_DEPENDENCY_DOWN"


class SessionUnknown(Refusal):
    """Session does not exist."""


class QueueFull(Refusal):
    """Every node is busy and the waiting line is full. Try again later."""

    code = "NO_AVAILABLE_NODE"


class NoNodeInTime(Refusal):
    """No node could take the utterance in time. Try again later."""

    code = "NO_AVAILABLE_NODE"


class TenantLimited(Refusal):
    """The tenant has as many jobs under way, or asks as often, as it may. Try again later."""

    code = "NO_AVAILABLE_NODE"


class NoEligiblePool(Refusal):
    """No pool may serve this utterance."""

    code = "NO_CAPABLE_NODE"


class NoCapableNode(Refusal):
    """No node that is known can do this between these languages. Choose another language."""

    code = "NO_CAPABLE_NODE"


class PreferredNodeNotCapable(Refusal):
    """The node this utterance was meant for cannot take it, and no other may."""

    code = "PREFERRED_NODE_NOT_CAPABLE"


class OwnNodeAway(Refusal):
    """The one node that may have this utterance was busy or away. Try again later."""

    code = "PREFERRED_NODE_NOT_CAPABLE"


class JobTimedOut(Refusal):
    """Every node that took the utterance failed to finish it in time."""

    code = "JOB_TIMEOUT"


class DeadlineExceeded(Refusal):
    """No node could answer within the deadline. Allow more time, or try again later."""

    code = "DEADLINE_EXCEEDED"


class SpeechAbandoned(Refusal):
    """Nobody said how this utterance ends; what was heard of it is not translated. Say it again."""

    code = "SPEECH_ABANDONED"


class PayloadUnreadable(Refusal):
    """What was said is kept under a key that this server does not have. Say it again."""

    code = "PAYLOAD_UNREADABLE"


class RegistrationRefused(Refusal):
    """The node may not register."""

    def __init__(self, *, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ConnectionFenced(Refusal):
    """A newer connection has taken this node's id."""

    code = "NODE_ID_CONFLICT"


class NodeUnknown(Refusal):
    """No living node has this id; register, and go on."""

    code = "NODE_UNAVAILABLE"


class StaleAttempt(Refusal):
    """The attempt is no longer the job's; forget it."""

    code = "STALE_ATTEMPT"


class NoSuchJob(Refusal):
    """No job has this id, or it was forgotten."""

    code = "NO_SUCH_JOB"


class AlreadyAccepted(Refusal):
    """The attempt was accepted before, and is not declined after that; fail it, or finish it."""

    code = "ALREADY_ACCEPTED"


class NoSuchUtterance(Refusal):
    """Nothing is being said, or nothing was said under this number; nothing was cancelled."""

    code = "NO_SUCH_UTTERANCE"


class UtteranceOver(Refusal):
    """The utterance has its answer, or has been cancelled; nothing was changed."""

    code = "UTTERANCE_OVER"


class UnknownPairingCode(Refusal):
    """No node has this pairing code: it was used, or its time is over. Ask for another."""

    code = "INVALID_PAIRING_CODE"


class RoomUnknown(Refusal):
    """No room has this code, or it is over. Ask for the code again."""

    code = "ROOM_NOT_FOUND"


class AlreadyInRoom(Refusal):
    """The session is in the room already."""

    code = "ALREADY_IN_ROOM"


class RoomFull(Refusal):
    """As many are in the room as may be."""

    code = "ROOM_FULL"


class TooManyLanguages(Refusal):
    """As many languages are listened to in the room as may be; choose one of those."""

    code = "TOO_MANY_LANGUAGES"


class NotHost(Refusal):
    """Only who opened the room may end it; leave it instead."""

    code = "NOT_HOST"


class AccessDenied(Refusal):
    """Show a valid credential."""

    code = "UNAUTHORIZED"

    def __init__(self, message: str | None = None, *, forbidden: bool = False) -> None:
        super().__init__(message)
        if forbidden:
            self.code = "FORBIDDEN"


class TooManyRequests(Refusal):
    """You have too many connections or requests. Try again later."""

    code = "RATE_LIMITED"


class NodeForgotten(Refusal):
    """Redis knows nothing of this node; what its connection knows must be written back."""


class InstanceIdTaken(Refusal):
    """Another process lives under this instance id; choose another, or let that one end."""


class NotAlone(Refusal):
    """An instance that keeps to itself and another share a Redis; only one of them may start."""


class PayloadKeysDiffer(Refusal):
    """Instances that share a Redis have other LINGUA_PAYLOAD_KEYS, and cannot read each other."""


class BadInput(Refusal):
    """The message cannot be used as it is."""

    def __init__(self, message: str, *, code: str = "INTERNAL_ERROR") -> None:
        super().__init__(message)
        self.code = code
