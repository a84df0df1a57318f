"""Operators end a job, or let another node have it once more (ND8)."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.databases import Database
from tests.e2e.servers import Lingua
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

SESSION, NODE = "/ws/session", "/ws/node"


@pytest.mark.req("ND8")
async def test_a_cancelled_job_ends_and_its_node_and_its_speaker_are_told(
    lingua: Lingua, act: Callable[..., Any]
) -> None:
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.ack(job)

        status, told = await act(f"/api/v1/jobs/{job['job_id']}/cancel")

        assert (status, told) == (200, {"job_id": job["job_id"], "action": "cancel"})
        assert (await node.next("job_cancel"))["job_id"] == job["job_id"]
        event = await speaker.next("ui_event", event="ERROR")
        assert event["error_code"] == "CANCELLED"
        assert (await speaker.next("missing_result", utterance_index=0))["reason"] == "cancelled"
        await eventually(lambda: not lingua.leases(node.node_id))
        database = Database(lingua.instance.notes_file.parent / "var")
        noted = "SELECT target FROM operators_auditentry WHERE action = 'job.cancel'"
        assert [row["target"] for row in database.read(noted)] == [job["job_id"]]
        for action in ("cancel", "again"):
            status, told = await act(f"/api/v1/jobs/{job['job_id']}/{action}")
            assert (status, told["error"]) == (409, "JOB_OVER")


@pytest.mark.req("ND8")
async def test_once_more_another_node_has_the_job_and_the_first_one_stops(
    lingua: Lingua, act: Callable[..., Any]
) -> None:
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url(NODE), languages) as stuck,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await stuck.job()
        await stuck.ack(job)
        async with FakeNode.open(lingua.url(NODE), languages) as other:
            status, _ = await act(f"/api/v1/jobs/{job['job_id']}/again")

            assert status == 200
            assert (await stuck.next("job_cancel"))["job_id"] == job["job_id"]
            again = await other.job()
            assert (again["job_id"], again["attempt_id"]) == (job["job_id"], 2)
            await other.ack(again)
            await other.finish(again)
            await speaker.result(0)
        assert not lingua.leases(stuck.node_id)


@pytest.mark.req("ND8")
@pytest.mark.parametrize("action", ["cancel", "again"])
async def test_a_job_that_never_was_is_not_there_and_strangers_do_nothing(
    action: str, act: Callable[..., Any]
) -> None:
    for job_id in ("job-nobody", "job-1A2B3C4D-0123456789ab", "%00"):
        assert (await act(f"/api/v1/jobs/{job_id}/{action}"))[0] == 404
    assert (await act(f"/api/v1/jobs/job-1A2B3C4D-0123456789ab/{action}", shown=""))[0] == 401
