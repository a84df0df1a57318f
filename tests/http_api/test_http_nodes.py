"""Nodes that work over HTTP: the same jobs, the same slots, the same promises (N18)."""

import asyncio

import pytest

from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.http import HttpNode
from tests.peers.node import FakeNode, WorkingNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually


@pytest.mark.req("N1", "N18")
@pytest.mark.parametrize("kind", ["http", "socket"])
async def test_the_same_job_flow_passes_over_http_and_over_a_socket(
    either_server: Cluster, kind: str
):
    one = either_server.start()
    pair = draw_languages()
    async with Speaker.connect(one.url("/ws/session")) as speaker:
        if kind == "socket":
            async with WorkingNode.connect(one.url("/ws/node")) as socket_node:
                socket_node.works = True
                await socket_node.register(pair)
                await _talk(speaker, pair, socket_node.node_id)
        else:
            async with HttpNode(one.address) as node:
                await node.register(pair)
                node.work()
                await _talk(speaker, pair, node.node_id)
    assert "Traceback" not in one.errors, one.errors


async def _talk(speaker: Speaker, pair: tuple[str, str], node_id: str) -> None:
    await speaker.init(pair)
    for index in range(10):
        await speaker.say(index)
        result = await speaker.result(index)
        assert result["text_translated"] == f"by {node_id}, attempt 1"
    kinds = [frame["event"] for frame in speaker.told("ui_event")]
    assert kinds.count("DISPATCHED") == kinds.count("NODE_ACCEPTED") == 10


@pytest.mark.req("N18", "I5")
async def test_a_node_behind_a_proxy_that_knows_nothing_gets_every_job(cluster: Cluster):
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    async with (
        Speaker.connect(one.url("/ws/session")) as here,
        Speaker.connect(two.url("/ws/session")) as there,
        HttpNode(one.address, two.address) as node,
    ):
        await node.register(pair)
        node.work()
        await here.init(pair)
        await there.init(pair)
        for index in range(20):
            for speaker in (here, there):
                await speaker.say(index)
            for speaker in (here, there):
                result = await speaker.result(index)
                assert result["text_translated"].startswith(f"by {node.node_id}")
        assert not here.told("missing_result") + there.told("missing_result")
    assert "Traceback" not in one.errors + two.errors, one.errors + two.errors


@pytest.mark.req("N14", "N18")
async def test_the_job_of_a_node_that_stops_asking_moves_on(cluster: Cluster):
    one = cluster.start(LINGUA_NODE_POLL_IDLE_S="4")
    pair = draw_languages()
    async with (
        Speaker.connect(one.url("/ws/session")) as speaker,
        HttpNode(one.address) as dying,
        WorkingNode.connect(one.url("/ws/node")) as other,
    ):
        await dying.register(pair)
        await speaker.init(pair)
        await speaker.say(0)
        job = await dying.job()
        assert (await dying.ack(job)).status == 200
        other.works = True
        await other.register(pair)
        result = await speaker.result(0)
        assert result["text_translated"] == f"by {other.node_id}, attempt 2"
        late = await dying.done(job)
        assert (late.status, late.json["error"]) == (409, "NODE_UNAVAILABLE")
        again = await dying.poll()
        assert (again.status, again.json["error"]) == (409, "NODE_UNAVAILABLE")
        assert (await dying.register(pair)).status == 200


@pytest.mark.req("J11", "N18")
async def test_what_is_said_twice_changes_nothing_and_a_stale_attempt_is_refused(
    cluster: Cluster,
):
    one = cluster.start(LINGUA_ACK_TIMEOUT_MS="20000", LINGUA_RESERVATION_MS="30000")
    pair = draw_languages()
    async with (
        Speaker.connect(one.url("/ws/session")) as speaker,
        HttpNode(one.address) as first,
        HttpNode(one.address) as second,
    ):
        await first.register(pair)
        await speaker.init(pair)
        await speaker.say(0)
        job = await first.job()
        assert [(await first.ack(job)).status for _ in range(2)] == [200, 200]
        assert (await first.ack(job, status="running")).json == {"ok": True, "status": "running"}
        wrong = await first.done(job, attempt_id=2)
        assert (wrong.status, wrong.json["error"]) == (409, "STALE_ATTEMPT")
        assert [(await first.done(job)).status for _ in range(2)] == [200, 200]
        assert (await speaker.result(0))["text_translated"] == f"by {first.node_id}, attempt 1"
        assert (await first.ack(job)).status == 200

        await speaker.say(1)
        job = await first.job()
        await second.register(pair)
        assert [(await first.fail(job, "ASR_FAILED")).status for _ in range(2)] == [200, 200]
        moved = await second.job()
        assert (moved["job_id"], moved["attempt_id"]) == (job["job_id"], 2)
        for stale in (first.ack, first.done):
            assert (await stale(job)).json["error"] == "STALE_ATTEMPT"
        for foreign in (first.ack, first.done):
            assert (await foreign(moved)).json["error"] == "STALE_ATTEMPT"
        await second.ack(moved)
        await second.done(moved)
        assert (await speaker.result(1))["text_translated"] == f"by {second.node_id}, attempt 2"
        assert len(speaker.told("translation_result")) == 2
        unknown = await first.ack({"job_id": "job-00000000-000000000000", "attempt_id": 1})
        assert (unknown.status, unknown.json["error"]) == (404, "NO_SUCH_JOB")
    root = cluster.key("{node:%s}:") % first.node_id
    assert cluster.redis.zcard(f"{root}run") == cluster.redis.zcard(f"{root}resv") == 0


@pytest.mark.req("N18", "G5")
async def test_a_node_goes_on_at_another_instance_when_its_own_ends(cluster: Cluster):
    one, two = (cluster.start(LINGUA_NODE_GRACE_S="60") for _ in range(2))
    pair = draw_languages()
    async with (
        Speaker.connect(two.url("/ws/session")) as speaker,
        HttpNode(one.address) as node,
    ):
        await node.register(pair)
        await speaker.init(pair)
        await speaker.say(0)
        job = await node.job()
        assert (await node.ack(job)).status == 200
        # The later of two polls ends the other: then it waits at the server.
        polls = {asyncio.create_task(node.poll(wait_ms=15_000)) for _ in range(2)}
        _, (waiting,) = await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
        one.terminate()
        assert (await waiting).json == {"messages": []}
        node.addresses = [two.address]
        assert (await node.poll(wait_ms=0)).status == 200
        assert (await node.done(job)).status == 200
        assert (await speaker.result(0))["text_translated"] == f"by {node.node_id}, attempt 1"
        assert one.wait() == 0
        owner = cluster.key("{node:%s}:info") % node.node_id
        await eventually(
            lambda: cluster.redis.hget(owner, "status") == "ready", "the node stays ready"
        )
        node.work()
        for index in range(1, 4):
            await speaker.say(index)
            await speaker.result(index)
    assert "Traceback" not in one.errors + two.errors, one.errors + two.errors


@pytest.mark.req("N4", "N18")
async def test_an_older_process_of_a_node_is_refused(cluster: Cluster):
    one = cluster.start()
    pair = draw_languages()
    async with HttpNode(one.address) as node:
        await node.register(pair)
        await node.next("node_status")
        older = node.resume_token
        waiting = asyncio.create_task(node.poll(wait_ms=15_000))
        conflict = await node.register(pair, node_id=node.node_id)
        assert (conflict.status, conflict.json["error"]) == (409, "NODE_ID_CONFLICT")
        again = await node.register(pair, node_id=node.node_id, resume_token=older)
        assert again.status == 200
        assert (await waiting).json == {"messages": []}
        refused = await node.poll(resume_token=older)
        assert (refused.status, refused.json["error"]) == (409, "NODE_ID_CONFLICT")
        assert (await node.poll(wait_ms=0)).status == 200


@pytest.mark.req("ED4", "N4", "N18")
async def test_a_node_over_http_takes_an_id_from_a_socket_as_another_socket_would(
    cluster: Cluster,
):
    one, pair = cluster.start(), draw_languages()
    async with (
        FakeNode.open(one.url("/ws/node"), pair) as older,
        FakeNode.open(one.url("/ws/node"), pair, advanced_features=["resume"]) as proved,
        Speaker.connect(one.url("/ws/session")) as speaker,
        HttpNode(one.address) as node,
    ):
        refused = await node.register(pair, node_id=proved.node_id)
        assert (refused.status, refused.json["error"]) == (409, "NODE_ID_CONFLICT")
        await proved.heartbeat(draining=True)
        await proved.next("node_status", status="draining")
        await speaker.init(pair)
        await speaker.say(0)
        job = await older.job()
        await proved.heartbeat(draining=False)
        await proved.next("node_status", status="ready")
        assert (await node.register(pair, node_id=older.node_id)).status == 200
        assert await older.closed() == 4409
        again = await proved.job()
        assert (again["job_id"], again["attempt_id"]) == (job["job_id"], 2)
        await proved.finish(again)
        await speaker.result(0)


@pytest.mark.req("N18")
async def test_a_later_poll_ends_the_one_before(cluster: Cluster):
    one = cluster.start()
    pair = draw_languages()
    async with HttpNode(one.address) as node:
        await node.register(pair)
        await node.next("node_status")
        waiting = asyncio.create_task(node.poll(wait_ms=15_000))
        later = asyncio.create_task(node.poll(wait_ms=15_000))
        done, rest = await asyncio.wait(
            {waiting, later}, timeout=60, return_when=asyncio.FIRST_COMPLETED
        )
        assert len(done) == len(rest) == 1
        assert done.pop().result().json == {"messages": []}
        for poll in rest:
            poll.cancel()
