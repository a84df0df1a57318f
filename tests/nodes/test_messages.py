"""The frame that gives a node its job, and what the core keeps of it."""

import msgspec

from nodes.job_frames import AssignJob, encode_assignment
from scheduling.model.jobs import Assignment, Pipeline, quote_base64

ASSIGNMENT = Assignment(
    job_id="job-1",
    attempt_id=1,
    session_id="s-1",
    utterance_index=0,
    src_lang="zh",
    tgt_lang="en",
    audio=quote_base64("UklGRg=="),
    audio_format="pcm16",
    sample_rate=16_000,
    trace_id="trace-1",
    pipeline=Pipeline(),
    enable_streaming_asr=True,
    partial_update_interval_ms=1_000,
)
FRAME = (
    '{"type":"job_assign","job_id":"job-1","attempt_id":1,"session_id":"s-1",'
    '"utterance_index":0,"src_lang":"zh","tgt_lang":"en",'
    '"audio_format":"pcm16","sample_rate":16000,"trace_id":"trace-1","pipeline":'
    '{"use_asr":true,"use_nmt":true,"use_tts":true,"use_semantic":false,"use_tone":false},'
    '"enable_streaming_asr":true,"partial_update_interval_ms":1000,"audio":"UklGRg=="}'
)


def _list_fields(kind: type[msgspec.Struct]) -> list[tuple[str, object, object]]:
    return [(field.name, field.type, field.default) for field in msgspec.structs.fields(kind)]


def test_an_assignment_and_its_frame_have_the_same_fields_in_the_same_order() -> None:
    assert _list_fields(AssignJob) == _list_fields(Assignment)


def test_an_assignment_becomes_the_frame_nodes_know_without_what_was_not_said() -> None:
    assert encode_assignment(ASSIGNMENT) == FRAME


def test_what_is_kept_of_a_job_is_read_back_whole() -> None:
    full = msgspec.structs.replace(
        ASSIGNMENT, attempt_id=2, dialect="d", features={"a": [1]}, auto_langs=("zh", "en")
    )
    assert msgspec.json.decode(encode_assignment(full), type=Assignment) == full
