"""What is kept of a speaker is erased on demand: no word of it is left, and the log says so."""

import json
from pathlib import Path
from typing import Any

import pytest

from scheduling.model import instance_messages
from scheduling.model.events import JobSettled
from scheduling.model.instance_messages import ForSession
from scheduling.model.outcomes import Result
from tests.databases import POSTGRES, Database
from tests.instances.servers import Cluster
from tests.instances.test_dead_letters import leave_unfinished
from tests.manage import issue_api_token, manage, run
from tests.peers.frames import AUDIO, Frame, draw_languages
from tests.peers.http import ask
from tests.peers.member import Member
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.redis_contents import find_words
from tests.redis_under_test import describe
from tests.server.launcher import Instance
from tests.waiting import eventually

HEARD, SAID, NAMED, SHOWN = "erasable-transcript", "wegdamit-gesagt", "Wegwort", "Unvergessen"
WORDS = (HEARD, SAID, NAMED, SHOWN)
SESSION, NODE = "/ws/session", "/ws/node"
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
if POSTGRES:
    _TABLES = "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
# What is under way stays so until the test is over, unless it is erased.
PATIENT = {
    "LINGUA_ACK_TIMEOUT_MS": "60000",
    "LINGUA_RESERVATION_MS": "90000",
    "LINGUA_SESSION_GRACE_S": "600",
}


def find_in_database(var: Path, *words: str) -> list[str]:
    """Return the tables in which one of the words stands."""
    database = Database(var)
    names = [row["name"] for row in database.read(_TABLES)]
    assert len(names) > 10
    tables = {name: str(database.read(f'SELECT * FROM "{name}"')) for name in names}  # noqa: S608 - the database's own names
    return [name for name, text in tables.items() if any(word in text for word in words)]


async def erase(at: Instance, token: str, what: str, name: str) -> Frame:
    reply = await ask(at.address, "/api/v1/erasures", {"what": what, "name": name}, token=token)
    assert reply.status == 200, reply.text
    erased: Frame = reply.json
    return erased


async def answer(node: FakeNode, **about: Any) -> Frame:
    """Let a node do its next job, in words that can be found again."""
    job = await node.job(**about)
    await node.ack(job)
    await node.finish(job, text_asr=HEARD, text_translated=SAID, tts_format="pcm16")
    return job


async def dispatch(at: Instance, pair: tuple[str, str]) -> Frame:
    message = {
        **dict(zip(("src_lang", "tgt_lang"), pair, strict=True)),
        "audio": AUDIO,
        "audio_format": "pcm16",
        "sample_rate": 16_000,
    }
    dispatched: Frame = (await ask(at.address, "/v1/dispatch/f2f", message)).json
    return dispatched


@pytest.mark.req("RE10")
async def test_no_word_of_a_session_is_left_wherever_it_was(
    cluster: Cluster, redis_url: str, tmp_path: Path
) -> None:
    one, two = [cluster.start(**PATIENT) for _ in range(2)]
    var = tmp_path / "var"
    token = issue_api_token(var=var)
    pair = draw_languages()
    async with (
        FakeNode.open(two.url(NODE), pair) as node,
        Member.open(one.url(SESSION), pair, resume_token="", glossary=[NAMED]) as ann,
        Member.open(two.url(SESSION), pair) as bob,
    ):
        await ann.create_room(display_name=SHOWN)
        await bob.join_room(ann.code, display_name="Bob")
        await ann.say(0)
        done = await answer(node)
        await bob.next("translation_result", session_id=ann.session_id)
        await ann.say(1)
        under_way = await node.job()
        settled = JobSettled(
            session_id=ann.session_id,
            job_id=done["job_id"],
            utterance_index=0,
            trace_id="t",
            outcome=Result(text_asr=HEARD, text_translated=SAID),
            elapsed_ms=1,
        )
        letter = ForSession(session_id=ann.session_id, event=settled)
        facts = {"session_id": ann.session_id}
        body = instance_messages.encode(letter)
        await leave_unfinished(redis_url, body, prefix="i:asgi", **facts)
        await eventually(lambda: find_in_database(var, done["job_id"]))
        assert find_words(redis_url, *WORDS)

        erased = await erase(two, token, "session", ann.session_id)

        assert (erased["jobs_cancelled"], erased["captions"], erased["dead_letters"]) == (1, 1, 1)
        assert erased["redis_entries"] > 0
        assert erased["history_rows"] > 0
        assert find_words(redis_url, *WORDS, AUDIO[:200]) == []
        assert find_in_database(var, *WORDS, done["job_id"], under_way["job_id"]) == []
        await node.next("job_cancel", job_id=under_way["job_id"])
        await bob.sees("Bob")
        await ann.closed()
        again = await erase(two, token, "session", ann.session_id)
        assert not any(
            count for name, count in again.items() if name not in {"what", "name", "sessions"}
        )
    noted = Database(var).read(
        "SELECT target, detail FROM operators_auditentry WHERE action = 'session.erase'"
    )
    assert [row["target"] for row in noted] == [ann.session_id] * 2
    assert json.loads(noted[0]["detail"])["captions"] == 1
    assert "Traceback" not in one.errors + two.errors


@pytest.mark.req("RE10")
async def test_the_command_erases_all_of_a_tenant_and_of_nobody_else(
    cluster: Cluster, redis_url: str, tmp_path: Path
) -> None:
    one = cluster.start(**PATIENT)
    var, pair = tmp_path / "var", draw_languages()
    kept = "kept-of-another"
    async with FakeNode.open(one.url(NODE), pair) as node:
        over_http = await dispatch(one, pair)
        await answer(node)
        await eventually(lambda: find_words(redis_url, HEARD))
        async with Speaker.open(one.url(SESSION), pair, tenant_id="other") as other:
            await other.say(0)
            job = await node.job()
            await node.finish(job, text_asr=kept, text_translated=kept)
            await other.result(0)
            told = manage(
                *("erase", "tenant", "default"),
                LINGUA_KEY_PREFIX="i",
                LINGUA_VAR_DIR=str(var),
                **describe(redis_url),
            )

            assert find_words(redis_url, *WORDS) == []
            assert find_words(redis_url, kept)
            await other.check_alive()
        status = (await ask(one.address, f"/v1/job/{over_http['job_id']}", method="GET")).status
        assert status == 404
    assert told.startswith("sessions 1,"), told
    refused = run("erase", "session", "ann", LINGUA_VAR_DIR=str(var), **describe(redis_url))
    assert (refused.returncode, "is no id of a session" in refused.stderr) == (1, True)


@pytest.mark.req("RE10")
async def test_nothing_is_erased_while_the_database_is_away_so_that_a_repeat_finds_all(
    cluster: Cluster, redis_url: str, tmp_path: Path
) -> None:
    one = cluster.start(**PATIENT)
    var, pair = tmp_path / "var", draw_languages()
    async with (
        FakeNode.open(one.url(NODE), pair) as node,
        Speaker.open(one.url(SESSION), pair) as speaker,
    ):
        await speaker.say(0)
        job = await answer(node)
        await eventually(lambda: find_in_database(var, job["job_id"]))
        owner = f"{{session:{speaker.session_id}}}:info"
        cluster.redis.hset(cluster.key(owner), "owner", "p-of-this-test")
        command = ("erase", "principal", "p-of-this-test")
        variables = {
            "LINGUA_KEY_PREFIX": "i",
            "LINGUA_VAR_DIR": str(var),
            **describe(redis_url),
        }
        Database(var).take_away()
        refused = run(*command, **variables)
        Database(var).bring_back()
        told = manage(*command, **variables)

    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False), refused.stderr
    assert told.startswith("sessions 1,"), told
    assert find_in_database(var, job["job_id"]) == []


@pytest.mark.req("RE10")
async def test_who_is_no_operator_erases_nothing(cluster: Cluster, tmp_path: Path) -> None:
    one = cluster.start()
    viewer = issue_api_token(var=tmp_path / "var", scope="read")
    async with Speaker.open(one.url(SESSION), draw_languages()) as speaker:
        wanted = {"what": "session", "name": speaker.session_id}
        for token, status in (("", 401), (viewer, 403)):
            reply = await ask(one.address, "/api/v1/erasures", wanted, token=token)
            assert reply.status == status
        operator = issue_api_token(var=tmp_path / "var")
        for wrong in ({}, {"what": "all", "name": "x"}, {"what": "session", "name": "*"}):
            reply = await ask(one.address, "/api/v1/erasures", wrong, token=operator)
            assert (reply.status, reply.json["error"]) == (400, "INVALID_PARAMETER")
        await speaker.check_alive()
