"""One speaker and many who listen: a job a language, and what so many cost the others.

`make test-listeners` does it with a thousand and logs the figures; here are a few, and no figures.
"""

import asyncio
import base64
import contextlib
import dataclasses
import functools
import json
import logging
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.e2e.test_rooms import MANY
from tests.peers.frames import Frame, draw_languages
from tests.peers.member import Member
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

logger = logging.getLogger(__name__)

SESSION, NODE = "/ws/session", "/ws/node"
LISTENERS = int(os.environ.get("LISTENERS", "20"))
LANGUAGES = 5
# The hall and a room with one listener a language, whose speaker has as many jobs, take turns.
PAIRS, UTTERANCES = (10, 5) if "LISTENERS" in os.environ else (1, 2)
# So much longer may what is said in the hall take to its nodes than in the small room: that is to
# be unchanged, and the median of few utterances is no better known.
MOST_RATIO = 1.25
# All come from one address, within seconds.
SETTINGS = MANY


class Ear(asyncio.Protocol):
    """A listener's socket, as cheap as may be: what it costs here is no part of the figure."""

    def __init__(self, *, host: str, room_code: str, lang: str) -> None:
        self.is_listening = False
        self.heard_at_s: dict[bytes, float] = {}
        self._host = host
        self._wish = json.dumps({"type": "listen", "room_code": room_code, "lang": lang}).encode()
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /ws/listen HTTP/1.1",
            f"Host: {self._host}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        ]
        transport.write("\r\n".join([*lines, "", ""]).encode())

    def data_received(self, data: bytes) -> None:
        now_s = time.perf_counter()
        if not self._is_open and b"\r\n\r\n" in data:
            self._is_open = True
            # A text frame, masked by zeros.
            self._transport.write(b"\x81" + bytes([0x80 | len(self._wish)]) + bytes(4) + self._wish)
        self.is_listening |= b'"listening"' in data
        at = data.find(b"word-")
        if at >= 0:
            self.heard_at_s[data[at : at + 8]] = now_s

    def hang_up(self) -> None:
        self._transport.close()


@dataclasses.dataclass(kw_only=True)
class Hall:
    """A room with one speaker, who listens there, and what was measured, in ms."""

    speaker: Member
    ears: list[Ear]
    spreads_ms: list[float] = dataclasses.field(default_factory=list)
    assigned_ms: list[float] = dataclasses.field(default_factory=list)
    neighbor_ms: list[float] = dataclasses.field(default_factory=list)

    async def fill(self, lingua: Lingua, *, langs: Sequence[str], listeners: int) -> None:
        """Let so many come in, each language as often."""
        host, _, port = lingua.instance.address.rpartition(":")
        loop, code = asyncio.get_running_loop(), self.speaker.code
        for number in range(listeners):
            lang = langs[number % len(langs)]
            ear = Ear(host=lingua.instance.address, room_code=code, lang=lang)
            await loop.create_connection(functools.partial(_same, ear), host, int(port))
            self.ears.append(ear)
        await eventually(lambda: all(ear.is_listening for ear in self.ears))

    async def take_turn(self, index: int, nodes: Sequence[FakeNode], beside: "Neighbor") -> None:
        """Say something, and let it be heard by all; a neighbor is answered right behind that."""
        word = f"word-{index:03}".encode()
        began_s = time.perf_counter()
        await self.speaker.say(index)
        jobs = [await node.job() for node in nodes]
        self.assigned_ms.append((time.perf_counter() - began_s) * 1000)
        await beside.ask(index)
        for node, job in zip(nodes, jobs, strict=True):
            await node.finish(job, text_translated=word.decode(), tts_audio="")
        self.neighbor_ms.append(await beside.be_answered(index))
        await eventually(lambda: all(word in ear.heard_at_s for ear in self.ears))
        told = sorted(ear.heard_at_s[word] for ear in self.ears)
        self.spreads_ms.append(round((told[-1] - told[0]) * 1000, 1))


@dataclasses.dataclass(kw_only=True)
class Neighbor:
    """A speaker of the same instance who is in no room, with a node of its own."""

    speaker: Speaker
    node: FakeNode
    job: Frame = dataclasses.field(default_factory=dict)

    async def ask(self, index: int) -> None:
        await self.speaker.say(index)
        self.job = await self.node.job()

    async def be_answered(self, index: int) -> float:
        """Return how long the result took from the node to its speaker, in ms."""
        began_s = time.perf_counter()
        await self.node.finish(self.job)
        await self.speaker.result(index)
        return (time.perf_counter() - began_s) * 1000


@pytest.mark.req("RM3", "RM6")
async def test_many_who_listen_cost_a_job_a_language(servers: Servers, server_name: str) -> None:
    lingua = servers.start(server_name, **SETTINGS)
    (spoken, first), alone = draw_languages(), draw_languages()
    langs = [first, *(draw_languages()[1] for _ in range(LANGUAGES - 1))]
    session = lingua.url(SESSION)
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        nodes = [await enter(FakeNode.open(lingua.url(NODE), (spoken, lang))) for lang in langs]
        hall, room = [
            Hall(speaker=await enter(Member.open(session, (spoken, first))), ears=[])
            for _ in range(2)
        ]
        beside = Neighbor(
            speaker=await enter(Speaker.open(session, alone)),
            node=await enter(FakeNode.open(lingua.url(NODE), alone)),
        )
        for each in (hall, room):
            await each.speaker.create_room(display_name="Ann", preferred_lang=spoken)
        await room.fill(lingua, langs=langs, listeners=LANGUAGES)
        before_kb = _read_memory_kb(lingua)
        await hall.fill(lingua, langs=langs, listeners=LISTENERS)
        each_kb = (_read_memory_kb(lingua) - before_kb) / LISTENERS
        # Whatever changes with time changes it for both.
        windows = [(hall, room)[(number + number // 2) % 2] for number in range(2 * PAIRS)]
        turns = [each for each in windows for _ in range(UTTERANCES)]
        for index, each in enumerate(turns):
            await each.take_turn(index, nodes, beside)
        for ear in (*hall.ears, *room.ears):
            ear.hang_up()
        await hall.speaker.check_alive()
        had = [job for node in nodes for job in node.told("job_assign")]

    assert len(had) == LANGUAGES * len(turns)
    spreads_ms = sorted(hall.spreads_ms)
    figures = (server_name, LISTENERS, statistics.median(spreads_ms), spreads_ms[-1], each_kb)
    said = "%s: %d listeners, last after first: median %.1f ms, most %.1f ms; %.1f KB each"
    logger.info(said, *figures)
    ratio = _tell_ratio("what is said to its last node", hall.assigned_ms, room.assigned_ms)
    verdict = "kept" if ratio <= MOST_RATIO else "NOT KEPT"
    logger.info("the speaker's own path: at most %.2f times as long: %s", MOST_RATIO, verdict)
    _tell_ratio("a neighbor's result right behind captions", hall.neighbor_ms, room.neighbor_ms)
    more_ms = statistics.median(hall.neighbor_ms) - statistics.median(room.neighbor_ms)
    verdict = "kept" if more_ms <= figures[2] else "NOT KEPT"
    said = "a neighbor: %.1f ms longer, at most as long as all listeners take, %.1f ms: %s"
    logger.info(said, more_ms, figures[2], verdict)
    lingua.stop()


def _tell_ratio(what: str, many_ms: Sequence[float], few_ms: Sequence[float]) -> float:
    """Log, and return, how much longer something takes beside many; windows are paired in time."""
    ratios = sorted(
        statistics.median(many_ms[at : at + UTTERANCES])
        / statistics.median(few_ms[at : at + UTTERANCES])
        for at in range(0, len(many_ms), UTTERANCES)
    )
    ratio = statistics.median(ratios)
    logger.info(
        "%s: median %.1f ms beside %d listeners, %.1f ms beside %d; "
        "ratio %.2f (%.2f to %.2f over %d pairs of windows)",
        *(what, statistics.median(many_ms), LISTENERS, statistics.median(few_ms), LANGUAGES),
        *(ratio, ratios[0], ratios[-1], len(ratios)),
    )
    return ratio


def _same(ear: Ear) -> Ear:
    return ear


def _read_memory_kb(lingua: Lingua) -> int:
    status = Path(f"/proc/{lingua.instance.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
