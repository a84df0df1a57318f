"""Write a node for a Lingua scheduler, or speak to one: what programs need, by its short name."""

from lingua_node.jobs import AudioInvalid, Job, JobFailed, Result, StreamJob
from lingua_node.messages import AssignJob, LanguagePair, Languages, Service
from lingua_node.mistakes import NodeMistake
from lingua_node.node import Node
from lingua_node.speaker import Speaker, SpeakerRefused, TranslationResult

__all__ = [
    "AssignJob",
    "AudioInvalid",
    "Job",
    "JobFailed",
    "LanguagePair",
    "Languages",
    "Node",
    "NodeMistake",
    "Result",
    "Service",
    "Speaker",
    "SpeakerRefused",
    "StreamJob",
    "TranslationResult",
]
