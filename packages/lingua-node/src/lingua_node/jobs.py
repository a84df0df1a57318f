"""What a handler receives, what it returns, and how it fails."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from lingua_node.messages import AssignJob, Pipeline


class JobFailed(Exception):
    """The job cannot be done; the code and the message travel to the scheduler."""

    def __init__(
        self, message: str, *, code: str = "PROCESSING_ERROR", details: Any = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


class AudioInvalid(JobFailed):
    """The audio cannot be read as what it claims to be."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="INVALID_AUDIO")


class PartialSender(Protocol):
    """Tells what one attempt has before its end."""

    def emit_text(self, text: str, *, is_final: bool) -> Coroutine[Any, Any, None]: ...

    def emit_translation(self, committed: str, tail: str) -> Coroutine[Any, Any, None]: ...

    def emit_speech(self, audio: bytes, tts_format: str) -> Coroutine[Any, Any, None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One attempt at one utterance, as a handler sees it."""

    assign: AssignJob  # the whole message, for the fields not repeated here
    audio: bytes  # in `audio_format`, one channel; empty if the node asked for no audio
    audio_format: (
        str  # "pcm16" (signed, little-endian) or "opus" (length-prefixed packets of 20 ms)
    )
    sample_rate: int  # Hz
    _partials: PartialSender

    @property
    def src_lang(self) -> str:
        return self.assign.src_lang

    @property
    def tgt_lang(self) -> str:
        return self.assign.tgt_lang

    @property
    def pipeline(self) -> Pipeline:
        return self.assign.pipeline

    def emit_partial(self, text: str, *, is_final: bool = False) -> Coroutine[Any, Any, None]:
        """Tell the speaker what has been understood so far; dropped while disconnected.

        Await it, or nobody is told.
        """
        return self._partials.emit_text(text, is_final=is_final)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamJob:
    """One attempt at one utterance that may still be being spoken, as a stream handler sees it."""

    assign: AssignJob  # the `job_open`, or the `job_assign` of one that came whole
    audio: AsyncIterator[bytes]  # what is said next, in `audio_format`; ends with the speech
    audio_format: str  # as in `Job`
    sample_rate: int  # Hz
    _partials: PartialSender

    @property
    def src_lang(self) -> str:
        return self.assign.src_lang

    @property
    def tgt_lang(self) -> str:
        return self.assign.tgt_lang

    @property
    def pipeline(self) -> Pipeline:
        return self.assign.pipeline

    @property
    def wants_speech(self) -> bool:
        """Whether the speaker wants to hear the translation clause by clause."""
        return self.assign.enable_streaming_tts

    def emit_partial(self, text: str, *, is_final: bool = False) -> Coroutine[Any, Any, None]:
        """Tell the speaker what has been understood so far; dropped while disconnected."""
        return self._partials.emit_text(text, is_final=is_final)

    def emit_translation(self, committed: str, tail: str = "") -> Coroutine[Any, Any, None]:
        """Tell what has been translated so far: `committed` only grows, `tail` may change.

        :raises ResultUnsendable: `committed` takes something back
        """
        return self._partials.emit_translation(committed, tail)

    def emit_speech(self, audio: bytes, *, tts_format: str = "pcm16") -> Coroutine[Any, Any, None]:
        """Speak the next clause of the translation; the Result has all of the speech even so.

        Nothing is sent to a speaker that does not want it (`wants_speech`).
        """
        return self._partials.emit_speech(audio, tts_format)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a handler made of a job."""

    text_asr: str = ""
    text_translated: str = ""
    tts_audio: bytes = b""
    tts_format: str = "pcm16"  # or "opus", length-prefixed
    extra: dict[str, Any] = field(default_factory=dict)
    asr_quality_level: str | None = None  # "good", "suspect" or "bad"
    quality_score: float | None = None  # 0-1


AsyncHandler = Callable[[Job], Awaitable[Result]]
Handler = AsyncHandler | Callable[[Job], Result]  # a `def` runs in a thread
StreamHandler = Callable[[StreamJob], Awaitable[Result]]
