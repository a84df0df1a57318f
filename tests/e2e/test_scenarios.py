"""Jobs under trouble: nodes that die, are silent, late, full, or come back."""

import time

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.peers.node import FakeNode, take_job
from tests.peers.speaker import Speaker
from tests.waiting import eventually, keeps_to

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]


@pytest.mark.req("N14", "J9", "J11", "I-55")
async def test_jobs_of_a_node_that_dies_finish_elsewhere(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as dying,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        for index in range(2):
            await speaker.say(index)
            job = await dying.job()
            await dying.ack(job)
            await speaker.next("ui_event", event="NODE_ACCEPTED", utterance_index=index)
        async with FakeNode.open(lingua.url(NODE), languages) as other:
            dying.drop()
            for _ in range(2):
                job = await other.job()
                assert job["attempt_id"] == 2
                await other.finish(job)
            await speaker.next("translation_result", utterance_index=1)

            results = speaker.told("translation_result")
            assert [frame["utterance_index"] for frame in results] == [0, 1]
            assert not speaker.told("missing_result")
            assert not lingua.leases(dying.node_id)
            assert not lingua.leases(other.node_id)
            assert lingua.node(dying.node_id)["status"] == "offline"


@pytest.mark.req("J6", "J11", "R2", "ED4", "I-5", "I-12", "I-48", "I-52", "I-55")
async def test_a_silent_node_loses_the_job_and_the_first_good_result_ends_it(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    # Short for the node that is silent, long for the one that answers; no other timer may help.
    lingua = servers.start(
        server_name,
        LINGUA_ACK_TIMEOUT_MS="5000",
        LINGUA_RESERVATION_MS="7000",
        LINGUA_RUN_TIMEOUT_S="600",
    )
    async with (
        FakeNode.open(lingua.url(NODE), languages) as one,
        FakeNode.open(lingua.url(NODE), languages) as another,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        silent, first = await take_job(one, another)
        other = another if silent is one else one
        second = await other.job()
        cancel = await silent.next("job_cancel", job_id=first["job_id"])
        assert cancel["reason"] == "ack_timeout"
        assert (second["job_id"], second["attempt_id"]) == (first["job_id"], 2)
        assert not lingua.leases(silent.node_id)
        before = lingua.job(first["job_id"])

        await silent.ack(first)
        await silent.finish(first | {"attempt_id": 3}, text_translated="of no attempt of its")
        await silent.heartbeat(resource_usage={"cpu_percent": 101, "mem_percent": 1})
        await other.ack(second)
        await speaker.next("ui_event", event="NODE_ACCEPTED")
        after = lingua.job(first["job_id"])
        assert (after["attempt"], after["node_id"]) == (before["attempt"], other.node_id)
        assert list(lingua.leases(other.node_id)) == [f"{first['job_id']}:2"]
        await silent.finish(first, text_translated="late and good")
        result = await speaker.next("translation_result", utterance_index=0)
        await other.next("job_cancel", job_id=first["job_id"])
        await other.finish(second)
        assert not [f for f in await speaker.check_alive() if f["type"] != "ui_event"]

        assert result["text_translated"] == "late and good"
        assert len(speaker.told("translation_result")) == 1
        assert not lingua.leases(other.node_id)


@pytest.mark.req("J5", "J10", "R5", "I-41")
async def test_a_waiting_job_is_placed_when_a_slot_is_freed(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=1) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        for index in range(4):
            await speaker.say(index)
        await speaker.check_alive()
        for index in range(4):
            job = await node.job()
            assert job["utterance_index"] == index
            assert list(lingua.leases(node.node_id)) == [f"{job['job_id']}:1"]
            assert len(node.told("job_assign")) == index + 1
            await node.finish(job)
        await speaker.next("translation_result", utterance_index=3)

        assert not speaker.told("error")


@pytest.mark.req("J15")
async def test_a_full_line_refuses_and_says_when_to_come_back(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    lingua = servers.start(server_name, LINGUA_PENDING_MAX_JOBS="2")
    async with (
        FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=1) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        for index in (1, 2, 3):
            await speaker.say(index)
        # What is refused keeps its place: an earlier utterance is told first.
        await speaker.check_alive()
        for _ in range(3):
            await node.finish(job)
            job = await node.job() if job["utterance_index"] < 2 else job
        error = await speaker.next("error", code="NO_AVAILABLE_NODE")
        await speaker.next("missing_result", utterance_index=3)

        assert error["details"]["retry_after_ms"] > 0
        assert error["details"]["queue_position"] == 3
        results = [frame["utterance_index"] for frame in speaker.told("translation_result")]
        assert results == [0, 1, 2]
        assert not lingua.leases(node.node_id)
    lingua.stop()


@pytest.mark.req("J15", "J19")
async def test_nobody_in_time_is_an_explicit_refusal(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    lingua = servers.start(server_name, LINGUA_PENDING_TIMEOUT_S="0.5")
    async with Speaker.open(lingua.url(SESSION), languages) as speaker:
        await speaker.say(0)
        event = await speaker.next("ui_event", event="ERROR")
        error = await speaker.next("error")
        missing = await speaker.next("missing_result", utterance_index=0)

        assert event["error_code"] == error["code"] == "NO_AVAILABLE_NODE"
        assert error["details"]["retry_after_ms"] > 0
        assert missing["reason"] == "no_available_node"
    lingua.stop()


@pytest.mark.req("I-12")
async def test_an_assignment_that_is_not_accepted_moves_within_a_second_of_its_time(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    # Whole seconds: what is measured beside the time that the node has is far less than that.
    lingua = servers.start(server_name, LINGUA_ACK_TIMEOUT_MS="2000", LINGUA_RESERVATION_MS="3000")

    async def lose_one() -> float:
        """Return by how many seconds the other node's frame comes later than it should."""
        async with (
            FakeNode.open(lingua.url(NODE), languages) as one,
            FakeNode.open(lingua.url(NODE), languages) as another,
            Speaker.open(lingua.url(SESSION), languages) as speaker,
        ):
            said_at = time.monotonic()
            await speaker.say(0)
            silent, first = await take_job(one, another)
            assigned_at = time.monotonic()
            other = another if silent is one else one
            await other.job(job_id=first["job_id"], attempt_id=2)
            assert time.monotonic() - said_at > 2.0
            return time.monotonic() - assigned_at - 2.0

    await keeps_to(1.0, lose_one)


@pytest.mark.req("J7", "J8", "I-15")
async def test_a_job_that_runs_too_long_is_cancelled_retried_and_refused(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    lingua = servers.start(
        server_name,
        # No run is looked at before the time of its acknowledgment would be over.
        LINGUA_ACK_TIMEOUT_MS="4000",
        LINGUA_RESERVATION_MS="5000",
        LINGUA_RUN_TIMEOUT_S="0.3",
        LINGUA_FAILOVER_MAX_ATTEMPTS="1",
    )
    async with (
        FakeNode.open(lingua.url(NODE), languages) as one,
        FakeNode.open(lingua.url(NODE), languages) as another,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        slow, first = await take_job(one, another)
        other = another if slow is one else one
        await slow.ack(first)
        cancel = await slow.next("job_cancel", job_id=first["job_id"])
        second = await other.job()
        await other.ack(second)
        await other.next("job_cancel", job_id=first["job_id"])
        event = await speaker.next("ui_event", event="ERROR")
        await speaker.next("missing_result", utterance_index=0)

        assert (cancel["reason"], event["error_code"]) == ("job_timeout", "JOB_TIMEOUT")
        assert not speaker.told("error")
        await speaker.say(1)
        node, job = await take_job(one, another)
        await node.finish(job)
        await speaker.next("translation_result", utterance_index=1)
        assert not lingua.leases(one.node_id)
        assert not lingua.leases(another.node_id)
    lingua.stop()


@pytest.mark.req("J2", "J3", "J4")
async def test_a_repeated_utterance_gets_the_first_ones_answer(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        await speaker.say(0)
        await speaker.check_alive()
        await node.finish(await node.job())
        first = await speaker.next("translation_result", utterance_index=0)
        await speaker.say(0)
        again = await speaker.next("translation_result", utterance_index=0)
        await speaker.say(1)
        await node.finish(await node.job(utterance_index=1))
        await speaker.next("translation_result", utterance_index=1)

        assert again["job_id"] == first["job_id"]
        assert again["text_translated"] == first["text_translated"]
        assert len(speaker.told("translation_result")) == 3
        assert len(node.told("job_assign")) == 2
        assert not lingua.leases(node.node_id)


@pytest.mark.req("J2", "J3")
async def test_a_repeated_request_id_is_one_job(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0, request_id="order-1")
        await speaker.say(1, request_id="order-1")
        await speaker.check_alive()
        await node.finish(await node.job())
        first = await speaker.next("translation_result")
        await speaker.say(2, request_id="order-1")
        again = await speaker.next("translation_result")

        assert again["job_id"] == first["job_id"]
        assert len(node.told("job_assign")) == 1


@pytest.mark.req("J9", "L10", "I-13")
async def test_a_missing_model_sends_the_job_elsewhere(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as without,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await without.job()
        async with FakeNode.open(lingua.url(NODE), languages) as able:
            await without.fail(job, "MODEL_NOT_AVAILABLE", details={"service_id": "test-nmt"})
            await able.finish(await able.job(attempt_id=2))
            await speaker.next("translation_result", utterance_index=0)

            assert not speaker.told("error")
            assert not without.told("job_cancel")


@pytest.mark.req("J5", "J12", "R5")
async def test_a_result_without_acceptance_counts(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.finish(job)
        await node.ack(job)
        await speaker.next("translation_result", utterance_index=0)
        await speaker.say(1)
        await node.finish(await node.job())
        await speaker.next("translation_result", utterance_index=1)

        assert not lingua.leases(node.node_id)


@pytest.mark.req("J14", "R5", "I-15")
async def test_a_speaker_that_leaves_frees_its_slots(lingua: Lingua, languages: Pair) -> None:
    async with FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=1) as node:
        async with Speaker.open(lingua.url(SESSION), languages) as speaker:
            await speaker.say(0)
            job = await node.job()
            await node.ack(job)
            await speaker.next("ui_event", event="NODE_ACCEPTED")
            await speaker.say(1)
            await speaker.check_alive()
            speaker.drop()
        cancel = await node.next("job_cancel", job_id=job["job_id"])
        await node.finish(job)

        assert cancel["reason"] == "session_closed"
        await eventually(lambda: lingua.job(job["job_id"])["state"] == "RELEASED")
        assert lingua.job(job["job_id"])["ended_as"] == "CANCELLED"
        assert not lingua.leases(node.node_id)
        assert len(node.told("job_assign")) == 1
