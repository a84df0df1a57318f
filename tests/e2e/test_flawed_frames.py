"""Frames of nodes with one thing wrong: repaired, taken without it, or the attempt's failure."""

import json
import time
from typing import Any

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.peers.frames import Frame, register_frame
from tests.peers.http import Reply, ask
from tests.peers.node import FakeNode, take_job
from tests.peers.speaker import Speaker
from tests.waiting import eventually, keeps_to

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]

# Stands in a frame where JSON is to be written that no dictionary can hold.
_RAW = "<raw>"


def _write(frame: Frame, raw: str = "") -> str:
    return json.dumps(frame).replace(f'"{_RAW}"', raw)


async def _say_and_take(speaker: Speaker, *nodes: FakeNode, index: int) -> tuple[FakeNode, Frame]:
    await speaker.say(index)
    return await take_job(*nodes)


async def _ask(lingua: Lingua, path: str) -> Reply:
    return await ask(lingua.instance.address, path, method="GET")


_REPAIRED = {
    "half an emoji": r'"x\ud83d"',
    "the other half": r'"\udE42 x"',
    "two halves in the wrong order": r'"\ude00\ud83d"',
}


@pytest.mark.req("ED1")
async def test_half_a_character_reaches_the_speaker_as_a_replacement(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        for index, raw in enumerate(_REPAIRED.values()):
            _, job = await _say_and_take(speaker, node, index=index)
            await node.send(_write(node.result_frame(job) | {"text_translated": _RAW}, raw))
            result = await speaker.next("translation_result", utterance_index=index)
            assert "\ufffd" in result["text_translated"]
            assert not lingua.leases(node.node_id)


_DROPPED: dict[str, tuple[str, str]] = {
    "a figure as text": ("quality_score", '"0.9"'),
    "a figure out of range": ("quality_score", "17"),
    "not a number": ("quality_score", "NaN"),
    "infinity": ("processing_time_ms", "-Infinity"),
    "a number with a leading zero": ("rerun_count", "01"),
    "a negative count": ("rerun_count", "-1"),
    "a list for an object": ("extra", "[1]"),
    "nesting without end": ("segments_meta", "[" * 5_000 + "]" * 5_000),
    "audio that is a number": ("tts_audio", "7"),
    "audio that is no base64": ("tts_audio", '"AAA*"'),
    "audio within a list": ("tts_audio", '["AAAA"]'),
    "a text that is too long": ("tts_format", f'"{"x" * 300}"'),
    "codes that are no texts": ("reason_codes", "[1, null]"),
    "a digit too many": ("node_completed_at_ms", "9" * 5_000),
    "a field nobody knows": ("whatever", "{1}"),
    "an error nested too deeply": ("error", f'{{"code": "A", "details": {"[" * 40}{"]" * 40}}}'),
}


@pytest.mark.req("ED1")
async def test_a_result_is_taken_without_an_optional_field_that_cannot_be_read(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        for index, (name, (field, raw)) in enumerate(_DROPPED.items()):
            _, job = await _say_and_take(speaker, node, index=index)
            await node.send(_write(node.result_frame(job) | {field: _RAW}, raw))
            result = await speaker.next("translation_result", utterance_index=index)
            assert not result.get(field) or field == "tts_format", name
            told = await node.next("error", code="FIELD_IGNORED")
            assert told["message"].startswith("job_result: "), name
        assert not lingua.leases(node.node_id)
        assert not node.told("job_cancel")


_REFUSED: dict[str, Frame] = {
    "a translation that is no text": {"text_translated": 7},
    "a transcript that is no text": {"text_asr": ["x"]},
    "no index": {"utterance_index": None},
    "a negative index": {"utterance_index": -1},
    "a success that is no boolean": {"success": "yes"},
    "a session that is no text": {"session_id": {"a": 1}},
    "an endless trace": {"trace_id": "t" * 70_000},
    "a node id that is no text": {"node_id": 5},
    "nothing but audio, and that is none": {
        "text_asr": "",
        "text_translated": "",
        "tts_audio": "***",
    },
}


@pytest.mark.req("ED1")
@pytest.mark.parametrize("wrong", _REFUSED.values(), ids=_REFUSED)
async def test_a_result_that_cannot_be_read_moves_the_job_within_a_second(
    lingua: Lingua, languages: Pair, wrong: Frame
) -> None:
    indices = iter(range(10))

    async def measure() -> float:
        index = next(indices)
        broken, job = await _say_and_take(speaker, one, another, index=index)
        other = another if broken is one else one
        begun = time.monotonic()
        await broken.send(broken.result_frame(job) | wrong)
        again = await other.job()
        assert (again["job_id"], again["attempt_id"]) == (job["job_id"], 2)
        await other.finish(again)
        await speaker.next("translation_result", utterance_index=index)
        assert not lingua.leases(broken.node_id)
        return time.monotonic() - begun

    async with (
        FakeNode.open(lingua.url(NODE), languages) as one,
        FakeNode.open(lingua.url(NODE), languages) as another,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await keeps_to(1.0, measure)


@pytest.mark.req("ED1")
async def test_a_frame_that_breaks_off_fails_its_attempt_and_the_node_is_told(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as one,
        FakeNode.open(lingua.url(NODE), languages) as another,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        broken, job = await _say_and_take(speaker, one, another, index=0)
        await broken.send(_write(broken.result_frame(job))[:-20])
        told = await broken.next("error", code="INVALID_MESSAGE")
        assert told["details"]["job_id"] == job["job_id"]
        other = another if broken is one else one
        await other.finish(await other.job())
        await speaker.next("translation_result", utterance_index=0)


@pytest.mark.req("ED1")
async def test_a_node_whose_acknowledgement_cannot_be_read_is_told_to_stop(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as one,
        FakeNode.open(lingua.url(NODE), languages) as another,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        broken, job = await _say_and_take(speaker, one, another, index=0)
        await broken.ack(job, session_id=[])
        await broken.next("error", code="INVALID_MESSAGE")
        await broken.next("job_cancel", job_id=job["job_id"])
        other = another if broken is one else one
        await other.finish(await other.job())
        await speaker.next("translation_result", utterance_index=0)
        await eventually(lambda: not lingua.leases(broken.node_id))


@pytest.mark.req("ED1")
async def test_an_unreadable_frame_about_another_attempt_changes_nothing(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        _, job = await _say_and_take(speaker, node, index=0)
        for changes in ({"attempt_id": 9}, {"job_id": "job-00000000-0"}, {"node_id": "another"}):
            await node.send(node.result_frame(job) | {"success": 1} | changes)
            await node.next("error", code="INVALID_MESSAGE")
        await node.finish(job)
        await speaker.next("translation_result", utterance_index=0)


@pytest.mark.req("ED1", "N5")
async def test_a_heartbeat_counts_without_what_cannot_be_read_of_it(
    lingua: Lingua, languages: Pair
) -> None:
    async with FakeNode.connect(lingua.url(NODE)) as node:
        await node.register(languages)
        await node.heartbeat(timestamp=1.5, rerun_metrics="many", draining="no")
        await node.next("node_status", status="ready")
        await node.heartbeat(resource_usage={"cpu_percent": "5", "mem_percent": 5})
        told = await node.next("error", code="INVALID_MESSAGE")
        assert "cpu_percent" in told["message"]


_NO_REGISTRATIONS: dict[str, tuple[Frame, str]] = {
    "no slots": ({"max_concurrent_jobs": 0}, "max_concurrent_jobs"),
    "fewer slots than none": ({"max_concurrent_jobs": -1}, "max_concurrent_jobs"),
    "slots as text": ({"max_concurrent_jobs": "4"}, "max_concurrent_jobs"),
    "slots with a point": ({"max_concurrent_jobs": 2.0}, "max_concurrent_jobs"),
    "more slots than a node may offer": ({"max_concurrent_jobs": 5_000}, "max_concurrent_jobs"),
    "no hardware": ({"hardware": None}, "hardware"),
    "a card without a name": ({"hardware": {"gpus": [{}]}}, "name"),
    "an impossible id": ({"node_id": "a}b{c"}, "node_id"),
    "an id that ends in a line's end": ({"node_id": "abc\n"}, "node_id"),
    "a card without bounds": (
        {"hardware": {"gpus": [{"name": "a", "memory_gb": 1e308}]}},
        "memory_gb",
    ),
    "languages that are no list": ({"language_capabilities": {"asr_languages": "en"}}, "asr_"),
}


@pytest.mark.req("ED1", "N1")
@pytest.mark.parametrize(("wrong", "field"), _NO_REGISTRATIONS.values(), ids=_NO_REGISTRATIONS)
async def test_a_registration_that_cannot_be_taken_is_refused_by_the_fields_name(
    lingua: Lingua, languages: Pair, wrong: Frame, field: str
) -> None:
    async with FakeNode.connect(lingua.url(NODE)) as node:
        await node.send(register_frame(languages) | wrong)
        told = await node.next("error", code="INVALID_MESSAGE")
        assert field in told["message"]
        assert await node.closed() == 1008
        assert not node.told("node_register_ack")


_FAILURES: dict[str, tuple[Any, str]] = {
    "a code that is too long": ({"code": "X" * 300, "message": "m"}, "PROCESSING_ERROR"),
    "a code with a path in it": ({"code": "/etc/x", "message": "m"}, "PROCESSING_ERROR"),
    "no object": ("it failed", "PROCESSING_ERROR"),
    "words with a path in them": (
        {"code": "INVALID_AUDIO", "message": "ValueError: secret-path /etc/x", "details": ["/etc"]},
        "INVALID_AUDIO",
    ),
}


@pytest.mark.req("ED1")
@pytest.mark.parametrize(("failure", "code"), _FAILURES.values(), ids=_FAILURES)
async def test_a_speaker_hears_of_a_failure_by_its_code_and_a_sentence_of_ours(
    lingua: Lingua, languages: Pair, failure: Any, code: str
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        frame = node.result_frame(await node.job())
        await node.send(frame | {"success": False, "error": failure})
        error = await speaker.next("error")

        async def look() -> Any:
            return (await _ask(lingua, f"/api/v1/nodes/{node.node_id}")).json["flaws"]

        flaws = await eventually(look, fits=lambda flaws: flaws["failures"] == 1)
        assert isinstance(failure, str) or failure["message"] in flaws["last_failure"]
        assert error["code"] == code
        assert "/etc" not in json.dumps(speaker.seen)
        assert not lingua.leases(node.node_id)


@pytest.mark.req("ED1")
async def test_what_a_node_says_beside_its_result_is_checked(
    lingua: Lingua, languages: Pair
) -> None:
    said = {
        "tts_format": "mp3",
        "extra": {
            "diagnostics": "d" * 2_000,
            "emotion": "calm",
            "voice_style": "as heard in /home/someone",
            "language_probability": 0.5,
            "language_probabilities": {"en": 0.5, "not a tag: /etc": 0.5},
            "service_timings": {"asr_ms": 1, "gpu": "/dev/nvidia0"},
            "reason": "could not open /etc/x",
        },
        "segments_meta": {"count": 1, "files": ["/etc/x"]},
        "reason_codes": ["low_quality", "no such file: /etc/x"],
        "asr_quality_level": "splendid",
    }
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        _, job = await _say_and_take(speaker, node, index=0)
        await node.finish(job, **said)
        result = await speaker.next("translation_result", utterance_index=0)

        assert (result["tts_audio"], result["tts_format"]) == ("", "pcm16")
        assert result["extra"] == {
            "emotion": "calm",
            "language_probability": 0.5,
            "language_probabilities": {"en": 0.5},
            "service_timings": {"asr_ms": 1.0},
        }
        assert result["segments_meta"] == {"count": 1}
        assert result["reason_codes"] == ["low_quality"]
        assert "asr_quality_level" not in result


@pytest.mark.req("ED1")
async def test_operators_see_what_a_nodes_frames_had_wrong(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    """On a server of its own: of the flaws of one second only twenty are logged."""
    lingua = servers.start(server_name)
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        _, job = await _say_and_take(speaker, node, index=0)
        await node.finish(job, quality_score="0.9")
        await speaker.next("translation_result", utterance_index=0)
        shown = await _ask(lingua, f"/api/v1/nodes/{node.node_id}")
        row = shown.json
        assert (row["flaws"]["dropped"], row["flaws"]["refused"]) == (1, 0)
        assert row["flaws"]["last"].startswith("quality_score: ")
        await node.heartbeat()
        await eventually(lambda: "quality_score" in lingua.node(node.node_id).get("flaws", ""))
    metrics = (await _ask(lingua, "/metrics")).text
    labels = 'node_program="linux 2.0.0",outcome="dropped",type="job_result"'
    assert f"scheduler_node_frames_flawed_total{{{labels}}}" in metrics
    warned = [line for line in lingua.instance.errors.splitlines() if "not as declared" in line]
    assert any(node.node_id in line and "quality_score" in line for line in warned)
    lingua.stop()


@pytest.mark.req("ED1", "N4")
async def test_two_nodes_with_one_id_are_named_to_operators(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as one,
        FakeNode.connect(lingua.url(NODE)) as another,
    ):
        await one.register(languages, node_id=one.node_id)
        assert "takeovers" not in lingua.node(one.node_id), "it is the same socket"
        await another.register(languages, node_id=one.node_id)
        assert await one.closed() == 4409
        async with FakeNode.connect(lingua.url(NODE)) as again:
            await again.register(languages, node_id=one.node_id)
            assert await another.closed() == 4409
            shown = await _ask(lingua, f"/api/v1/nodes/{one.node_id}")
            assert shown.json["takeovers"] == 2
    lines = lingua.instance.errors.splitlines()
    warned = [line for line in lines if "WARNING" in line and "taken from a living" in line]
    assert len([line for line in warned if one.node_id in line]) == 2


@pytest.mark.req("ED1", "N8")
async def test_what_a_node_says_of_features_and_models_is_shown_as_far_as_it_can_be_read(
    lingua: Lingua, languages: Pair
) -> None:
    model = {"model_id": "m2m100", "kind": "nmt", "src_lang": None, "version": "1", "enabled": True}
    async with FakeNode.open(
        lingua.url(NODE),
        languages,
        features_supported={"tone": True, "emotion": False, "odd": "yes", "x" * 500: True},
        installed_models=[model, {"kind": "asr"}, 7],
    ) as node:
        shown = (await _ask(lingua, f"/api/v1/nodes/{node.node_id}")).json
        assert shown["features"] == ["tone"]
        assert [row["model_id"] for row in shown["models"]] == ["m2m100"]
        await node.heartbeat(installed_models=[])
        await eventually(lambda: "m2m100" not in lingua.node(node.node_id)["description"])


@pytest.mark.req("ED1", "N4")
async def test_a_node_names_no_more_running_attempts_than_it_can_have(
    lingua: Lingua, languages: Pair
) -> None:
    many = [{"job_id": f"job-1A2B3C4D-{n:012x}", "attempt_id": 1} for n in range(67)]
    async with FakeNode.connect(lingua.url(NODE)) as node:
        frame = register_frame(languages) | {"max_concurrent_jobs": 2}
        await node.send(frame | {"running_attempts": many})
        told = await node.next("error", code="INVALID_MESSAGE")
        assert told["message"].startswith("running_attempts: ")
        assert await node.closed() == 1008
    async with FakeNode.connect(lingua.url(NODE)) as node:
        await node.register(languages, max_concurrent_jobs=2, running_attempts=many[:66])
        await node.heartbeat(running_attempts=many)
        told = await node.next("error", code="FIELD_IGNORED")
        assert "running_attempts" in told["message"]
        assert len(node.told("job_cancel")) == 66
