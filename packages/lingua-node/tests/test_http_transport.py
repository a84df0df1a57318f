"""Requests in place of a socket: what is refused by name, what is asked again, how it ends."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable

import pytest
from lingua_node import Job, NodeMistake
from lingua_node.http_address import find_base
from lingua_node.http_caller import HttpCaller, HttpRefused
from lingua_node.http_client import HttpClient
from node_testing.nodes import Bench, make_node
from node_testing.scheduler import DEADLINE_S, answering, assign_frame, eventually, running

pytestmark = pytest.mark.req("RE2")


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://127.0.0.1:5010", "http://127.0.0.1:5010"),
        ("https://example.org/", "https://example.org"),
        ("https://example.org/lingua/", "https://example.org/lingua"),
        ("ws://127.0.0.1:5010/ws/node", "http://127.0.0.1:5010"),
        ("wss://example.org/lingua/ws/node", "https://example.org/lingua"),
        (" http://user:word@example.org \n", "http://example.org"),
    ],
)
def test_the_address_of_the_server_or_of_its_node_socket_leads_there(url, base):
    assert find_base(url) == base


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "url is text"),
        ("127.0.0.1:5010", "a scheduler is named as"),
        ("ftp://example.org", "a scheduler is named as"),
        ("http://example.org:port", "not a URL"),
        ("http://exa mple.org", "blanks"),
        ("http://example.org/v1/node/register", "is http://example.org meant?"),
        ("http://example.org/?x=1", "not asked for"),
    ],
)
def test_what_is_no_address_is_refused_with_what_to_write(url, words):
    with pytest.raises(NodeMistake) as mistake:
        find_base(url)
    assert words in str(mistake.value)


async def test_what_requests_cannot_carry_is_refused_by_name(bench):
    streaming = make_node(None, transport="http")

    @streaming.stream
    async def listen(job):
        return await bench.work(job)

    with pytest.raises(NodeMistake, match=r"@node\.stream .* HTTP does not carry"):
        await streaming.serve(url="http://127.0.0.1:9")
    silent = make_node(bench.work, transport="http", acknowledge=False)
    with pytest.raises(NodeMistake, match="every job is acknowledged"):
        await silent.serve(url="http://127.0.0.1:9")
    odd = make_node(bench.work, transport="carrier pigeon")
    with pytest.raises(NodeMistake, match="transport is one of websocket, http"):
        await odd.serve(url="http://127.0.0.1:9")
    plain = make_node(bench.work)
    with pytest.raises(NodeMistake, match="meant\\? Or write transport='http'"):
        await plain.serve(url="http://127.0.0.1:9")


class FakeDoors:
    """A scheduler of requests: answers by path, in turn; a poll without an answer waits."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict]] = []
        self.connections = 0
        self.address = ""
        self.answers: dict[str, list[tuple[int, dict]]] = {
            "/v1/node/register": [],
            "/v1/node/poll": [],
        }
        self._writers: list[asyncio.StreamWriter] = []
        self.closes_after: Callable[[int], bool] = lambda _count: False

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator["FakeDoors"]:
        doors = cls()
        server = await asyncio.start_server(doors._serve, "127.0.0.1", 0)
        doors.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield doors
        finally:
            server.close()
            for _ in range(3):
                await asyncio.sleep(0)  # who was let in just now is among the writers then
            for writer in doors._writers:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()

    def list_asked(self, path: str) -> list[dict]:
        return [body for asked, body in self.asked if asked == path]

    async def _serve(self, reader, writer) -> None:
        self.connections += 1
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                path = head.split()[1]
                length = next(
                    int(line.split(":")[1])
                    for line in head.splitlines()
                    if line.lower().startswith("content-length")
                )
                self.asked.append((path, json.loads(await reader.readexactly(length) or b"{}")))
                status, told = self._answer(path)
                if status == 0:
                    await reader.read()  # until whoever asked hangs up
                    break
                body = json.dumps(told).encode()
                answer = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                writer.write(answer + body)
                await writer.drain()
                if self.closes_after(len(self.asked)):
                    break
        writer.close()

    def _answer(self, path: str) -> tuple[int, dict]:
        waiting = self.answers.get(path)
        if waiting:
            return waiting.pop(0)
        if path == "/v1/node/register":
            told = {"node_id": "node-1", "resume_token": "r", "heartbeat_interval_ms": 15_000}
            return 200, told | {"status": "registering"}
        # A poll that is to end at once is that of a node that leaves.
        if path == "/v1/node/poll" and self.list_asked(path)[-1].get("wait_ms"):
            return 0, {}
        return 200, {"ok": True, "messages": []}


async def started(bench: Bench) -> Job:
    async with asyncio.timeout(DEADLINE_S):
        return await bench.started.get()


async def test_a_job_is_acknowledged_begun_and_answered(bench, caplog):
    async with FakeDoors.open() as doors:
        doors.answers["/v1/node/poll"].append((200, {"messages": [assign_frame()]}))
        node = make_node(bench.work, transport="http")
        async with running(node.serve(url=doors.address)) as serving:
            job = await started(bench)
            with caplog.at_level(logging.WARNING):
                await job.emit_partial("hel")
                await job.emit_partial("hello")
            told = [line.getMessage() for line in caplog.records]
            assert sum("over a WebSocket alone" in line for line in told) == 1, told
            with pytest.raises(ConnectionError, match="over a WebSocket alone"):
                await node.request_pairing_code()
            bench.go.set()
            node.drain()
            async with asyncio.timeout(DEADLINE_S):
                await serving
        acks = doors.list_asked("/v1/job/ack")
        about = {"job_id": "job-0b9c4d0e", "attempt_id": 1, "node_id": "node-1"}
        assert acks == [about, about | {"status": "running"}]
        [done] = doors.list_asked("/v1/job/done")
        assert done["result"]["text_translated"] == "hola"
        assert done["result"]["tts_audio"] == "AQI="
        beats = doors.list_asked("/v1/node/heartbeat")
        assert beats[-1]["draining"] is True
        assert beats[0].keys() >= {"resume_token", "resource_usage"}
        assert "type" not in beats[0]


async def test_a_job_that_is_another_attempts_is_never_begun(bench):
    async with FakeDoors.open() as doors:
        stale = {"error": "STALE_ATTEMPT", "detail": "somebody else has it"}
        doors.answers["/v1/job/ack"] = [(409, stale)]
        doors.answers["/v1/node/poll"] += [
            (200, {"messages": [assign_frame()]}),
            (200, {"messages": [assign_frame(job_id="job-two")]}),
        ]
        node = make_node(bench.work, transport="http")
        async with running(node.serve(url=doors.address)):
            assert (await started(bench)).assign.job_id == "job-two"
            assert bench.runs == 1


async def test_a_result_that_is_too_long_becomes_a_failure(bench):
    async with FakeDoors.open() as doors:
        doors.answers["/v1/node/poll"].append((200, {"messages": [assign_frame()]}))
        doors.answers["/v1/job/done"] = [(413, {"error": "TOO_LARGE", "detail": "too long"})]
        node = make_node(bench.work, transport="http")
        bench.go.set()
        async with running(node.serve(url=doors.address)):
            await eventually(lambda: bool(doors.list_asked("/v1/job/fail")))
        [failed] = doors.list_asked("/v1/job/fail")
        assert failed["reason"] == "RESULT_TOO_LARGE"


async def test_a_node_that_is_not_known_any_more_registers_with_what_it_holds(bench):
    async with FakeDoors.open() as doors:
        gone = (409, {"error": "NODE_UNAVAILABLE", "detail": "register"})
        doors.answers["/v1/node/poll"].append((200, {"messages": [assign_frame()]}))
        node = make_node(bench.work, transport="http")
        async with running(node.serve(url=doors.address)):
            await started(bench)
            doors.answers["/v1/node/heartbeat"] = [gone]
            node.set_service_status(service_id="my-tts", status="running")
            await eventually(lambda: len(doors.list_asked("/v1/node/register")) == 2)
            again = doors.list_asked("/v1/node/register")[1]
            assert (again["node_id"], again["resume_token"]) == ("node-1", "r")
            assert again["running_attempts"] == [{"job_id": "job-0b9c4d0e", "attempt_id": 1}]
            bench.go.set()
            await eventually(lambda: bool(doors.list_asked("/v1/job/done")))
        assert bench.runs == 1


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, "INVALID_MESSAGE", "cannot take what this node declares"),
        (404, "NOT_FOUND", "takes no requests of nodes"),
        (413, "TOO_LARGE", "declare less"),
    ],
)
async def test_a_refusal_that_only_the_node_can_mend_ends_it(bench, status, code, words):
    async with FakeDoors.open() as doors:
        doors.answers["/v1/node/register"].append((status, {"error": code, "detail": "no"}))
        node = make_node(bench.work, transport="http")
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(NodeMistake, match=words):
                await node.serve(url=doors.address)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "UNAUTHORIZED", "lets nodes in with a token alone"),
        (409, "NODE_ID_CONFLICT", "does not take this node"),
        (503, "SCHEDULER_DEPENDENCY_DOWN", "SCHEDULER_DEPENDENCY_DOWN"),
        (502, "", "answers 502"),
    ],
)
async def test_a_refusal_that_others_may_mend_is_told_and_tried_again(
    bench, caplog, status, code, words
):
    async with FakeDoors.open() as doors:
        told = {"error": code, "detail": "no"} if code else {}
        doors.answers["/v1/node/register"].append((status, told))
        node = make_node(bench.work, transport="http")
        with caplog.at_level(logging.WARNING):
            async with running(node.serve(url=doors.address)):
                async with asyncio.timeout(DEADLINE_S):
                    await node.wait_registered()
        assert any(words in line.getMessage() for line in caplog.records), caplog.text


async def test_a_connection_that_the_server_closed_meanwhile_costs_nothing():
    async with FakeDoors.open() as doors:
        doors.closes_after = lambda count: count == 1
        client = HttpClient(doors.address, token=None, most_bytes=1_000)
        for _ in range(3):
            answer = await client.ask("/v1/job/ack", b"{}", timeout_s=DEADLINE_S)
            assert answer.status == 200
        client.close()
        assert doors.connections == 2


async def test_what_is_given_up_is_given_up_at_the_other_end_too():
    arrived, hung_up = asyncio.Event(), asyncio.Event()

    async def hold(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await reader.read()
        hung_up.set()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        client = HttpClient(f"http://127.0.0.1:{port}", token=None, most_bytes=1_000)
        asking = asyncio.create_task(client.ask("/x", b"", timeout_s=DEADLINE_S))
        async with asyncio.timeout(DEADLINE_S):
            await arrived.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        async with asyncio.timeout(DEADLINE_S):
            await hung_up.wait()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"SSH-2.0-x\r\n", "no answer that is HTTP|reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2_000, "1,000 bytes|reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nx", "no answer that is HTTP|reset"),
        (b"", "without response|reset"),
    ],
    ids=["of another protocol", "too long", "cut off", "none"],
)
async def test_an_answer_that_is_none_is_an_error_of_the_network(answer, words):
    async with answering(answer) as address:
        client = HttpClient(f"http://{address}", token=None, most_bytes=1_000)
        with pytest.raises(OSError, match=words):
            await client.ask("/x", b"", timeout_s=DEADLINE_S)
        client.close()


async def test_a_refusal_of_now_is_asked_again_and_one_for_good_is_not():
    async with FakeDoors.open() as doors:
        busy = (429, {"error": "RATE_LIMITED", "detail": "", "details": {"retry_after_ms": 1}})
        doors.answers["/x"] = [busy, (503, {"error": "DRAINING"}), (200, {})]
        doors.answers["/y"] = [(409, {"error": "STALE_ATTEMPT", "detail": "gone"})]
        caller = HttpCaller(HttpClient(doors.address, token=None, most_bytes=1_000))
        await caller.ask("/x", {})
        with pytest.raises(HttpRefused) as refused:
            await caller.ask("/y", {})
        caller.close()
        assert refused.value.code == "STALE_ATTEMPT"
        assert [path for path, _ in doors.asked] == ["/x", "/x", "/x", "/y"]


@pytest.mark.parametrize(
    ("base", "first"),
    [
        ("http://scheduler.test/lingua", "POST http://scheduler.test/lingua/x HTTP/1.1"),
        ("https://scheduler.test", "CONNECT scheduler.test:443 HTTP/1.1"),
    ],
)
async def test_requests_go_through_the_proxy_that_the_environment_names(monkeypatch, base, first):
    heads: asyncio.Queue[str] = asyncio.Queue()

    async def take(reader, writer):
        heads.put_nowait((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 407 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://ann:a%20word@127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "")
        client = HttpClient(base, token=None, most_bytes=1_000)
        with contextlib.suppress(OSError):
            await client.ask("/x", b"", timeout_s=DEADLINE_S)
        client.close()
        head = await heads.get()
    assert head.splitlines()[0] in {first, first.replace("HTTP/1.1", "HTTP/1.0")}
    assert "Proxy-Authorization: Basic YW5uOmEgd29yZA==" in head
