"""Write a node for a Lingua scheduler, or speak to one: what programs need, by its short name."""

from lingua_node.jobs import AudioInvalid, Job, JobFailed, Result, StreamJob
from lingua_node.line import SpeakerRefused
from lingua_node.listener import Listener
from lingua_node.messages import AssignJob, LanguagePair, Languages, Service
from lingua_node.mistakes import NodeMistake
from lingua_node.node import Node
from lingua_node.room import Room
from lingua_node.speaker import Speaker
from lingua_node.speaker_messages import (
    Behind,
    CaptionMissed,
    CaptionShown,
    ListenerEvent,
    MissingResult,
    Reconnecting,
    RoomMember,
    RoomMembers,
    RoomRefused,
    SessionOpened,
    SpeakerEvent,
    TranslationResult,
)

__all__ = [
    "AssignJob",
    "AudioInvalid",
    "Behind",
    "CaptionMissed",
    "CaptionShown",
    "Job",
    "JobFailed",
    "LanguagePair",
    "Languages",
    "Listener",
    "ListenerEvent",
    "MissingResult",
    "Node",
    "NodeMistake",
    "Reconnecting",
    "Result",
    "Room",
    "RoomMember",
    "RoomMembers",
    "RoomRefused",
    "Service",
    "SessionOpened",
    "Speaker",
    "SpeakerEvent",
    "SpeakerRefused",
    "StreamJob",
    "TranslationResult",
]
