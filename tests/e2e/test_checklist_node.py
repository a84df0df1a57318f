"""What the node socket must do for nodes that exist: the checklist of the protocol."""

import json
import re

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.peers.frames import register_frame
from tests.peers.node import FakeNode
from tests.peers.sockets import Peer
from tests.peers.speaker import Speaker
from tests.waiting import eventually

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]


@pytest.mark.req("N1", "N10")
async def test_a_new_node_is_given_an_id_and_has_slots_at_once(
    lingua: Lingua, languages: Pair
) -> None:
    async with FakeNode.connect(lingua.url(NODE)) as node:
        ack = await node.register(languages, node_id=None)

        assert re.fullmatch(r"node-[0-9A-F]{8}", ack["node_id"])
        assert ack["status"] == "registering"
        record = lingua.node(node.node_id)
        assert (record["status"], record["max"]) == ("registering", "2")
        cap = lingua.dump(f"{{node:{node.node_id}}}:cap")
        assert list(cap.values()) == [{"max": "2", "reserved": "0", "running": "0"}]


@pytest.mark.req("N1", "N16")
async def test_services_and_devices_nobody_knows_are_tolerated(
    lingua: Lingua, languages: Pair
) -> None:
    frame = register_frame(languages)
    odd = {"service_id": "lexicon-cpu", "type": "lexicon", "device": "auto", "status": "stopped"}
    async with (
        FakeNode.open(
            lingua.url(NODE),
            languages,
            installed_services=[*frame["installed_services"], odd],
            capability_by_type=[
                *frame["capability_by_type"],
                {"type": "lexicon", "ready": False, "devices": ["auto"]},
            ],
        ) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        await node.finish(await node.job())
        await speaker.next("translation_result", utterance_index=0)


@pytest.mark.req("N1", "I-41")
async def test_what_a_node_may_leave_out_it_may_leave_out(lingua: Lingua, languages: Pair) -> None:
    frame = register_frame(languages)
    optional = ("advanced_features", "max_concurrent_jobs", "installed_services")
    for name in (*optional, "features_supported", "installed_models"):
        del frame[name]
    frame["hardware"] = {"cpu_cores": 4, "memory_gb": 8}

    async with FakeNode.connect(lingua.url(NODE)) as node:
        await node.send(frame)
        ack = await node.next("node_register_ack")

        assert lingua.node(ack["node_id"])["max"] == "4"
        assert ack["max_frame_bytes"] == 8 * 2**20


@pytest.mark.req("N1", "N5")
async def test_a_heartbeat_before_registration_is_tolerated(
    lingua: Lingua, languages: Pair
) -> None:
    async with FakeNode.connect(lingua.url(NODE)) as node:
        node.node_id = "node-00000001"
        await node.heartbeat()
        await node.register(languages)
        await node.make_ready()

        assert [frame["type"] for frame in node.seen] == ["node_register_ack", "node_status"]
        assert not lingua.node("node-00000001")


@pytest.mark.req("N5", "I-56")
async def test_a_heartbeat_that_says_little_changes_nothing_of_what_a_node_declared(
    lingua: Lingua, languages: Pair
) -> None:
    """A short heartbeat erased a node's languages (I-56)."""
    async with FakeNode.open(lingua.url(NODE), languages) as node:
        key = f"{lingua.prefix}:v2:{{node:{node.node_id}}}:info"
        declared = lingua.redis.hget(key, "description")
        before = lingua.redis.hget(key, "heartbeat_at_ms")
        await node.heartbeat()
        await eventually(lambda: lingua.redis.hget(key, "heartbeat_at_ms") != before)

        assert lingua.redis.hget(key, "description") == declared
        assert languages[0] in declared


@pytest.mark.req("N4", "I-11")
async def test_an_older_sockets_end_does_not_end_the_node(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as older,
        FakeNode.open(lingua.url(NODE), languages, node_id=older.node_id) as newer,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        assert await older.closed() == 4409
        await older.close()
        await speaker.say(0)
        await newer.finish(await newer.job())
        await speaker.next("translation_result", utterance_index=0)

        assert older.told("error", code="NODE_ID_CONFLICT")
        assert newer.node_id == older.node_id
        assert lingua.node(newer.node_id)["status"] == "ready"


@pytest.mark.req("N4", "ED1")
async def test_who_takes_a_living_id_is_named_to_operators(lingua: Lingua, languages: Pair) -> None:
    resumes = {"advanced_features": ["job_ack", "resume"]}
    async with FakeNode.open(lingua.url(NODE), languages, **resumes) as owner:
        async with Peer.connect(lingua.url(NODE)) as clone:
            await clone.send(register_frame(languages) | resumes | {"node_id": owner.node_id})
            await clone.next("error", code="NODE_ID_CONFLICT")
        warned = await eventually(
            lambda: [
                line
                for line in map(json.loads, lingua.instance.errors.splitlines())
                if line.get("node_id") == owner.node_id and line["level"] == "WARNING"
            ],
            "nobody is warned of the clone",
        )

    assert warned[0]["reason"] == "NODE_ID_CONFLICT"


@pytest.mark.req("N4", "I-44")
async def test_a_node_that_can_prove_its_id_keeps_it(lingua: Lingua, languages: Pair) -> None:
    resumes = {"advanced_features": ["job_ack", "resume"]}
    async with FakeNode.open(lingua.url(NODE), languages, **resumes) as owner:
        before = lingua.node(owner.node_id)
        async with Peer.connect(lingua.url(NODE)) as thief:
            await thief.send(register_frame(languages) | resumes | {"node_id": owner.node_id})
            await thief.next("error", code="NODE_ID_CONFLICT")
            assert await thief.closed() == 1008

        assert lingua.node(owner.node_id) == before
        async with FakeNode.open(
            lingua.url(NODE),
            languages,
            node_id=owner.node_id,
            resume_token=owner.resume_token,
            **resumes,
        ):
            assert await owner.closed() == 4409


@pytest.mark.req("N3", "I-56")
@pytest.mark.parametrize("schema", ["1.0", "", None])
async def test_another_capability_schema_is_refused(
    lingua: Lingua, languages: Pair, schema: str | None
) -> None:
    frame = register_frame(languages) | {"node_id": f"node-{languages[0]}"}
    frame["capability_schema_version"] = schema
    async with Peer.connect(lingua.url(NODE)) as node:
        await node.send(frame)
        await node.next("error", code="INVALID_CAPABILITY_SCHEMA")

        assert await node.closed() == 1008
    assert not lingua.dump(f"{{node:node-{languages[0]}}}*")


@pytest.mark.req("N2", "N7", "I-44")
async def test_a_node_without_a_gpu_is_refused_where_one_is_required(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    lingua = servers.start(server_name, LINGUA_REQUIRE_GPU="1")
    nothing: list[list[str] | None] = [[], None]
    for gpus in nothing:
        async with Peer.connect(lingua.url(NODE)) as node:
            hardware = {"cpu_cores": 4, "memory_gb": 8, "gpus": gpus}
            await node.send(register_frame(languages) | {"hardware": hardware})
            await node.next("error", code="NO_GPU_AVAILABLE")
            assert await node.closed() == 1008
    assert not lingua.dump("{node:*")

    async with FakeNode.open(lingua.url(NODE), languages) as node:
        assert lingua.node(node.node_id)["status"] == "ready"
    lingua.stop()


@pytest.mark.req("J12")
async def test_acceptance_and_start_move_the_job_and_are_shown(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await speaker.next("ui_event", event="DISPATCHED")
        await node.ack(job)
        await speaker.next("ui_event", event="NODE_ACCEPTED")
        assert lingua.job(job["job_id"])["state"] == "ACKED"
        await node.started(job)
        await node.send(
            {
                "type": "asr_partial",
                "job_id": job["job_id"],
                "node_id": node.node_id,
                "session_id": job["session_id"],
                "utterance_index": 0,
                "text": "hel",
                "is_final": False,
                "trace_id": job["trace_id"],
            }
        )
        partial = await speaker.next("asr_partial", text="hel")
        await speaker.next("ui_event", event="ASR_PARTIAL")
        await eventually(lambda: lingua.job(job["job_id"])["state"] == "RUNNING")
        await node.finish(job)
        await speaker.next("ui_event", event="ASR_FINAL")
        await speaker.next("ui_event", event="NMT_DONE")
        await speaker.next("translation_result", utterance_index=0)

        assert partial["utterance_index"] == 0


@pytest.mark.req("J5", "J12")
async def test_a_node_that_never_acknowledges_is_served(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, advanced_features=None) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.finish(job)
        result = await speaker.next("translation_result", utterance_index=0)

        assert result["text_translated"] == f"translated by {node.node_id}, attempt 1"
        assert not speaker.told("ui_event", event="NODE_ACCEPTED")


@pytest.mark.req("N17")
async def test_a_private_node_gets_no_public_job(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, accept_public_jobs=False) as private,
        FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=4) as public,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        for index in range(4):
            await speaker.say(index)
            await public.finish(await public.job())
        await speaker.next("translation_result", utterance_index=3)

        assert not private.told("job_assign")
