"""My own node (ND11): a private node serves the session that shows its code, and nobody else."""

from collections.abc import AsyncIterator

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.peers.frames import draw_languages
from tests.peers.http import AUDIO, ask
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]


async def draw_code(node: FakeNode) -> str:
    await node.send({"type": "request_pairing_code", "node_id": node.node_id})
    return (await node.next("pairing_code"))["code"]


@pytest.fixture
async def own(lingua: Lingua, languages: Pair) -> AsyncIterator[FakeNode]:
    async with FakeNode.open(lingua.url(NODE), languages, accept_public_jobs=False) as node:
        yield node


@pytest.mark.req("ND11")
async def test_a_session_with_its_code_is_served_by_a_private_node(
    lingua: Lingua, languages: Pair, own: FakeNode
) -> None:
    code = await draw_code(own)
    async with Speaker.connect(lingua.url(SESSION)) as speaker:
        ack = await speaker.init(languages, pairing_code=code)
        await speaker.say(0)
        await own.finish(await own.job())
        result = await speaker.result(0)

    assert ack["assigned_node_id"] == own.node_id
    assert result["text_translated"] == f"translated by {own.node_id}, attempt 1"


@pytest.mark.req("ND11", "N17")
async def test_without_a_code_a_private_node_serves_nobody_though_it_is_the_only_one(
    lingua: Lingua, languages: Pair, own: FakeNode
) -> None:
    async with Speaker.open(lingua.url(SESSION), languages) as speaker:
        await speaker.say(0)
        refused = await speaker.next("ui_event", event="ERROR")

    assert refused["error_code"] == "NO_CAPABLE_NODE"
    assert not own.told("job_assign")


@pytest.mark.req("ND11")
async def test_a_code_binds_one_session_alone(
    lingua: Lingua, languages: Pair, own: FakeNode
) -> None:
    code = await draw_code(own)
    async with (
        Speaker.open(lingua.url(SESSION), languages, pairing_code=code),
        Speaker.connect(lingua.url(SESSION)) as other,
    ):
        ack = await other.init(languages, pairing_code=code)
        await other.say(0)
        await other.next("ui_event", event="ERROR", error_code="NO_CAPABLE_NODE")

    assert ack["pairing_error"] == "INVALID_PAIRING_CODE"
    assert "assigned_node_id" not in ack
    assert not own.told("job_assign")


@pytest.mark.req("ND11")
async def test_a_socket_may_show_its_code_again(
    lingua: Lingua, languages: Pair, own: FakeNode
) -> None:
    code = await draw_code(own)
    async with Speaker.connect(lingua.url(SESSION)) as speaker:
        acks = [await speaker.init(languages, pairing_code=code) for _ in range(2)]

    assert [ack["assigned_node_id"] for ack in acks] == [own.node_id] * 2


@pytest.mark.req("ND11")
async def test_a_session_that_is_resumed_keeps_its_node(
    lingua: Lingua, languages: Pair, own: FakeNode
) -> None:
    init = {"pairing_code": await draw_code(own), "resume_token": ""}
    async with Speaker.open(lingua.url(SESSION), languages, **init) as first:
        token = first.resume_token
    async with Speaker.connect(lingua.url(SESSION)) as second:
        ack = await second.init(languages, **(init | {"resume_token": token}))
        await second.say(0)
        await own.finish(await own.job())
        await second.result(0)

    assert (ack["resumed"], ack["assigned_node_id"]) == (True, own.node_id)


@pytest.mark.req("ND11")
@pytest.mark.parametrize("typed", [" {0}{1} ", "{0}-{1}", "{0} {1}"])
async def test_a_code_is_taken_as_people_type_it(
    typed: str, lingua: Lingua, languages: Pair, own: FakeNode
) -> None:
    code = (await draw_code(own)).lower()
    shown = typed.format(code[:3], code[3:])
    async with Speaker.connect(lingua.url(SESSION)) as speaker:
        ack = await speaker.init(languages, pairing_code=shown)

    assert ack["assigned_node_id"] == own.node_id


@pytest.mark.req("ND11")
async def test_jobs_of_a_paired_session_wait_for_a_busy_node_while_another_is_free(
    lingua: Lingua, languages: Pair
) -> None:
    private = {"accept_public_jobs": False, "max_concurrent_jobs": 1}
    async with (
        FakeNode.open(lingua.url(NODE), languages, **private) as own,
        FakeNode.open(lingua.url(NODE), languages) as public,
        Speaker.connect(lingua.url(SESSION)) as speaker,
    ):
        await speaker.init(languages, pairing_code=await draw_code(own))
        await speaker.say(0)
        await speaker.say(1)
        await own.finish(await own.job())
        await own.finish(await own.job(utterance_index=1))
        await speaker.result(1)

        assert not public.told("job_assign")


@pytest.mark.req("ND11")
async def test_what_is_said_while_an_own_node_is_gone_waits_for_it_to_come_back(
    lingua: Lingua, languages: Pair
) -> None:
    private = {"accept_public_jobs": False}
    async with (
        FakeNode.open(lingua.url(NODE), languages) as public,
        Speaker.connect(lingua.url(SESSION)) as speaker,
    ):
        async with FakeNode.open(lingua.url(NODE), languages, **private) as own:
            await speaker.init(languages, pairing_code=await draw_code(own))
        await speaker.say(0)
        await speaker.check_alive()
        again = private | {"node_id": own.node_id}
        async with FakeNode.open(lingua.url(NODE), languages, **again) as own:
            await own.finish(await own.job())
            await speaker.result(0)

        assert not public.told("job_assign")


@pytest.mark.req("ND11")
async def test_a_public_node_may_be_somebodys_own_too(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as own,
        FakeNode.open(lingua.url(NODE), languages) as other,
        Speaker.connect(lingua.url(SESSION)) as speaker,
    ):
        await speaker.init(languages, pairing_code=await draw_code(own))
        for index in range(3):
            await speaker.say(index)
            await own.finish(await own.job(utterance_index=index))
        await speaker.result(2)

        assert not other.told("job_assign")


@pytest.mark.req("ND11")
async def test_what_an_own_node_cannot_do_is_refused_at_once(lingua: Lingua, own: FakeNode) -> None:
    others = draw_languages()
    code = await draw_code(own)
    async with (
        FakeNode.open(lingua.url(NODE), others) as public,
        Speaker.connect(lingua.url(SESSION)) as speaker,
    ):
        await speaker.init(others, pairing_code=code)
        await speaker.say(0)
        refused = await speaker.next("ui_event", event="ERROR")

        assert refused["error_code"] == "PREFERRED_NODE_NOT_CAPABLE"
        assert not public.told("job_assign")


@pytest.mark.req("ND11")
async def test_a_node_gets_no_code_in_anothers_name(
    lingua: Lingua, languages: Pair, own: FakeNode
) -> None:
    async with FakeNode.open(lingua.url(NODE), languages) as stranger:
        await stranger.send({"type": "request_pairing_code", "node_id": own.node_id})
        await stranger.next("error", code="INVALID_MESSAGE")

        assert not stranger.told("pairing_code")


@pytest.mark.req("ND11")
async def test_a_node_that_did_not_register_gets_no_code(lingua: Lingua) -> None:
    async with FakeNode.connect(lingua.url(NODE)) as node:
        await node.send({"type": "request_pairing_code", "node_id": "node-12345678"})
        await node.next("error", code="NODE_UNAVAILABLE")

        assert not node.told("pairing_code")


@pytest.mark.req("ND11", "L5")
async def test_whoever_names_a_private_node_is_served_by_it_and_by_no_other(
    lingua: Lingua, languages: Pair, own: FakeNode
) -> None:
    utterance = {"src_lang": languages[0], "tgt_lang": languages[1], "audio": AUDIO}
    named = utterance | {"options": {"preferred_node_id": own.node_id}}
    async with FakeNode.open(lingua.url(NODE), languages) as public:
        told = await ask(lingua.instance.address, "/v1/dispatch/f2f", named)
        job = await own.job()
        await own.fail(job, "NMT_FAILED")
        ended = await eventually(
            lambda: ask(lingua.instance.address, f"/v1/job/{job['job_id']}", method="GET"),
            "the job does not end",
            fits=lambda reply: reply.json.get("ended"),
        )

        assert told.json["node_id"] == own.node_id
        assert ended.json["error"] == "NMT_FAILED"
        assert not public.told("job_assign")


@pytest.mark.req("ND11")
async def test_what_an_own_node_is_away_for_is_refused_by_name(
    servers: Servers, languages: Pair
) -> None:
    # So long a job waits in line; ten seconds are too long to watch.
    lingua = servers.start("uvicorn", LINGUA_PENDING_TIMEOUT_S="1")
    async with (
        FakeNode.open(lingua.url(NODE), languages) as public,
        Speaker.connect(lingua.url(SESSION)) as speaker,
    ):
        async with FakeNode.open(lingua.url(NODE), languages, accept_public_jobs=False) as own:
            await speaker.init(languages, pairing_code=await draw_code(own))
        await speaker.say(0)
        refused = await speaker.next("ui_event", event="ERROR")

        assert refused["error_code"] == "PREFERRED_NODE_NOT_CAPABLE"
        assert not public.told("job_assign")
    lingua.stop()
