"""Nodes that fail a job, or lose their socket with one in hand: the situations of real clients."""

import time

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.peers.desktop_node import DesktopNode
from tests.peers.frames import Frame
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually, keeps_to

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]
# Not the run timeout, however slow the machine.
SOON_S = 60


@pytest.mark.req("ED4", "N14", "J13")
@pytest.mark.parametrize("features", [[], ["job_ack"]], ids=["silent", "acknowledges"])
async def test_a_node_that_comes_back_delivers_what_it_had(
    lingua: Lingua, languages: Pair, features: list[str]
) -> None:
    async with (
        DesktopNode.open(lingua.url(NODE), languages, advanced_features=features) as lost,
        DesktopNode.connect(lingua.url(NODE)) as back,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await lost.job()
        await lost.ack(job)
        lost.drop()
        await _until_offline(lingua, lost)
        await back.come_back(lost, languages)
        await back.finish(job)
        await speaker.result(0)

        assert not back.told("job_assign")
        assert not speaker.told("error")
        assert not speaker.told("missing_result")
        assert not lingua.leases(lost.node_id)


@pytest.mark.req("ED4", "R1")
async def test_a_node_that_comes_back_is_first_and_the_other_is_stopped(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        DesktopNode.open(lingua.url(NODE), languages) as lost,
        DesktopNode.connect(lingua.url(NODE)) as back,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await lost.job()
        async with DesktopNode.open(lingua.url(NODE), languages) as other:
            lost.drop()
            second = await other.job()
            await back.come_back(lost, languages)
            assert f"{job['job_id']}:1" in lingua.leases(lost.node_id)
            await back.finish(job)
            result = await speaker.result(0)
            await other.next("job_cancel", job_id=job["job_id"])
            await other.finish(second)
            await speaker.check_alive()

            assert result["text_translated"].endswith("attempt 1")
            assert len(speaker.told("translation_result")) == 1
            await eventually(lambda: not lingua.leases(lost.node_id), what="one slot free")
            await eventually(lambda: not lingua.leases(other.node_id), what="the other, too")


@pytest.mark.req("ED4", "N4")
async def test_a_job_of_a_socket_that_lost_its_id_is_tried_elsewhere_at_once(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        DesktopNode.open(lingua.url(NODE), languages) as older,
        DesktopNode.connect(lingua.url(NODE)) as newer,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await older.job()
        async with DesktopNode.open(lingua.url(NODE), languages) as other:
            begun = time.monotonic()
            await newer.register(languages, node_id=older.node_id)
            again = await other.job()
            assert time.monotonic() - begun < SOON_S
            assert (again["job_id"], again["attempt_id"]) == (job["job_id"], 2)
            # What the node had, it may yet deliver on its newer socket.
            await newer.finish(job)
            assert (await speaker.result(0))["text_translated"].endswith("attempt 1")
            await other.next("job_cancel", job_id=job["job_id"])
            await eventually(lambda: not lingua.leases(older.node_id))


@pytest.mark.req("ED4", "N4")
async def test_a_node_that_takes_its_id_from_itself_delivers_where_no_other_node_is(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        DesktopNode.open(lingua.url(NODE), languages) as older,
        DesktopNode.connect(lingua.url(NODE)) as newer,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await older.job()
        await newer.come_back(older, languages)
        await newer.finish(job)
        await speaker.result(0)
        assert not speaker.told("error")
        assert not newer.told("job_assign")


@pytest.mark.req("ED4", "N14")
async def test_a_node_that_stays_away_is_waited_for_no_longer_than_its_grace(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    lingua = servers.start(server_name, LINGUA_NODE_GRACE_S="0.3", LINGUA_PENDING_TIMEOUT_S="0.2")
    async with (
        DesktopNode.open(lingua.url(NODE), languages) as lost,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await lost.job()
        lost.drop()
        missing = await speaker.next("missing_result")

        assert missing["utterance_index"] == 0
        await eventually(lambda: not lingua.leases(lost.node_id), what="the slot is free")
        assert lingua.job(job["job_id"])["failed_on"] == lost.node_id
    lingua.stop()


@pytest.mark.req("ED4")
@pytest.mark.parametrize("code", ["PROCESSING_ERROR", "DUPLICATE_JOB_ID"])
async def test_a_node_that_says_it_has_the_job_is_waited_for(
    lingua: Lingua, languages: Pair, code: str
) -> None:
    async with (
        DesktopNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.fail(job, code, message="DUPLICATE_JOB_ID: job_id already processed")
        await node.heartbeat(draining=True)
        await node.next("node_status")
        assert f"{job['job_id']}:1" in lingua.leases(node.node_id)
        await node.finish(job)
        await speaker.result(0)

        assert len(node.told("job_assign")) == 1
        assert not speaker.told("error")
        assert not lingua.leases(node.node_id)


@pytest.mark.req("ED4", "J8")
async def test_a_node_that_says_it_has_the_job_is_waited_for_no_longer_than_a_run(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    lingua = servers.start(server_name, LINGUA_RUN_TIMEOUT_S="1", LINGUA_PENDING_TIMEOUT_S="0.2")
    async with (
        DesktopNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.fail(job, "PROCESSING_ERROR", message="DUPLICATE_JOB_ID: seen")
        missing = await speaker.next("missing_result")

        assert "DUPLICATE" not in str(speaker.seen)
        assert missing["utterance_index"] == 0
        assert len(node.told("job_assign")) == 1
        await eventually(lambda: not lingua.leases(node.node_id), what="the slot is free")
    lingua.stop()


@pytest.mark.req("ED4", "J9", "J13")
async def test_what_its_only_node_failed_is_refused_at_once_and_holds_up_nothing(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        DesktopNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        failed = await node.job()
        await speaker.say(1)
        await node.finish(await node.job(utterance_index=1))
        await node.fail(failed, "PROCESSING_ERROR", message="ASR service: HTTP 500")
        await speaker.result(1)

        (missing,) = speaker.told("missing_result")
        assert (missing["utterance_index"], missing["reason"]) == (0, "processing_error")
        assert [frame["code"] for frame in speaker.told("error")] == ["PROCESSING_ERROR"]
        assert len(node.told("job_assign")) == 2
        assert not lingua.leases(node.node_id)


@pytest.mark.req("ED4", "J9")
async def test_the_first_of_several_failures_is_told(lingua: Lingua, languages: Pair) -> None:
    async with (
        DesktopNode.open(lingua.url(NODE), languages) as one,
        DesktopNode.open(lingua.url(NODE), languages) as another,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        first, job = await _take(one, another)
        await first.fail(job, "ASR_BROKEN")
        second = another if first is one else one
        await second.fail(await second.job(), "NMT_BROKEN")
        await speaker.next("missing_result")

        assert [frame["code"] for frame in speaker.told("error")] == ["ASR_BROKEN"]
        assert len(one.told("job_assign")) == len(another.told("job_assign")) == 1


FAILURES = {
    "error": {"error": {"code": "PROCESSING_ERROR", "message": "HTTP 500"}},
    "no error": {"error": None},
    "no model": {"error": {"code": "MODEL_NOT_AVAILABLE", "message": "none"}},
    "another code": {"error": {"code": "GPU_ON_FIRE", "message": ""}},
    "seen utterance": {
        "error": {"code": "PROCESSING_ERROR", "message": "DUPLICATE_UTTERANCE_INDEX: seen"}
    },
}


@pytest.mark.req("ED4", "J9", "N14")
@pytest.mark.parametrize("failure", [*FAILURES, "socket cut", "socket closed"])
async def test_whatever_way_a_node_fails_another_one_answers_within_a_second(
    lingua: Lingua, languages: Pair, failure: str
) -> None:
    async def fail_over() -> float:
        async with (
            DesktopNode.open(lingua.url(NODE), languages) as one,
            DesktopNode.open(lingua.url(NODE), languages) as another,
            Speaker.open(lingua.url(SESSION), languages) as speaker,
        ):
            await speaker.say(0)
            failing, job = await _take(one, another)
            other = another if failing is one else one
            begun = time.monotonic()
            if failure == "socket cut":
                failing.drop()
            elif failure == "socket closed":
                await failing.close()
            else:
                failed = failing.result_frame(job) | {"success": False}
                await failing.send(failed | FAILURES[failure])
            await other.finish(await other.job(attempt_id=2))
            await speaker.result(0)
            took_s = time.monotonic() - begun
            assert not speaker.told("error")
            return took_s

    await keeps_to(1.0, fail_over)


@pytest.mark.req("J12")
async def test_an_acknowledgment_nobody_declared_is_told_too(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        DesktopNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.ack(job)
        await node.ack(job)
        await node.finish(job)
        await speaker.result(0)

        assert len(speaker.told("ui_event", event="NODE_ACCEPTED")) == 1


@pytest.mark.req("ED4", "J17")
async def test_a_page_that_comes_back_hears_no_index_again(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    lingua = servers.start(server_name, LINGUA_UTTERANCE_INDICES="clock")
    spoken: list[int] = []
    async with DesktopNode.open(lingua.url(NODE), languages) as node:
        for _ in range(2):
            async with Speaker.open(lingua.url(SESSION), languages) as page:
                await page.chunk(b"\1\0" * 8_000, final=True)
                job = await node.job(session_id=page.session_id)
                spoken.append(job["utterance_index"])
                await node.finish(job)
                await page.result(job["utterance_index"])
                # A page opens a session again after a second at the soonest.
                await eventually(lambda: _find_index_now() > spoken[-1], what="a moment later")

    assert spoken == sorted(set(spoken))
    lingua.stop()


def _find_index_now() -> int:
    return (int(time.time() * 1_000) - 1_735_689_600_000) // 250


async def _take(one: FakeNode, another: FakeNode) -> tuple[DesktopNode, Frame]:
    """Return which of two nodes got the job, and the job."""
    await eventually(
        lambda: bool(one.told("job_assign") or another.told("job_assign")), what="a job"
    )
    node = one if one.told("job_assign") else another
    assert isinstance(node, DesktopNode)
    return node, await node.job()


async def _until_offline(lingua: Lingua, node: FakeNode) -> None:
    await eventually(
        lambda: lingua.node(node.node_id)["status"] == "offline", what="its loss is noticed"
    )
