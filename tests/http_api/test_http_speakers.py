"""Speakers without a socket: dispatch at once, fetch the answer, or be called back (J16)."""

import base64
from typing import Any

import pytest

from tests.http_api.hook_receiver import HookReceiver
from tests.instances.servers import Cluster, kill
from tests.peers.frames import draw_languages
from tests.peers.http import AUDIO, DEADLINE_S, HttpNode, Reply, ask
from tests.peers.node import WorkingNode
from tests.waiting import eventually

SECRET = "signs what we are told"  # noqa: S105 - of these tests alone


def utterance(pair: tuple[str, str], **changes: Any) -> dict[str, Any]:
    return {"src_lang": pair[0], "tgt_lang": pair[1], "audio": AUDIO} | changes


async def dispatch(address: str, message: dict[str, Any], **options: Any) -> Reply:
    return await ask(address, "/v1/dispatch/f2f", message, **options)


async def await_end(address: str, job_id: str, **options: Any) -> Any:
    """Ask until a job has ended."""

    async def look() -> Any:
        reply = await ask(address, f"/v1/job/{job_id}", method="GET", **options)
        assert reply.status == 200, reply
        return reply.json

    return await eventually(
        look, f"{job_id} does not end", fits=lambda told: told.get("ended"), within_s=DEADLINE_S
    )


async def until_released(address: str, job_id: str) -> None:
    """Ask until it is noted that the caller has the answer; it is kept all the same."""
    ended = await eventually(
        lambda: await_end(address, job_id),
        "it is not released",
        fits=lambda told: told["state"] == "RELEASED",
        within_s=DEADLINE_S,
    )
    assert ended["result"]["text_asr"]


@pytest.mark.req("J16", "N18")
@pytest.mark.parametrize("kind", ["http", "socket"])
async def test_an_utterance_over_http_is_dispatched_at_once_and_its_answer_fetched(
    either_server: Cluster, kind: str
):
    one = either_server.start()
    pair = draw_languages()
    async with HttpNode(one.address) as node, WorkingNode.connect(one.url("/ws/node")) as other:
        if kind == "http":
            await node.register(pair)
            node.work()
        else:
            other.works = True
            await other.register(pair)
        begun = await dispatch(one.address, utterance(pair))
        assert begun.status == 200, begun
        told = begun.json
        assert told["node_id"] == (node.node_id if kind == "http" else other.node_id)
        assert (told["attempt_id"], told["utterance_index"]) == (1, 0)
        ended = await await_end(one.address, told["job_id"])
        assert ended["result"]["text_translated"] == f"by {told['node_id']}, attempt 1"
        await until_released(one.address, told["job_id"])

        again = await dispatch(one.address, utterance(pair, session_id=told["session_id"]))
        assert (again.json["session_id"], again.json["utterance_index"]) == (told["session_id"], 1)
        repeated = await dispatch(
            one.address, utterance(pair, session_id=told["session_id"], utterance_index=1)
        )
        assert repeated.json["job_id"] == again.json["job_id"]
        await await_end(one.address, again.json["job_id"])
    assert "Traceback" not in one.errors, one.errors


@pytest.mark.req("J16", "J18")
async def test_several_languages_are_several_jobs_that_fail_and_end_each_by_itself(
    cluster: Cluster,
):
    one, two = cluster.start(), cluster.start()
    src, first = draw_languages()
    _, second = draw_languages()
    _, nobodys = draw_languages()
    async with HttpNode(one.address) as node, HttpNode(two.address) as other:
        await node.register((src, first))
        await other.register((src, second))
        await node.next("node_status")
        await other.next("node_status")
        node.work()
        begun = await dispatch(
            two.address,
            {"src_lang": src, "tgt_langs": [first, second, first, nobodys], "audio": AUDIO},
        )
        assert begun.status == 200
        jobs = {job["tgt_lang"]: job for job in begun.json["jobs"]}
        assert list(jobs) == [first, second]
        (refused,) = begun.json["refused"]
        assert (refused["error"], refused["tgt_lang"]) == ("NO_CAPABLE_NODE", nobodys)
        ended = await await_end(two.address, jobs[first]["job_id"])
        assert ended["result"]["text_translated"] == f"by {node.node_id}, attempt 1"
        assert ended["tgt_lang"] == first
        held = await other.job()
        assert held["tgt_lang"] == second
        await other.fail(held, "NMT_FAILED")
        ended = await await_end(one.address, jobs[second]["job_id"])
        assert (ended["error"], "result" in ended) == ("NMT_FAILED", False)


@pytest.mark.req("J16")
async def test_audio_may_be_sent_ahead_and_named(cluster: Cluster):
    one = cluster.start()
    pair = draw_languages()
    async with HttpNode(one.address) as node:
        await node.register(pair)
        headers = {"Content-Type": "application/octet-stream"}
        sound = base64.b64decode(AUDIO)
        kept = await ask(one.address, "/v1/audio", raw=sound, headers=headers)
        assert (kept.status, kept.json["size_bytes"]) == (201, len(sound))
        message = utterance(pair, audio_ref=kept.json["audio_ref"])
        del message["audio"]
        assert (await dispatch(one.address, message)).status == 200
        assert (await node.job())["audio"] == AUDIO
        for wrong in (message | {"audio_ref": "audio-0"}, message | {"audio": AUDIO}):
            assert (await dispatch(one.address, wrong)).status in {400, 404}


@pytest.mark.req("J16")
async def test_the_node_is_told_the_trace_that_a_caller_names(cluster: Cluster):
    one = cluster.start()
    pair = draw_languages()
    trace = {"trace_id": "mine", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    async with HttpNode(one.address) as node:
        await node.register(pair)
        await dispatch(one.address, utterance(pair, **trace))
        assert trace.items() <= (await node.job()).items()


@pytest.mark.req("J15", "J16")
@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"audio": "no base64!"}, 400, "INVALID_MESSAGE"),
        ({"audio": ""}, 400, "INVALID_MESSAGE"),
        ({"audio": None}, 400, "INVALID_MESSAGE"),
        ({"tgt_lang": None}, 400, "INVALID_MESSAGE"),
        ({"src_lang": 7}, 400, "INVALID_MESSAGE"),
        ({"session_id": "s-00000000"}, 404, "INVALID_SESSION"),
        ({"session_id": "}{"}, 404, "INVALID_SESSION"),
        ({"callback": {"url": "http://example.com/", "secret": SECRET}}, 400, "CALLBACK_FORBIDDEN"),
        ({"callback": {"url": "https://10.0.0.1/", "secret": SECRET}}, 400, "CALLBACK_FORBIDDEN"),
        ({"callback": {"url": "https://a@b.example/", "secret": SECRET}}, 400, None),
        ({"callback": {"url": "https://b.example/\r\nX: y", "secret": SECRET}}, 400, None),
        ({"callback": {"url": "https://b.example/", "secret": "short"}}, 400, "INVALID_MESSAGE"),
    ],
)
async def test_what_cannot_be_dispatched_is_refused_by_name(
    shared: Any, changes: dict[str, Any], status: int, code: str | None
):
    reply = await dispatch(shared.address, utterance(("xx", "yy"), **changes))

    assert reply.status == status, reply
    assert code in {None, reply.json["error"]}
    assert reply.json["detail"]


@pytest.mark.req("J16")
@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/v1/nothing", "POST", 404),
        ("/v1/job/", "GET", 404),
        ("/v1/job/job-00000000-000000000000", "GET", 404),
        ("/v1/job/..%2f..", "GET", 404),
        ("/v1/dispatch/f2f", "GET", 405),
        ("/v1/dispatch/f2f", "OPTIONS", 405),
        ("/v1/job/ack", "DELETE", 405),
    ],
)
async def test_a_path_or_method_there_is_not(shared: Any, path: str, method: str, status: int):
    reply = await ask(shared.address, path, method=method)

    assert reply.status == status, reply
    assert reply.json["error"] in {"NOT_FOUND", "NO_SUCH_JOB", "METHOD_NOT_ALLOWED"}


async def test_a_body_of_another_type_is_not_read(shared: Any):
    """A page of another site may send text without asking first, and JSON only after."""
    reply = await ask(
        shared.address,
        "/v1/dispatch/f2f",
        utterance(("xx", "yy")),
        headers={"Content-Type": "text/plain"},
    )

    assert (reply.status, reply.json["error"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.req("J16")
async def test_a_web_hook_is_told_signed_and_again_until_it_is_taken(cluster: Cluster):
    pair = draw_languages()
    async with HookReceiver.open(500, 302) as receiver:
        one = cluster.start(LINGUA_HOOK_HOSTS=receiver.address)
        async with HttpNode(one.address) as node:
            await node.register(pair)
            node.work()
            callback = {"url": f"http://{receiver.address}/told?x=1", "secret": SECRET}
            begun = await dispatch(one.address, utterance(pair, callback=callback))
            told = await receiver.next(3)
        assert [one.path for one in receiver.told] == ["/told?x=1"] * 3
        assert told.is_signed_with(SECRET)
        assert not told.is_signed_with("another secret of a length")
        assert told.headers["x-lingua-delivery"] == begun.json["job_id"]
        assert told.json["result"]["text_translated"].startswith("by ")
        await until_released(one.address, begun.json["job_id"])


@pytest.mark.req("J16")
async def test_a_web_hook_outlives_the_process_that_took_the_request(cluster: Cluster):
    pair = draw_languages()
    async with HookReceiver.open() as receiver:
        one = cluster.start(LINGUA_HOOK_HOSTS=receiver.address)
        two = cluster.start(LINGUA_HOOK_HOSTS=receiver.address)
        async with HttpNode(two.address) as node:
            await node.register(pair)
            callback = {"url": f"http://{receiver.address}/", "secret": SECRET}
            begun = await dispatch(one.address, utterance(pair, callback=callback))
            job = await node.job()
            kill(one)
            await node.ack(job)
            await node.done(job)
            told = await receiver.next(1)
        assert told.json["job_id"] == begun.json["job_id"]
        assert told.json["result"]["text_asr"] == "heard 0"


@pytest.mark.req("J16")
async def test_a_name_that_stands_for_an_address_of_ours_is_never_called(cluster: Cluster):
    pair = draw_languages()
    one = cluster.start(LINGUA_HOOK_HOSTS="127.0.0.1:1", LINGUA_HOOK_MAX_TRIES="1")
    async with HttpNode(one.address) as node:
        await node.register(pair)
        node.work()
        # A port that any hook may go to; whether somebody listens there does not matter.
        callback = {"url": "https://localhost:8443/", "secret": SECRET}
        begun = await dispatch(one.address, utterance(pair, callback=callback))
        job_id = begun.json["job_id"]
        key = cluster.key("{session:%s}:hook:%s") % (begun.json["session_id"], job_id)
        await eventually(
            lambda: not cluster.redis.exists(key), "the call is not over", within_s=DEADLINE_S
        )
    assert "not at a public address" in one.errors
