"""Frames of nodes that do not say whom they are about: what can be read of them says it."""

import json
import time
from typing import Any

import pytest

from tests.e2e.servers import Lingua
from tests.peers.frames import Frame
from tests.peers.node import FakeNode, take_job
from tests.peers.speaker import Speaker
from tests.waiting import eventually, keeps_to

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]
_GONE = object()


def _write(frame: Frame, changes: Frame) -> str:
    changed = frame | changes
    return json.dumps({key: value for key, value in changed.items() if value is not _GONE})


# A result with one field wrong, by which it can still be only the one.
_WRONG: dict[str, Frame] = {
    "no type": {"type": _GONE},
    "a type of nobody": {"type": "job_resul"},
    "a type that is no text": {"type": ["job_result"]},
    "a servers type": {"type": "job_assign"},
    "a speakers type": {"type": "session_close"},
    "the type of an acknowledgement": {"type": "job_ack"},
    "the type of a start": {"type": "job_started"},
    "the type of a partial": {"type": "asr_partial"},
    "the type of a heartbeat": {"type": "node_heartbeat"},
    "the type of a registration": {"type": "node_register"},
    "the type of an error": {"type": "node_error"},
    "no job": {"job_id": _GONE},
    "a job that is no text": {"job_id": 17},
    "a job of 300 characters": {"job_id": "job-" + "1" * 300},
    "no attempt": {"attempt_id": _GONE},
    "an attempt as text": {"attempt_id": "1"},
    "an attempt below none": {"attempt_id": -1},
    "an attempt with a point": {"attempt_id": 1.5},
    "an attempt without end": {"attempt_id": 2**70},
    "no node": {"node_id": _GONE},
    "a node within a list": {"node_id": ["n"]},
}


@pytest.mark.req("ED1")
@pytest.mark.parametrize("wrong", _WRONG.values(), ids=_WRONG)
async def test_whichever_field_of_its_envelope_is_wrong_a_result_moves_its_job_within_a_second(
    lingua: Lingua, languages: Pair, wrong: Frame
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=2) as one,
        FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=2) as another,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        indices = iter(range(1_000))

        async def measure() -> float:
            index = next(indices)
            await speaker.say(index)
            broken, job = await take_job(one, another)
            other = another if broken is one else one
            begun = time.monotonic()
            await broken.send(_write(broken.result_frame(job), wrong))
            again = await other.job()
            assert (again["job_id"], again["attempt_id"]) == (job["job_id"], 2)
            await other.finish(again)
            await speaker.next("translation_result", utterance_index=index)
            assert not lingua.leases(broken.node_id)
            return time.monotonic() - begun

        await keeps_to(1.0, measure)


# What is no result, and what may be about another job: refused by name.
_REFUSED: dict[str, tuple[str, Frame, str, str]] = {
    "a result of an attempt to come": ("job_result", {"attempt_id": 2}, "STALE_ATTEMPT", "attempt"),
    "a result of no attempt": ("job_result", {"attempt_id": 0}, "STALE_ATTEMPT", "attempt_id"),
    "an ack of no attempt": ("job_ack", {"attempt_id": 0}, "STALE_ATTEMPT", "attempt_id"),
    "a start of an attempt to come": ("job_started", {"attempt_id": 7}, "STALE_ATTEMPT", "attempt"),
    "a result of an unknown job": ("job_result", {"job_id": "job-X"}, "NO_SUCH_JOB", "job_id"),
    "an ack of an unknown job": ("job_ack", {"job_id": "job-X"}, "NO_SUCH_JOB", "job_id"),
    "a start of an unknown job": ("job_started", {"job_id": ""}, "NO_SUCH_JOB", "job_id"),
    "a result of another session": (
        "job_result",
        {"job_id": None, "session_id": "s-00000000"},
        "INVALID_MESSAGE",
        "job_id",
    ),
    "a result of another utterance": (
        "job_result",
        {"job_id": None, "utterance_index": 77},
        "INVALID_MESSAGE",
        "job_id",
    ),
    "a result of another trace": (
        "job_result",
        {"job_id": None, "trace_id": "of another"},
        "INVALID_MESSAGE",
        "job_id",
    ),
    "a result of another node": (
        "job_result",
        {"node_id": "another", "success": None},
        "INVALID_MESSAGE",
        "success",
    ),
    "an ack by no known type": ("job_akc", {}, "INVALID_MESSAGE", "type"),
    "a servers type": ("job_assign", {}, "INVALID_MESSAGE", "type"),
    "a type that was a servers": ("node_status", {}, "INVALID_MESSAGE", "type"),
}


@pytest.mark.req("ED1")
async def test_a_frame_that_may_be_about_another_job_is_refused_by_name_and_ends_none(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        leases = lingua.leases(node.node_id)
        for name, (kind, changes, code, words) in _REFUSED.items():
            about = {key: value for key, value in job.items() if key in _ABOUT}
            frame = node.result_frame(job) if kind == "job_result" else about
            whole = frame | {"type": kind, "node_id": node.node_id}
            await node.send(json.dumps(whole | changes))
            told = await node.next("error")
            assert told["code"] == code, (name, told)
            assert words in told["message"], (name, told)
        assert lingua.leases(node.node_id).keys() == leases.keys()
        assert not node.told("job_cancel")
        await node.finish(job)
        await speaker.next("translation_result", utterance_index=0)


_ABOUT = frozenset({"job_id", "attempt_id", "session_id", "trace_id"})


@pytest.mark.req("ED1", "PF5")
@pytest.mark.standalone("MONITOR shows what one server does")
@pytest.mark.parametrize("success", [True, False], ids=["a result", "a failure"])
async def test_a_word_of_a_job_that_a_node_never_had_costs_one_read(
    lingua: Lingua, languages: Pair, *, success: bool
) -> None:
    """No script is tried for it: a storm of such words is nobody else's slow percent."""
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        async with FakeNode.open(lingua.url(NODE), languages) as stranger:
            with lingua.redis.monitor() as monitor:
                await stranger.send(json.dumps(stranger.result_frame(job) | {"success": success}))
                await stranger.next("error", code="NO_SUCH_JOB")
                lingua.redis.echo("over")
                seen = iter(monitor.listen())
                words = iter(lambda: next(seen)["command"], "ECHO over")
                about = [word.split(" ")[0] for word in words if job["job_id"] in word]
        assert about == ["HGETALL"]
        await node.finish(job)
        await speaker.result(0)


@pytest.mark.req("ED1")
async def test_a_result_without_its_job_ends_none_where_two_could_be_meant(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as one,
        Speaker.open(lingua.url(SESSION), languages) as another,
    ):
        await one.say(0)
        first = await node.job()
        await another.say(0)
        second = await node.job()
        # Nothing but audio between them: whose it is nobody can say.
        unknown = {"job_id": 1, "session_id": 1, "utterance_index": 0, "trace_id": None}
        await node.send(_write(node.result_frame(first), unknown))
        await node.next("error", code="INVALID_MESSAGE")
        # The session tells them apart.
        await node.send(_write(node.result_frame(second), {"job_id": 1}))
        told = await node.next("error", code="INVALID_MESSAGE")
        assert told["details"]["job_id"] == second["job_id"]
        error = await another.next("error")
        assert error["code"] == "UNREADABLE_RESULT"
        await node.finish(first)
        await one.next("translation_result", utterance_index=0)


@pytest.mark.req("ED1")
async def test_a_result_without_its_job_may_be_about_one_that_was_stopped(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as gone,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await gone.say(0)
        stopped = await node.job()
        await node.ack(stopped, trace_id=[])
        await node.next("error", code="INVALID_MESSAGE")
        await node.next("job_cancel", job_id=stopped["job_id"])
        await speaker.say(0)
        job = await node.job()
        await node.send('{"type": "job_result", "attempt_id": 1, "text_asr": "and then')
        told = await node.next("error", code="INVALID_MESSAGE")
        assert "job_id" not in told["details"]
        await node.finish(job)
        await speaker.next("translation_result", utterance_index=0)


def _hide(frame: Frame, hidden: str) -> str:
    return f'{{"segments":{hidden},{json.dumps(frame)[1:]}'


_HIDDEN: dict[str, str] = {
    "numbers": f"[{'1,' * 400_000}1]",
    "pairs": f"[{'[1,2],' * 150_000}[]]",
    "members, and one is no JSON": "{" + ",".join(f'"k{n}":NaN' for n in range(60_000)) + "}",
    "more escapes than are followed": json.dumps("\n" * 30_000),
    "pairs, and one is no JSON": f"[{'[1,2],' * 150_000}[NaN]]",
}


@pytest.mark.req("ED1")
async def test_a_large_field_does_not_hide_the_envelope_behind_it(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as one,
        FakeNode.open(lingua.url(NODE), languages) as another,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        for index, (name, hidden) in enumerate(_HIDDEN.items()):
            await speaker.say(index)
            broken, job = await take_job(one, another)
            await broken.send(_hide(broken.result_frame(job) | {"success": 1}, hidden))
            told = await broken.next("error", code="INVALID_MESSAGE")
            assert told["details"].get("job_id") == job["job_id"], (name, told)
            other = another if broken is one else one
            await other.finish(await other.job())
            await speaker.next("translation_result", utterance_index=index)


@pytest.mark.req("ED1")
async def test_a_binary_frame_of_a_node_fails_the_attempt_it_is_about(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as one,
        FakeNode.open(lingua.url(NODE), languages) as another,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await one.send(b"\x00\xff")
        told = await one.next("error", code="INVALID_MESSAGE")
        assert "binary" in told["message"]
        await speaker.say(0)
        broken, job = await take_job(one, another)
        await broken.send(json.dumps(broken.result_frame(job)).encode())
        told = await broken.next("error", code="INVALID_MESSAGE")
        assert told["details"]["job_id"] == job["job_id"]
        other = another if broken is one else one
        await other.finish(await other.job())
        await speaker.next("translation_result", utterance_index=0)


@pytest.mark.req("ED1")
async def test_what_is_said_of_a_job_before_registration_is_refused_by_name(
    lingua: Lingua,
) -> None:
    async with FakeNode.connect(lingua.url(NODE)) as node:
        await node.heartbeat(node_id="early")
        job: Any = {"job_id": "job-1", "attempt_id": 1, "session_id": "s-1", "trace_id": "t"}
        await node.send({"type": "job_ack", "node_id": "early"} | job)
        told = await node.next("error")
        assert (told["code"], told["details"]["type"]) == ("NODE_UNAVAILABLE", "job_ack")
        assert len(node.told("error")) == 1, "a heartbeat is usual there"


@pytest.mark.req("ED1")
async def test_refused_frames_count_and_errors_are_not_answered(
    lingua: Lingua, languages: Pair
) -> None:
    async with FakeNode.open(lingua.url(NODE), languages) as node:
        await node.send({"type": "error", "code": "X", "message": "and back"})
        for kind in ("job_assign", "job_cancel", "nope"):
            await node.send({"type": kind, "job_id": "job-1"})
            assert (await node.next("error"))["code"] == "INVALID_MESSAGE"
        assert len(node.told("error")) == 3
        await node.heartbeat()
        await eventually(
            lambda: '"refused":4' in lingua.node(node.node_id).get("flaws", "").replace(" ", "")
        )
