"""What a node says of its jobs, as requests: the path, and the body."""

from typing import Any

import msgspec

from lingua_node import messages

_ABOUT = ("job_id", "attempt_id", "node_id")
_OF_A_RESULT = (
    "text_asr",
    "text_translated",
    "tts_audio",
    "tts_format",
    "extra",
    "processing_time_ms",
    "node_completed_at_ms",
    "asr_quality_level",
    "quality_score",
)

Report = messages.JobAccepted | messages.JobDeclined | messages.JobStarted | messages.JobResult


def write(report: Report) -> tuple[str, dict[str, Any]]:
    """Return where a report goes, and what it says."""
    said: dict[str, Any] = msgspec.to_builtins(report)
    about = {name: said[name] for name in _ABOUT}
    match report:
        case messages.JobAccepted():
            return "/v1/job/ack", about
        case messages.JobStarted():
            return "/v1/job/ack", about | {"status": "running"}
        case messages.JobDeclined():
            reason = {"reason": report.reason} if report.reason else {}
            return "/v1/job/decline", about | reason
        case messages.JobResult(error=None):
            result = {name: said[name] for name in _OF_A_RESULT if name in said}
            return "/v1/job/done", about | {"result": result}
        case messages.JobResult(error=failure):
            assert failure is not None  # noqa: S101 - that is the case above
            details = {} if failure.details is None else {"details": failure.details}
            told = {"reason": failure.code, "message": failure.message}
            return "/v1/job/fail", about | told | details
