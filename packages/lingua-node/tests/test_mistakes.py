"""A mistake in a node is told before it connects, or with the first thing that goes wrong."""

import asyncio
import functools
import socket
import threading

import pytest
from lingua_node.jobs import Result
from lingua_node.messages import (
    Hardware,
    LanguagePair,
    Languages,
    Model,
    NmtCapability,
    Service,
)
from lingua_node.mistakes import NodeMistake, check_handler, list_doubts
from lingua_node.node import Node
from node_testing.nodes import make_node
from node_testing.scheduler import DEADLINE_S, answering, running

ASR = Service(service_id="my-asr", type="asr")
URL = "ws://127.0.0.1:5010/ws/node"


@pytest.mark.req("ED15")
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"services": []}, "a node offers something"),
        ({"services": ASR}, r"services is a list"),
        ({"services": [{"service_id": "x", "type": "asr"}]}, r"a service is Service\("),
        ({"services": [Service(service_id="x", type="asrr")]}, "is 'asr' meant"),
        ({"services": [Service(service_id="x", type="ASR")]}, "is 'asr' meant"),
        ({"services": [Service(service_id="x", type="nmtt")]}, "is 'nmt' meant"),
        ({"services": [Service(service_id="x", type="semantics")]}, "is 'semantic' meant"),
        ({"services": [Service(service_id="x", type="")]}, "jobs ask for asr, nmt"),
        ({"services": [Service(service_id="", type="asr")]}, "service_id must be text"),
        ({"services": [Service(service_id="x", type="asr", status="up")]}, "one of running"),
        ({"services": [ASR, ASR]}, "twice there: my-asr"),
        ({"languages": {"asr_languages": ["en"]}}, r"languages is Languages\("),
        ({"languages": Languages(asr_languages="en")}, r"asr_languages=\['en'\]"),
        ({"max_concurrent_jobs": 0}, "at least 1, not 0"),
        ({"max_concurrent_jobs": "4"}, "whole number"),
        ({"max_concurrent_jobs": 2.0}, "whole number"),
        ({"max_concurrent_jobs": True}, "whole number"),
        ({"audio": "wav"}, "one of pcm16, opus"),
        ({"audio": ["pcm16"]}, "one of pcm16, opus"),
        ({"heartbeat_s": 0}, "heartbeat_s must be a number of seconds above 0"),
        ({"heartbeat_s": float("nan")}, "heartbeat_s must be a number of seconds"),
        ({"heartbeat_s": "15"}, "heartbeat_s must be a number of seconds"),
        ({"drain_timeout_s": None}, "drain_timeout_s must be a number of seconds"),
        ({"drain_timeout_s": -1}, "drain_timeout_s must be a number of seconds"),
        ({"max_frame_bytes": 1.5}, "max_frame_bytes must be a whole number"),
        ({"max_frame_bytes": None}, "max_frame_bytes must be a whole number"),
        ({"services": "asr"}, r"a service is Service\("),
        ({"services": 7}, "a node offers something"),
        ({"services": [Service(service_id="\ud800", type="asr")]}, "surrogates not allowed"),
        ({"services": [Service(service_id="x", type=7)]}, "no type 7; jobs ask for"),
        ({"services": [Service(service_id="x", type="asr", device=7)]}, "Service x: .* got int"),
        ({"services": [Service(service_id="x", type="asr", status=[])]}, "one of running"),
        ({"languages": None}, r"languages is Languages\("),
        ({"languages": Languages(asr_languages={"en": 1})}, "Expected array .*, got object"),
        ({"languages": Languages(asr_languages=[b"en", 7])}, "Expected str, got int"),
        (
            {"languages": Languages(supported_language_pairs=[("en", "es")])},
            r"supported_language_pairs.*write LanguagePair\(src='en', tgt='es'\)",
        ),
        (
            {"languages": Languages(nmt_capabilities=["en"])},
            r"write NmtCapability\(model_id=",
        ),
        (
            {
                "languages": Languages(
                    nmt_capabilities=[NmtCapability(model_id="m", languages=["en"], rule="any")]
                )
            },
            "rule of an NmtCapability is one of any_to_any",
        ),
        ({"models": "whisper"}, "models is a list"),
        ({"models": ["whisper"]}, r"a model is Model\(model_id=…, kind='asr'"),
        ({"models": None}, "models is a list"),
        ({"models": [Model(model_id=1, kind="asr", version="1")]}, "a model: Expected str"),
        ({"node_id": ""}, "node_id is a word of at most 64 letters"),
        ({"node_id": "my node"}, "node_id is a word of at most 64 letters"),
        ({"node_id": "node-1\n"}, "node_id is a word of at most 64 letters"),
        ({"node_id": "n" * 65}, "node_id is a word of at most 64 letters"),
        ({"node_id": 7}, "node_id is a word of at most 64 letters, .* not 7"),
        ({"version": 2.0}, "version is text such as '2.0.0', not 2.0"),
        ({"version": "\ud800"}, "version is text such as"),
        ({"accept_public_jobs": "no"}, "accept_public_jobs is True or False, not 'no'"),
        ({"acknowledge": None}, "acknowledge is True or False"),
        ({"hardware": {"cpu_cores": 4}}, r"hardware is Hardware\(cpu_cores="),
        ({"hardware": Hardware(cpu_cores="4", memory_gb=8)}, "hardware: Expected int, got str"),
        ({"hardware": Hardware(cpu_cores=4, memory_gb=8, gpus=["a"])}, r"write Gpu\(name="),
        ({"usage": 50}, "usage is a function of the number of running jobs, not 50"),
        ({"usage": lambda: None}, "usage must take one argument"),
        ({"takes": True}, "takes is a function of the job_assign message, not True"),
        ({"takes": lambda: True}, "takes must take one argument"),
        ({"handler": 7}, "a handler is a function of one job, not 7"),
    ],
)
def test_what_a_node_is_made_with_is_checked_at_once(wrong, told):
    right = {"services": [ASR], "languages": Languages(asr_languages=["en"])}

    with pytest.raises(NodeMistake, match=told):
        Node(**(right | wrong))


async def takes_nothing():
    return Result()


async def takes_two(job, more):
    return Result(text_asr=f"{job}{more}")


async def forgets(job):
    job.assign.pop("audio")


def forgets_as_well(job):
    if job:
        return
    job.assign.pop("audio")


async def yields(job):
    yield Result(text_asr=f"{job}")


class Generating:
    def __call__(self, job):
        yield Result(text_asr=f"{job}")


@pytest.mark.req("ED15")
@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (takes_nothing, "takes_nothing must take one argument"),
        (takes_two, "takes_two must take one argument"),
        (forgets, "forgets never returns a Result"),
        (forgets_as_well, "forgets_as_well never returns a Result"),
        (yields, "yields; a handler returns one Result"),
        ("work", "a handler is a function of one job"),
        (None, "write @node.job without parentheses"),
        (Generating(), "yields; a handler returns one Result"),
        (Result, "Result is a class"),
        (functools.partial(takes_two, 1, 2), "must take one argument"),
    ],
)
def test_a_handler_that_cannot_work_is_refused_where_it_is_given(handler, told):
    node = make_node(None)

    with pytest.raises(NodeMistake, match=told):
        node.job(handler)


@pytest.mark.req("ED15")
def test_the_decorator_with_parentheses_is_told_to_leave_them_out():
    with pytest.raises(NodeMistake, match=r"write @node\.job without parentheses"):
        make_node(None).job()


@pytest.mark.req("ED15")
@pytest.mark.parametrize(
    ("service_id", "status", "told"),
    [
        ("my-asrr", "running", "no service 'my-asrr' here; there is my-asr, my-nmt"),
        (["my-asr"], "running", "no service"),
        ("my-asr", "up", "status is one of running, stopped, error, not 'up'"),
        ("my-asr", None, "status is one of running"),
    ],
)
def test_a_status_that_cannot_be_meant_is_refused(bench, service_id, status, told):
    node = make_node(bench.work)

    with pytest.raises(NodeMistake, match=told):
        node.set_service_status(service_id=service_id, status=status)


class Recognizer:
    async def __call__(self, job):
        return Result(text_asr=f"{job}")

    def method(self, job):
        return Result(text_asr=f"{job}")


@pytest.mark.parametrize(
    "handler",
    [
        Recognizer(),
        Recognizer().method,
        functools.partial(takes_two, more=1),
        lambda job: takes_two(job, 1),
        pytest.param(lambda _job: 1 / 0, id="always fails"),
    ],
)
def test_a_handler_of_any_shape_is_taken(handler):
    check_handler(handler)


@pytest.mark.req("ED15")
async def test_a_node_without_a_handler_does_not_start():
    with pytest.raises(NodeMistake, match=r"put @node\.job above"):
        await make_node(None).serve(url=URL)


@pytest.mark.req("ED15")
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ws://127.0.0.1:5010/ws/nodes", "is ws://127.0.0.1:5010/ws/node meant"),
        ("ws://127.0.0.1:5010/ws/session", "nodes connect at /ws/node, not at /ws/session"),
        ("wss://me:secret@talk.example.org", "is wss://talk.example.org/ws/node meant"),
        ("https://talk.example.org", "is wss://talk.example.org/ws/node meant"),
        ("127.0.0.1:5010/ws/node", "not a WebSocket URL"),
        ("ws://127.0.0.1:port/ws/node", "not a WebSocket URL"),
        ("", "not a WebSocket URL"),
        (None, "url is text such as ws://127.0.0.1:5010/ws/node, not None"),
        (URL.encode(), "url is text"),
        (f"{URL}/", "is ws://127.0.0.1:5010/ws/node meant"),
        ("wss://talk.example.org/lingua/ws/node/", "nodes connect at /ws/node"),
        ("ws://127.0.0.1:5010/ws/no de", "there are blanks in it"),
        ("ws://127.0.0.1:5010/ws/node\x00x", "there are blanks in it"),
        (f"{URL}#here", "what follows # is not asked for"),
    ],
)
async def test_an_address_where_no_node_connects_is_refused_with_the_right_one(bench, url, told):
    with pytest.raises(NodeMistake, match=told):
        await make_node(bench.work).serve(url=url)


@pytest.mark.req("ED15")
@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("lng_node_…", "was the whole line copied"),
        ("lng_node one", "was the whole line copied"),
        (b"lng_node", r"token is text, not bytes: token\.decode\(\)"),
        (7, "token is text, not int"),
    ],
)
async def test_a_token_that_was_copied_with_something_else_is_refused(bench, token, told):
    with pytest.raises(NodeMistake, match=told):
        await make_node(bench.work).serve(url=URL, token=token)


async def test_an_address_and_a_token_may_end_as_their_files_do(scheduler, bench):
    node = make_node(bench.work)
    async with running(node.serve(url=f" {scheduler.url}\n", token="secret \n")):  # noqa: S106 - nobody's
        assert (await scheduler.accept()).headers["Authorization"] == "Bearer secret"


@pytest.mark.req("ED15")
@pytest.mark.parametrize(
    ("services", "languages", "doubts"),
    [
        (["asr"], Languages(asr_languages=["en"]), ["lacks nmt, tts"]),
        (["asr", "nmt", "tts"], Languages(), ["asr is", "tts is", "nmt is offered without"]),
        (["asr", "nmt", "tts", "lipsync"], None, ["no job asks for a service of type 'lipsync'"]),
        (["asr", "nmt", "tts"], Languages(asr_languages=["english"]), ["tts", "nmt", "'english'"]),
        (["asr", "nmt", "tts"], None, []),
    ],
)
def test_what_will_get_no_job_is_told(services, languages, doubts):
    whole = Languages(
        asr_languages=["en"],
        tts_languages=["zh-CN"],
        supported_language_pairs=[LanguagePair(src="en", tgt="zh-CN")],
    )
    offered = [Service(service_id=kind, type=kind) for kind in services]

    told = list(list_doubts(offered, languages or whole))

    assert len(told) == len(doubts)
    assert all(part in line for part, line in zip(doubts, told, strict=True)), told


@pytest.mark.req("ED15")
async def test_a_def_works_in_a_thread_and_the_loop_goes_on(scheduler):
    go, threads = threading.Event(), []

    def work(job):
        threads.append(threading.current_thread())
        go.wait(DEADLINE_S)
        return Result(text_asr=job.src_lang)

    async with running(make_node(work, heartbeat_s=0.05).serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin()
        await _beats(socket, 2)
        go.set()
        assert (await socket.expect("job_result"))["text_asr"] == "en"

    assert threads != [threading.main_thread()]


async def _beats(socket, count):
    """Wait for heartbeats: the loop is not held up."""
    for _ in range(count):
        assert (await socket.receive())["type"] == "node_heartbeat"


async def test_a_def_that_fails_fails_its_job_as_any_handler_does(scheduler):
    def work(job):
        raise KeyError(job.src_lang)

    async with running(make_node(work).serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin()

        assert "KeyError" in (await socket.expect("job_result"))["error"]["message"]


def head(status):
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()


async def hear(caplog, *, url, token=None):
    """Run a node until it has said what keeps it from connecting; return that."""
    async with running(make_node(takes_two_as_one).serve(url=url, token=token)):
        async with asyncio.timeout(DEADLINE_S):
            while "next attempt in" not in caplog.text:  # noqa: ASYNC110 - a log tells nobody
                await asyncio.sleep(0.01)
    return caplog.text


async def takes_two_as_one(job):
    return await takes_two(job, 1)


@pytest.mark.req("ED15")
@pytest.mark.parametrize(
    ("answer", "scheme", "token", "told"),
    [
        (head("404 Not Found"), "ws", None, "nothing is at /there/ws/node, nodes connect at"),
        (head("403 Forbidden"), "ws", None, "lets nodes in with a token alone"),
        (head("401 Unauthorized"), "ws", "wrong", "refuses the token"),
        (head("403 Forbidden"), "ws", "wrong", "manage.py token create node NAME"),
        (head("200 OK"), "ws", None, "answers 200 in place of opening a socket"),
        (head("302 Found"), "ws", None, "answers 302 in place of opening a socket"),
        (head("503 Service Unavailable"), "ws", None, "starts, drains or is away"),
        (head("400 Bad Request"), "ws", None, "ALLOWED_HOSTS"),
        (b"220 mail.example.org\r\n", "ws", None, "does not speak HTTP"),
        (head("400 Bad Request"), "wss", None, "does not speak TLS: is ws:// meant?"),
    ],
)
async def test_what_answers_in_the_schedulers_place_is_named(caplog, answer, scheme, token, told):
    async with answering(answer) as address:
        text = await hear(caplog, url=f"{scheme}://{address}/there/ws/node", token=token)

    assert told in text


@pytest.mark.req("ED15")
async def test_that_nobody_listens_is_told(caplog):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        text = await hear(caplog, url=f"ws://me:secret@localhost:{port}/ws/node")

    assert f"nobody listens at ws://localhost:{port}/ws/node" in text
    assert "secret" not in text


@pytest.mark.req("ED15")
@pytest.mark.parametrize(
    ("when", "end", "told"),
    [
        ("before", (4401, ""), "lets nodes in with a token alone"),
        ("before", (4403, "NODE_ID_BELONGS_TO_ANOTHER_TOKEN"), "NODE_ID_BELONGS_TO_ANOTHER_TOKEN"),
        ("before", (1008, "bad slots"), "closed the connection: 1008 bad slots"),
        ("after", (1012, ""), "the scheduler restarts"),
        ("after", (1013, ""), "come back later"),
    ],
)
async def test_why_the_scheduler_closed_is_told(scheduler, caplog, when, end, told):
    async with running(make_node(takes_two_as_one).serve(url=scheduler.url)):
        connected = await scheduler.accept()
        if when == "after":
            await connected.register()
        await connected.socket.close(*end)
        async with asyncio.timeout(DEADLINE_S):
            while "next attempt in" not in caplog.text:  # noqa: ASYNC110 - a log tells nobody
                await asyncio.sleep(0.01)

    assert told in caplog.text
