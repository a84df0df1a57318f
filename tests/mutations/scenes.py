"""Speakers and nodes that say mutants, beside one node that works."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from websockets.exceptions import ConnectionClosed

import nodes.messages
import sessions_app.messages
from tests.mutations.mutants import Mutator
from tests.peers.frames import Frame, heartbeat_frame, init_frame, register_frame, utterance_frame
from tests.peers.http import ask
from tests.peers.node import FakeNode, WorkingNode
from tests.peers.sockets import Peer
from tests.peers.speaker import Speaker

# No answer may take longer.
ANSWERED_WITHIN_S = 60.0
# A node is told of so many mistakes at once.
_AT_ONCE = 15
_OF_A_SPEAKER = 45
_REFUSALS = frozenset({"INVALID_MESSAGE", "FIELD_IGNORED"})
_HALF = ("\\ud", "\\uD")
_OUTCOMES = frozenset({"translation_result", "missing_result"})


class Tally(msgspec.Struct):
    """How many frames and requests were sent, and how many answers named what was wrong."""

    frames: int = 0
    refused: int = 0
    requests: int = 0
    statuses: dict[int, int] = {}


def _is_refused(decode: Any, text: str) -> bool:
    """Say whether a strict reader refuses a frame, and not for half a character alone."""
    try:
        decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return not any(half in text for half in _HALF)
    return False


class Scene:
    """One lane of the test: ids and languages of its own, one scene after the other."""

    def __init__(
        self, number: int, *, address: str, tokens: Mapping[str, str], seed: int, tally: Tally
    ) -> None:
        self._number = number
        self._address = address
        self._tokens = tokens
        self._mutator = Mutator(seed * 1_000 + number)
        self._tally = tally
        self._languages = (f"ma{number}", f"mb{number}")
        self._envelope = itertools.cycle(("type", "job_id", "attempt_id", "node_id"))
        self._from_node = self._mutator.shuffled(self._list_from_node())
        self._from_speaker = self._mutator.shuffled(self._list_from_speaker())
        self._requests = self._mutator.shuffled(self._list_requests())

    async def play(self) -> None:
        """Let a node and a speaker say mutants while an utterance is under way."""
        async with (
            self._open(WorkingNode, "node") as worker,
            self._open(FakeNode, "node") as node,
            self._open(Speaker, "api") as speaker,
        ):
            await node.register(self._languages, node_id=f"mutant-{self._number}")
            await node.make_ready()
            await speaker.init(self._languages)
            await speaker.say(0)
            job = await node.job()
            worker.works = True
            await worker.register(self._languages, node_id=f"worker-{self._number}")
            await self._spoil_envelope(node, job)
            await self._torment_node(node, job)
            await self._torment_speaker(speaker)
            await node.close()
            if not speaker.told("session_close_ack"):
                await speaker.find(
                    lambda frame: frame["type"] in _OUTCOMES, within_s=ANSWERED_WITHIN_S
                )

    async def ask(self) -> None:
        """Send one mutated request, and see that its answer names what is wrong."""
        path, frame = next(self._requests)
        body = self._mutator.draw(frame)
        role = "node" if path.startswith(("/v1/node", "/v1/job")) else "api"
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            reply = await ask(
                self._address, path, raw=body.encode(), token=self._tokens.get(role, "")
            )
        told = f"{path} {reply.status} {reply.text[:300]} to {body[:300]}"
        assert reply.status < 500 or reply.status == 503, told
        assert reply.status < 400 or reply.json["error"], told
        self._tally.requests += 1
        statuses = self._tally.statuses
        statuses[reply.status] = statuses.get(reply.status, 0) + 1

    async def _spoil_envelope(self, node: FakeNode, job: Frame) -> None:
        """Let a result say wrongly whom it is about: the node hears of it at once, by name."""
        frame = node.result_frame(job)
        text = self._mutator.draw_with(frame, next(self._envelope))
        self._tally.frames += 1
        await node.send(text)
        with contextlib.suppress(msgspec.MsgspecError, RecursionError, ValueError):
            message = nodes.messages.decode(text)
            if msgspec.to_builtins(message, str_keys=True).items() >= frame.items():
                return  # a field said twice, and rightly the second time
            if isinstance(message, nodes.messages.JobStarted | nodes.messages.JobAck):
                return
        told = asyncio.create_task(node.find(_names_a_field, within_s=ANSWERED_WITHIN_S))
        closed = asyncio.create_task(node.closed())
        await asyncio.wait({told, closed}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        closed.cancel()
        results = await asyncio.gather(told, closed, return_exceptions=True)
        assert not all(isinstance(one, BaseException) for one in results), text[:500]
        self._tally.refused += 1

    async def _torment_node(self, node: FakeNode, job: Frame) -> None:
        ids = {"<job>": job["job_id"], "<session>": job["session_id"], "<node>": node.node_id}
        due = 0
        for _ in range(_AT_ONCE):
            frame = next(self._from_node)
            text = self._fill(self._mutator.draw(frame), ids)
            with contextlib.suppress(ConnectionClosed):
                await node.send(text)
                self._tally.frames += 1
            if _is_refused(nodes.messages.decode, text):
                due += not nodes.messages.is_error(text)
                if "node_register" in text:
                    break
        await _told_or_closed(node)
        told = [frame for frame in node.told("error") if frame["code"] in _REFUSALS]
        assert node.close_code is not None or len(told) >= due, f"{due} mistakes, told {told}"
        self._tally.refused += len(told)

    async def _torment_speaker(self, speaker: Speaker) -> None:
        ids = {"<session>": speaker.session_id}
        decode, is_our_own = sessions_app.messages.decode, sessions_app.messages.is_our_own
        said = []
        for number in range(_OF_A_SPEAKER):
            text = self._fill(self._mutator.draw(next(self._from_speaker)), ids)
            said.append(text)
            await speaker.send(text)
            await speaker.send({"type": f"mark {number}"})
        self._tally.frames += len(said)
        last = f"mark {_OF_A_SPEAKER - 1}'"
        await speaker.find(
            lambda frame: last in frame.get("message", ""), within_s=ANSWERED_WITHIN_S
        )
        told: list[list[str]] = [[]]
        for frame in speaker.seen:
            if "'mark " in frame.get("message", ""):
                told.append([])
            else:
                told[-1].append(frame.get("code", ""))
        for text, codes in zip(said, told, strict=False):
            if _is_refused(decode, text) and not is_our_own(text):
                assert "INVALID_MESSAGE" in codes, text[:500]
                self._tally.refused += 1

    @contextlib.asynccontextmanager
    async def _open(self, kind: Any, role: str) -> AsyncIterator[Any]:
        path = "/ws/node" if role == "node" else "/ws/session"
        token = self._tokens.get(role)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with kind.connect(f"ws://{self._address}{path}", headers=headers) as peer:
            yield peer

    def _fill(self, text: str, ids: Mapping[str, str]) -> str:
        for name, value in ids.items():
            text = text.replace(name, value)
        return text

    def _list_from_node(self) -> list[Frame]:
        about = {
            "job_id": "<job>",
            "attempt_id": 1,
            "node_id": "<node>",
            "session_id": "<session>",
            "trace_id": "t",
        }
        result = about | {
            "utterance_index": 0,
            "success": True,
            "text_asr": "a",
            "text_translated": "b",
            "tts_audio": "AgD4/w==",
            "tts_format": "opus",
            "extra": {"language_probability": 0.5, "service_timings": {"asr_ms": 1}},
            "processing_time_ms": 12,
            "quality_score": 0.9,
            "reason_codes": ["x"],
            "segments_meta": {"count": 1},
        }
        error = {"code": "ASR_FAILED", "message": "m", "details": {"a": [1]}}
        attempt = {"job_id": "<job>", "attempt_id": 1}
        return [
            {"type": "job_ack"} | about,
            {"type": "job_started"} | about,
            {"type": "asr_partial", "utterance_index": 0, "text": "a", "is_final": False} | about,
            {"type": "job_result"} | result,
            {"type": "job_result"} | result | {"success": False, "error": error},
            {"type": "node_error", "node_id": "<node>", "code": "X", "message": "m"},
            heartbeat_frame("<node>")
            | {"running_attempts": [attempt], "draining": False, "rerun_metrics": {}},
            register_frame(self._languages)
            | {"node_id": "<node>", "resume_token": "x", "running_attempts": [attempt]},
        ]

    def _list_from_speaker(self) -> list[Frame]:
        own = {"session_id": "<session>", "trace_id": "t", "group_id": "g"}
        utterance = utterance_frame("<session>", 1, self._languages) | {
            "request_id": "r",
            "features": {"a": [1]},
            "pipeline": {"use_asr": True, "use_nmt": True, "use_tts": False},
        }
        return [
            init_frame(self._languages) | {"mode": "one_way", "tgt_langs": [self._languages[1]]},
            utterance,
            {"type": "audio_chunk", "seq": 0, "is_final": True, "payload": "AAAAAAAA"} | own,
            {"type": "client_heartbeat", "timestamp": 0} | own,
            {"type": "tts_started", "ts_start_ms": 0} | own,
            {"type": "tts_play_ended", "ts_end_ms": 0} | own,
            {"type": "result_ack", "utterance_index": 0} | own,
            {"type": "room_create", "client_ts": 1},
        ]

    def _list_requests(self) -> list[Any]:
        name = {"node_id": f"http-{self._number}", "resume_token": "t"}
        report = {"job_id": "job-1a2b3c4d-1", "attempt_id": 1, "node_id": name["node_id"]}
        dispatch = {
            "src_lang": self._languages[0],
            "tgt_lang": self._languages[1],
            "audio": "AAAAAAAA",
            "audio_format": "pcm16",
            "sample_rate": 16_000,
            "request_id": "r",
            "options": {"require_tts": False},
            "features": {"a": [1]},
            "callback": {"url": "http://127.0.0.1:9/hook", "secret": "s" * 20},
        }
        return [
            ("/v1/node/register", register_frame(self._languages) | {"node_id": name["node_id"]}),
            ("/v1/node/heartbeat", heartbeat_frame(name["node_id"]) | name),
            ("/v1/node/poll", name | {"wait_ms": 0, "most": 4}),
            ("/v1/job/ack", report | {"status": "accepted"}),
            ("/v1/job/done", report | {"result": {"text_asr": "a", "extra": {"reason": "x"}}}),
            ("/v1/job/fail", report | {"reason": "X", "message": "m", "details": [1]}),
            ("/v1/dispatch/f2f", dispatch),
        ]


def _names_a_field(frame: Frame) -> bool:
    return frame["type"] == "error" and bool(frame["message"])


async def _told_or_closed(node: Peer) -> None:
    """Wait until everything a node said was answered, or its socket is closed."""
    with contextlib.suppress(ConnectionClosed):
        await node.send({"type": "the end"})
    waits = [
        asyncio.create_task(
            node.find(lambda frame: "the end" in frame.get("message", ""), within_s=60)
        ),
        asyncio.create_task(node.closed()),
    ]
    done, rest = await asyncio.wait(
        waits, timeout=ANSWERED_WITHIN_S, return_when=asyncio.FIRST_COMPLETED
    )
    for wait in rest:
        wait.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    assert done, node.seen
