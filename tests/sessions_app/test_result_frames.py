"""What became of a job, as frames: each outcome, what is shown on the way, and in which order."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model.events import JobAccepted, JobDispatched, JobSettled, PartialHeard
from scheduling.model.jobs import Assignment, Need, Pipeline, Request, quote_base64
from scheduling.model.outcomes import Outcome, Refused, Result
from sessions_app import result_frames
from sessions_app.groups import UtteranceGroups
from sessions_app.messages import MissingResult, PartialShown, TranslationResult, UiEvent
from sockets.wire import ErrorFrame

NOW_MS = 7_000_000
HELLO = Result(text_asr="hello", text_translated="hola", tts_audio="UklGRg==")
FULL = Refused(code="NO_AVAILABLE_NODE", message="full", details={"retry_after_ms": 1500})


def settled(outcome: Outcome, **other: Any) -> JobSettled:
    fields = {
        "session_id": "s-1",
        "job_id": "job-1",
        "utterance_index": 4,
        "trace_id": "t-1",
        "elapsed_ms": 321,
    }
    return JobSettled(outcome=outcome, **fields | other)


def tell(outcome: Outcome, *, groups: UtteranceGroups | None = None, **other: Any) -> list[Any]:
    frames = result_frames.tell_outcome(
        settled(outcome), groups=groups or UtteranceGroups(session_id="s-1"), now_ms=NOW_MS, **other
    )
    return list(frames)


def tell_result(outcome: Result, **other: Any) -> TranslationResult:
    result = tell(outcome, **other)[-1]
    assert isinstance(result, TranslationResult)
    return result


@pytest.mark.req("J13")
@pytest.mark.parametrize(
    ("outcome", "steps"),
    [
        (HELLO, ["ASR_FINAL", "NMT_DONE"]),
        (Result(text_asr="hello"), ["ASR_FINAL"]),
        (Result(text_translated="hola"), ["NMT_DONE"]),
        (Result(tts_audio="UklGRg=="), []),
    ],
)
def test_a_result_comes_after_the_steps_it_went_through(outcome: Result, steps: list[str]) -> None:
    *shown, result = tell(outcome)

    assert [(frame.event, frame.status, frame.elapsed_ms) for frame in shown] == [
        (step, "ok", 321) for step in steps
    ]
    assert isinstance(result, TranslationResult)


@pytest.mark.req("J13")
@pytest.mark.parametrize("outcome", [HELLO, FULL, Result()])
def test_every_frame_names_the_utterance_it_is_about(outcome: Outcome) -> None:
    named = [frame for frame in tell(outcome) if isinstance(frame, UiEvent | MissingResult)] + [
        frame for frame in tell(outcome) if isinstance(frame, TranslationResult)
    ]

    assert {(frame.session_id, frame.utterance_index, frame.trace_id) for frame in named} == {
        ("s-1", 4, "t-1")
    }


def test_a_result_carries_what_the_node_made_as_it_came() -> None:
    made = msgspec.structs.replace(
        HELLO,
        tts_format="opus",
        extra={"note": 1},
        asr_quality_level="good",
        reason_codes=("a", "b"),
        quality_score=0.25,
        rerun_count=2,
        segments_meta={"count": 3},
    )

    result = tell_result(made)

    assert {name: getattr(result, name) for name in made.__struct_fields__[:5]} == {
        "text_asr": "hello",
        "text_translated": "hola",
        "tts_audio": "UklGRg==",
        "tts_format": "opus",
        "extra": {"note": 1},
    }
    assert (result.asr_quality_level, result.reason_codes) == ("good", ("a", "b"))
    assert (result.quality_score, result.rerun_count) == (0.25, 2)
    assert result.segments_meta == {"count": 3}
    assert (result.job_id, result.scheduler_sent_at_ms) == ("job-1", NOW_MS)


@pytest.mark.parametrize(
    ("extra", "processing_time_ms", "timings"),
    [
        ({"service_timings": {"asr_ms": 5}}, 90, {"asr_ms": 5}),
        ({"service_timings": {}}, 90, {}),
        ({"service_timings": "fast"}, 90, {"total_ms": 90}),
        ({}, 0, {"total_ms": 0}),
        (None, 90, {"total_ms": 90}),
        (None, None, None),
    ],
)
def test_timings_are_the_services_own_else_the_whole(
    extra: dict[str, Any] | None, processing_time_ms: int | None, timings: Any
) -> None:
    made = msgspec.structs.replace(HELLO, extra=extra, processing_time_ms=processing_time_ms)

    assert tell_result(made).service_timings == timings


@pytest.mark.req("J13")
def test_results_take_their_places_in_the_group_that_plays() -> None:
    groups = UtteranceGroups(session_id="s-1")

    first = tell_result(HELLO, groups=groups)
    assert first.group_id is not None
    groups.on_playback_ended(group_id=first.group_id, ended_at_ms=NOW_MS, now_ms=NOW_MS)
    second = tell_result(HELLO, groups=groups)

    assert (first.part_index, second.part_index) == (0, 1)
    assert second.group_id == first.group_id


def test_a_result_without_recognized_text_is_in_no_group() -> None:
    result = tell_result(Result(text_translated="hola"))

    assert (result.group_id, result.part_index) == (None, None)


@pytest.mark.req("J18")
def test_one_utterance_in_two_languages_is_one_part() -> None:
    groups = UtteranceGroups(session_id="s-1")

    spanish, french = (
        tell_result(HELLO, groups=groups, tgt_lang=tgt_lang) for tgt_lang in ("es", "fr")
    )

    assert (spanish.tgt_lang, french.tgt_lang) == ("es", "fr")
    assert (spanish.group_id, spanish.part_index) == (french.group_id, french.part_index)


@pytest.mark.req("J13")
@pytest.mark.parametrize(
    ("extra", "is_silent"),
    [
        ({"reason": "ASR_EMPTY"}, True),
        ({"reason": "NO_TEXT_ASSIGNED"}, True),
        ({"reason": "TOO_LOUD"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_nothing_is_told_where_the_node_says_it_heard_nothing(
    extra: dict[str, Any] | None, *, is_silent: bool
) -> None:
    assert result_frames.is_silent(settled(Result(extra=extra))) is is_silent


@pytest.mark.req("J13")
def test_words_are_told_whatever_reason_comes_with_them() -> None:
    spoken = msgspec.structs.replace(HELLO, extra={"reason": "ASR_EMPTY"})

    assert not result_frames.is_silent(settled(spoken))


def test_a_refusal_is_never_silent() -> None:
    assert not result_frames.is_silent(settled(Refused(code="ASR_EMPTY", message="")))


@pytest.mark.req("J13")
@pytest.mark.parametrize("tgt_lang", [None, "es"])
def test_an_empty_result_leaves_a_marker(tgt_lang: str | None) -> None:
    assert tell(Result(), tgt_lang=tgt_lang) == [
        MissingResult(
            session_id="s-1",
            utterance_index=4,
            reason="silence_detected",
            created_at_ms=NOW_MS,
            trace_id="t-1",
            tgt_lang=tgt_lang,
        )
    ]


@pytest.mark.req("J13", "J15")
def test_a_refusal_is_shown_then_explained_then_marked() -> None:
    shown, explained, marker = tell(FULL, tgt_lang="es")

    assert (shown.event, shown.status, shown.error_code) == ("ERROR", "error", "NO_AVAILABLE_NODE")
    assert shown.elapsed_ms == 321
    assert explained == ErrorFrame(
        code="NO_AVAILABLE_NODE", message="full", details={"retry_after_ms": 1500}, trace_id="t-1"
    )
    assert (marker.reason, marker.tgt_lang) == ("no_available_node", "es")


@pytest.mark.req("J15")
@pytest.mark.parametrize("code", ["JOB_TIMEOUT", "CANCELLED"])
def test_what_is_no_error_of_the_speaker_is_shown_without_an_error_frame(code: str) -> None:
    shown, marker = tell(Refused(code=code, message="over"))

    assert shown.error_code == code
    assert marker.reason == code.lower()


@pytest.mark.req("J13")
@pytest.mark.parametrize("code", ["NO_AVAILABLE_NODE", "JOB_TIMEOUT"])
def test_of_a_refusal_that_was_announced_only_the_marker_is_left(code: str) -> None:
    (marker,) = tell(Refused(code=code, message=""), is_announced=True)

    assert isinstance(marker, MissingResult)


@pytest.mark.req("J15")
def test_a_code_without_a_hint_is_explained_by_its_message() -> None:
    shown, *_ = tell(Refused(code="SOMETHING_NEW", message="the node tripped"))

    assert shown.hint == "the node tripped"


@pytest.mark.req("J15")
def test_a_known_code_has_a_hint_for_people() -> None:
    shown, *_ = tell(FULL)

    assert shown.hint not in ("", FULL.message)


def test_of_a_result_there_is_no_refusal_to_tell() -> None:
    assert list(result_frames.tell_refusal(settled(HELLO))) == []


@pytest.mark.req("J13")
@given(
    outcome=st.one_of(
        st.builds(
            Result,
            text_asr=st.text(),
            text_translated=st.text(),
            tts_audio=st.sampled_from(["", "UA"]),
        ),
        st.builds(Refused, code=st.sampled_from(["JOB_TIMEOUT", "A_B"]), message=st.text()),
    ),
    is_announced=st.booleans(),
)
def test_the_last_frame_and_no_other_ends_the_utterance(
    outcome: Outcome, *, is_announced: bool
) -> None:
    *before, last = tell(outcome, is_announced=is_announced)

    assert isinstance(last, TranslationResult | MissingResult)
    assert not any(isinstance(frame, TranslationResult | MissingResult) for frame in before)


@pytest.mark.req("J12")
@pytest.mark.parametrize(
    ("kind", "shown"), [(JobDispatched, "DISPATCHED"), (JobAccepted, "NODE_ACCEPTED")]
)
def test_progress_is_shown_by_what_happened(
    kind: type[JobDispatched | JobAccepted], shown: str
) -> None:
    event = kind(session_id="s-1", job_id="job-1", utterance_index=4, trace_id="t-1")

    assert result_frames.tell_progress(event) == UiEvent(
        trace_id="t-1",
        session_id="s-1",
        job_id="job-1",
        utterance_index=4,
        event=shown,
        status="ok",
    )


@pytest.mark.req("J12")
def test_progress_names_the_utterance_as_it_was_asked_for() -> None:
    event = JobDispatched(session_id="s-1", job_id="job-1", utterance_index=0, trace_id="")
    asked = Assignment(
        job_id="job-1",
        attempt_id=1,
        session_id="s-1",
        utterance_index=4,
        src_lang="en",
        tgt_lang="es",
        audio=quote_base64(""),
        audio_format="pcm16",
        sample_rate=16_000,
        trace_id="t-1",
        pipeline=Pipeline(),
        enable_streaming_asr=True,
        partial_update_interval_ms=1_000,
    )
    need = Need(src="en", tgt="es", types=(), pairs=())
    request = Request(assignment=asked, need=need, tenant_id="")

    shown = result_frames.tell_progress(event, request=request)

    assert (shown.utterance_index, shown.trace_id) == (4, "t-1")


@pytest.mark.req("J12")
@pytest.mark.parametrize("is_final", [False, True])
def test_words_are_shown_as_they_are_recognized(*, is_final: bool) -> None:
    event = PartialHeard(
        session_id="s-1",
        job_id="job-1",
        utterance_index=4,
        trace_id="t-1",
        text="hel",
        is_final=is_final,
    )

    partial, shown = result_frames.tell_partial(event)

    assert partial == PartialShown(
        session_id="s-1",
        utterance_index=4,
        job_id="",
        text="hel",
        is_final=is_final,
        trace_id="t-1",
    )
    assert (shown.event, shown.utterance_index, shown.status) == ("ASR_PARTIAL", 4, "ok")
