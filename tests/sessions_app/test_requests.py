"""From what a speaker said to the job that is asked for: languages, pipeline, several targets."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model.errors import BadInput
from scheduling.model.jobs import Assignment, Need, Pipeline, Request, quote_base64
from sessions_app import requests
from sessions_app.audio import AudioFormat
from sessions_app.cuts import Cut, CutReason
from sessions_app.http_messages import DispatchUtterance
from sessions_app.messages import InitSession, PipelineWanted, Utterance

PROFILE = requests.Profile(
    src_lang="en",
    tgt_lang="es",
    trace_id="t-session",
    tenant_id="acme",
    dialect="us",
    features={"polite": True},
    lang_a="en",
    lang_b="es",
    auto_langs=("en", "fr"),
    traceparent="00-session",
)
CUT = Cut(
    utterance_index=3,
    audio=b"\0\0",
    audio_format=AudioFormat.OPUS,
    sample_rate=16_000,
    duration_ms=1_280,
    reason=CutReason.PAUSE,
    padding_ms=220,
    turn_id="turn-1",
    first_received_at_ms=0,
    last_received_at_ms=1_280,
    speech_ended_at_ms=1_000,
)
codes = st.sampled_from(["en", "EN", "zh_CN", "zh-cn", "es", " fr "])


def init(**said: Any) -> InitSession:
    fields = {"client_version": "1", "platform": "web", "src_lang": "en", "tgt_lang": "es"}
    return InitSession(**fields | said)


def utterance(**said: Any) -> Utterance:
    fields = {
        "session_id": "s-1",
        "utterance_index": 9,
        "manual_cut": False,
        "src_lang": "de",
        "tgt_lang": "fr",
        "audio": "AAA=",
        "audio_format": "pcm16",
        "sample_rate": 48_000,
    }
    return Utterance(**fields | said)


def read_profile(message: InitSession | DispatchUtterance, **other: Any) -> requests.Profile:
    fields = {"tgt_lang": "es", "tgt_langs": (), "tenant_id": "acme"}
    return requests.read_profile(message, **fields | other)


def assignment(**other: Any) -> Assignment:
    fields = {
        "job_id": "job-1",
        "attempt_id": 1,
        "session_id": "s-1",
        "utterance_index": 3,
        "src_lang": "en",
        "tgt_lang": "es",
        "audio": quote_base64("AAA="),
        "audio_format": "pcm16",
        "sample_rate": 16_000,
        "trace_id": "t-1",
        "pipeline": Pipeline(),
        "enable_streaming_asr": True,
        "partial_update_interval_ms": 1_000,
    }
    return Assignment(**fields | other)


def from_cut(profile: requests.Profile = PROFILE, cut: Cut = CUT) -> Request:
    return requests.request_from_cut(profile, session_id="s-1", cut=cut, audio="AAA=")


@pytest.mark.parametrize(
    ("tgt_lang", "tgt_langs", "read"),
    [
        ("es", None, ("es",)),
        (None, ["es", "fr"], ("es", "fr")),
        ("es", ["fr", "es"], ("es", "fr")),
        ("zh_CN", ["zh-cn", "ZH-CN"], ("zh-CN",)),
        ("es", [], ("es",)),
    ],
)
def test_targets_are_each_named_once_as_bcp_47_writes_them(
    tgt_lang: str | None, tgt_langs: list[str] | None, read: tuple[str, ...]
) -> None:
    assert requests.read_targets(tgt_lang, tgt_langs) == read


@pytest.mark.req("J15")
@pytest.mark.parametrize("tgt_langs", [None, []])
def test_a_speaker_who_names_no_target_is_refused(tgt_langs: list[str] | None) -> None:
    with pytest.raises(BadInput) as refused:
        requests.read_targets(None, tgt_langs)

    assert refused.value.code == "INVALID_MESSAGE"


@pytest.mark.req("J18")
@given(first=codes, further=st.lists(codes, max_size=8))
def test_no_language_is_asked_for_twice_and_none_is_lost(first: str, further: list[str]) -> None:
    targets = requests.read_targets(first, further)

    spelled = [code.strip().lower().replace("_", "-") for code in targets]
    assert len(set(spelled)) == len(spelled)
    assert {code.strip().lower().replace("_", "-") for code in (first, *further)} == set(spelled)


@pytest.mark.req("J18")
def test_a_session_that_asks_for_one_language_has_not_several() -> None:
    assert requests.read_several(init(tgt_langs=[])) == ()


@pytest.mark.req("J18")
def test_a_session_names_its_further_languages_beside_the_first() -> None:
    assert requests.read_several(init(tgt_langs=["fr", "es", "de"])) == ("es", "fr", "de")


@pytest.mark.req("J15")
def test_a_two_way_session_cannot_ask_for_several_languages() -> None:
    with pytest.raises(BadInput) as refused:
        requests.read_several(init(tgt_langs=["fr"], mode="two_way_auto"))

    assert refused.value.code == "INVALID_MESSAGE"


def test_a_profile_keeps_what_the_session_said() -> None:
    said = init(
        dialect="us",
        features={"polite": True},
        mode="m",
        lang_a="en",
        lang_b="es",
        auto_langs=["en", "fr"],
        trace_id="t-session",
        traceparent="00-session",
    )

    profile = read_profile(said, tgt_langs=("es", "fr"), caller="p-1")

    assert profile == msgspec.structs.replace(
        PROFILE, mode="m", tgt_langs=("es", "fr"), caller="p-1"
    )


def test_a_session_without_a_trace_is_given_one() -> None:
    drawn = {read_profile(init()).trace_id for _ in range(2)}

    assert len(drawn) == 2
    assert "" not in drawn


def test_a_session_of_nobody_belongs_to_the_default_tenant() -> None:
    assert read_profile(init(), tenant_id="").tenant_id == "default"


@pytest.mark.req("J16")
def test_an_utterance_without_a_socket_opens_a_profile_of_its_own() -> None:
    profile = read_profile(DispatchUtterance(src_lang="de", dialect="at"), caller="p-1")

    assert (profile.src_lang, profile.tgt_lang, profile.dialect) == ("de", "es", "at")
    assert profile.caller == "p-1"


@pytest.mark.req("N16")
@pytest.mark.parametrize(
    ("said", "pairs"),
    [
        ({"src_lang": "EN", "tgt_lang": "zh_CN"}, {("en", "zh-cn")}),
        ({"src_lang": "auto"}, {("auto", "es")}),
        ({"tgt_langs": ("es", "zh_CN")}, {("en", "es"), ("en", "zh-cn")}),
        ({"mode": "two_way_auto", "lang_b": "zh_CN"}, {("en", "zh-cn"), ("zh-cn", "en")}),
        ({"mode": "two_way_auto", "lang_b": None}, {("en", "es")}),
        ({"mode": "one_way"}, {("en", "es")}),
    ],
)
def test_a_session_may_speak_the_pairs_it_named(
    said: dict[str, Any], pairs: set[tuple[str, str]]
) -> None:
    assert set(msgspec.structs.replace(PROFILE, **said).languages) == pairs


def test_a_cut_is_asked_for_in_the_words_of_its_session() -> None:
    job = from_cut().assignment

    assert (job.src_lang, job.tgt_lang, job.trace_id) == ("en", "es", "t-session")
    assert (job.dialect, job.features, job.auto_langs) == ("us", {"polite": True}, ("en", "fr"))
    assert (job.lang_a, job.lang_b, job.traceparent) == ("en", "es", "00-session")


def test_a_cut_says_what_it_is() -> None:
    job = from_cut().assignment

    assert (job.session_id, job.utterance_index, job.turn_id) == ("s-1", 3, "turn-1")
    assert (job.audio_format, job.sample_rate, bytes(job.audio)) == ("opus", 16_000, b'"AAA="')
    assert (job.padding_ms, job.expected_duration_ms) == (220, 1_280)


@pytest.mark.req("J17")
@pytest.mark.parametrize(
    ("reason", "flags"),
    [
        (CutReason.IS_FINAL, {"is_manual_cut"}),
        (CutReason.PAUSE, {"is_timeout_triggered", "is_pause_triggered"}),
        (CutReason.MAX_DURATION, {"is_max_duration_triggered"}),
    ],
)
def test_a_cut_is_flagged_by_what_cut_it(reason: CutReason, flags: set[str]) -> None:
    cut = Cut(
        **{name: getattr(CUT, name) for name in Cut.__dataclass_fields__} | {"reason": reason}
    )
    job = from_cut(cut=cut).assignment

    every = ("is_manual_cut", "is_timeout_triggered", "is_pause_triggered")
    assert {name for name in (*every, "is_max_duration_triggered") if getattr(job, name)} == flags


@pytest.mark.req("J4")
def test_each_request_is_a_job_of_its_own_at_its_first_attempt() -> None:
    one, other = from_cut().assignment, from_cut().assignment

    assert one.job_id != other.job_id
    assert (one.attempt_id, other.attempt_id) == (1, 1)


@pytest.mark.parametrize(
    "source", [from_cut(), requests.request_from_utterance(PROFILE, utterance())]
)
def test_a_job_is_the_tenants_of_its_session(source: Request) -> None:
    assert source.tenant_id == "acme"


def test_a_whole_utterance_speaks_for_itself() -> None:
    said = utterance(
        dialect="at",
        features={},
        mode="m",
        lang_a="de",
        lang_b="fr",
        auto_langs=["de"],
        trace_id="t-own",
        traceparent="00-own",
    )

    job = requests.request_from_utterance(PROFILE, said).assignment

    assert (job.src_lang, job.tgt_lang, job.trace_id) == ("de", "fr", "t-own")
    assert (job.dialect, job.features, job.mode) == ("at", {}, "m")
    assert (job.lang_a, job.lang_b, job.auto_langs) == ("de", "fr", ("de",))
    assert (job.traceparent, job.sample_rate) == ("00-own", 48_000)


def test_what_a_whole_utterance_leaves_out_its_session_said() -> None:
    job = requests.request_from_utterance(PROFILE, utterance()).assignment

    assert (job.dialect, job.features, job.trace_id) == ("us", {"polite": True}, "t-session")
    assert (job.lang_a, job.lang_b, job.auto_langs) == ("en", "es", ("en", "fr"))
    assert job.traceparent == "00-session"


@pytest.mark.req("J17")
def test_a_whole_utterance_is_flagged_as_cut_by_the_speaker() -> None:
    job = requests.request_from_utterance(PROFILE, utterance(manual_cut=False)).assignment

    assert (job.is_manual_cut, job.is_timeout_triggered) == (True, False)


@pytest.mark.req("J2")
@pytest.mark.parametrize("request_id", [None, "r-1"])
def test_a_whole_utterance_keeps_its_request_id(request_id: str | None) -> None:
    request = requests.request_from_utterance(PROFILE, utterance(request_id=request_id))

    assert request.request_id == request_id


@pytest.mark.parametrize(
    ("wanted", "types"),
    [
        (None, ("asr", "nmt", "tts")),
        (PipelineWanted(use_asr=True, use_nmt=True, use_tts=False), ("asr", "nmt")),
        (PipelineWanted(use_asr=False, use_nmt=True, use_tts=True), ("nmt", "tts")),
        (
            PipelineWanted(
                use_asr=True, use_nmt=False, use_tts=False, use_semantic=True, use_tone=True
            ),
            ("asr", "semantic", "tone"),
        ),
    ],
)
def test_a_node_must_offer_the_services_of_the_pipeline(
    wanted: PipelineWanted | None, types: tuple[str, ...]
) -> None:
    assert requests.request_from_utterance(PROFILE, utterance(pipeline=wanted)).need.types == types


@pytest.mark.req("N16")
@pytest.mark.parametrize(
    ("said", "need"),
    [
        ({"src_lang": "EN", "tgt_lang": "zh_CN"}, ("en", "zh-cn", {("en", "zh-cn")})),
        ({"src_lang": "auto"}, ("auto", "es", {("auto", "es")})),
        (
            {"src_lang": "Auto", "mode": "two_way_auto", "lang_a": "en", "lang_b": "zh_CN"},
            ("auto", "es", {("en", "zh-cn"), ("zh-cn", "en")}),
        ),
        (
            {"src_lang": "en", "mode": "two_way_auto", "lang_a": "en", "lang_b": "fr"},
            ("en", "es", {("en", "es")}),
        ),
        (
            {"src_lang": "auto", "mode": "one_way", "lang_a": "en", "lang_b": "fr"},
            ("auto", "es", {("auto", "es")}),
        ),
    ],
)
def test_a_node_must_serve_every_direction_the_utterance_may_take(
    said: dict[str, Any], need: tuple[str, str, set[tuple[str, str]]]
) -> None:
    stated = requests.state_need(assignment(**said))

    assert (stated.src, stated.tgt, set(stated.pairs)) == need


@pytest.mark.req("J18")
@pytest.mark.parametrize("targets", [(), ("fr",)])
def test_a_request_for_one_language_stays_as_it_is(targets: tuple[str, ...]) -> None:
    request = from_cut()

    assert requests.fan_out(request, targets) == [request]


@pytest.mark.req("J18")
def test_a_request_for_several_languages_becomes_a_job_for_each() -> None:
    spanish, chinese = requests.fan_out(from_cut(), ("es", "zh_CN"))

    assert (spanish.assignment.tgt_lang, chinese.assignment.tgt_lang) == ("es", "zh_CN")
    assert spanish.assignment.job_id != chinese.assignment.job_id
    assert chinese.need == Need(
        src="en",
        tgt="zh-cn",
        types=("asr", "nmt", "tts"),
        pairs=(("en", "zh-cn"),),
        features=("polite",),
    )


@pytest.mark.req("ND12")
@pytest.mark.parametrize(
    ("asked", "counted"),
    [
        (None, ()),
        ({}, ()),
        ({"b": True, "a": True}, ("a", "b")),
        ({"a": False, "b": 1, "c": "true", "d": {"e": True}, "x" * 65: True}, ()),
        ({f"f{number}": True for number in range(9)}, tuple(f"f{one}" for one in range(8))),
    ],
)
def test_features_that_are_true_count_and_no_more_than_eight(
    asked: dict[str, object] | None, counted: tuple[str, ...]
) -> None:
    profile = msgspec.structs.replace(PROFILE, features=None)

    request = requests.request_from_utterance(profile, utterance(features=asked))

    assert request.need.features == counted


@pytest.mark.req("J18")
def test_jobs_of_one_utterance_differ_in_nothing_but_their_language() -> None:
    jobs = [request.assignment for request in requests.fan_out(from_cut(), ("es", "fr"))]

    one, other = (msgspec.structs.replace(job, job_id="", tgt_lang="") for job in jobs)
    assert one == other


@pytest.mark.req("J2", "J18")
@pytest.mark.parametrize(
    ("request_id", "ids"), [("r-1", ["r-1:es", "r-1:fr"]), (None, [None, None])]
)
def test_a_request_id_makes_one_job_in_each_language(
    request_id: str | None, ids: list[str | None]
) -> None:
    request = msgspec.structs.replace(from_cut(), request_id=request_id)

    aimed = requests.fan_out(request, ("es", "fr"))

    assert [one.request_id for one in aimed] == ids


@pytest.mark.req("J4", "J18")
def test_the_same_utterance_in_two_languages_is_two_utterances_to_the_core() -> None:
    keys = {request.utterance_key for request in requests.fan_out(from_cut(), ("es", "fr"))}

    assert keys == {"3:es", "3:fr"}
