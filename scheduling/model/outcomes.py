"""What a job ends in: a result, or a refusal with its reason."""

from typing import Any

import msgspec


class Result(msgspec.Struct, frozen=True, omit_defaults=True, tag="result"):
    """What a node made of an utterance; audio is base64 and passed on as it came.

    `clauses` is how many clauses of it were spoken before.
    """

    text_asr: str = ""
    text_translated: str = ""
    tts_audio: str = ""
    tts_format: str = "pcm16"
    extra: dict[str, Any] | None = None
    processing_time_ms: int | None = None
    node_completed_at_ms: int | None = None
    asr_quality_level: str | None = None
    reason_codes: tuple[str, ...] | None = None
    quality_score: float | None = None
    rerun_count: int | None = None
    segments_meta: dict[str, Any] | None = None
    clauses: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.text_asr or self.text_translated or self.tts_audio)


class Refused(msgspec.Struct, frozen=True, omit_defaults=True, tag="refused"):
    """Why an utterance has no result; `details` may say when to try again."""

    code: str
    message: str
    details: Any = None


Outcome = Result | Refused
