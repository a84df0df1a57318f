"""A job as those are told of it who ask, or are called back, over HTTP."""

from typing import Any

import msgspec

from scheduling.model.jobs import ENDED, JobRecord, phase2_state
from scheduling.model.outcomes import Outcome, Refused, Result


class JobReport(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where a job stands; once it ended, its `result`, or `error` with `detail`."""

    job_id: str
    session_id: str
    utterance_index: int
    src_lang: str
    tgt_lang: str
    state: str
    phase2_state: str
    attempt_id: int
    trace_id: str
    node_id: str | None = None
    ended: bool = False
    result: Result | None = None
    error: str | None = None
    detail: str | None = None
    details: Any = None


def describe_job(record: JobRecord, outcome: Outcome | None) -> JobReport:
    """Return what is told of a job; an outcome that was not kept long enough is `CANCELLED`."""
    report = JobReport(
        job_id=record.job_id,
        session_id=record.session_id,
        utterance_index=record.utterance_index,
        src_lang=record.need.src,
        tgt_lang=record.need.tgt,
        state=record.state,
        phase2_state=phase2_state(record.state),
        attempt_id=record.attempt,
        node_id=record.node_id or None,
        trace_id=record.trace_id,
        ended=record.state in ENDED,
    )
    if not report.ended:
        return report
    if isinstance(outcome, Result):
        return msgspec.structs.replace(report, result=outcome)
    refused = outcome or Refused(code="CANCELLED", message="The answer was kept no longer.")
    return msgspec.structs.replace(
        report, error=refused.code, detail=refused.message, details=refused.details
    )
