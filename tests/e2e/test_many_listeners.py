"""One speaker and many who listen: a job a language, and how long the last waits for the first.

`make test-listeners` does it with a thousand and logs the figures; here are a few, and no figures.
"""

import asyncio
import base64
import functools
import json
import logging
import os
import time
from pathlib import Path

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.e2e.test_rooms import MANY
from tests.peers.frames import draw_languages
from tests.peers.member import Member
from tests.peers.node import FakeNode
from tests.waiting import eventually

logger = logging.getLogger(__name__)

SESSION, NODE = "/ws/session", "/ws/node"
LISTENERS = int(os.environ.get("LISTENERS", "20"))
UTTERANCES = 20 if "LISTENERS" in os.environ else 2
LANGUAGES = 5
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


@pytest.mark.req("RM3", "RM6")
async def test_many_who_listen_cost_a_job_a_language(servers: Servers, server_name: str) -> None:
    lingua = servers.start(server_name, **SETTINGS)
    spoken, first = draw_languages()
    langs = [first, *(draw_languages()[1] for _ in range(LANGUAGES - 1))]
    host, _, port = lingua.instance.address.rpartition(":")
    loop = asyncio.get_running_loop()
    nodes = [FakeNode.open(lingua.url(NODE), (spoken, lang)) for lang in langs]
    async with (
        Member.open(lingua.url(SESSION), (spoken, first)) as ann,
        nodes[0] as one,
        nodes[1] as two,
        nodes[2] as three,
        nodes[3] as four,
        nodes[4] as five,
    ):
        code = await ann.create_room(display_name="Ann", preferred_lang=spoken)
        before_kb = _read_memory_kb(lingua)
        ears = []
        for number in range(LISTENERS):
            ear = Ear(host=lingua.instance.address, room_code=code, lang=langs[number % LANGUAGES])
            await loop.create_connection(functools.partial(_same, ear), host, int(port))
            ears.append(ear)
        await eventually(lambda: all(ear.is_listening for ear in ears))
        each_kb = (_read_memory_kb(lingua) - before_kb) / LISTENERS
        spreads_ms, jobs = [], 0
        for index in range(UTTERANCES):
            word = f"word-{index:03}".encode()
            await ann.say(index)
            assigned = [await node.job() for node in (one, two, three, four, five)]
            jobs += len(assigned)
            for node, job in zip((one, two, three, four, five), assigned, strict=True):
                await node.finish(job, text_translated=word.decode(), tts_audio="")
            await eventually(functools.partial(_all_heard, ears, word))
            told = sorted(ear.heard_at_s[word] for ear in ears)
            spreads_ms.append(round((told[-1] - told[0]) * 1000, 1))
        for ear in ears:
            ear.hang_up()
        await ann.check_alive()
        had = [job for node in (one, two, three, four, five) for job in node.told("job_assign")]

    assert len(had) == jobs == LANGUAGES * UTTERANCES
    spreads_ms.sort()
    figures = (server_name, LISTENERS, spreads_ms[len(spreads_ms) // 2], spreads_ms[-1], each_kb)
    said = "%s: %d listeners, last after first: median %.1f ms, most %.1f ms; %.1f KB each"
    logger.info(said, *figures)
    lingua.stop()


def _same(ear: Ear) -> Ear:
    return ear


def _all_heard(ears: list[Ear], word: bytes) -> bool:
    return all(word in ear.heard_at_s for ear in ears)


def _read_memory_kb(lingua: Lingua) -> int:
    status = Path(f"/proc/{lingua.instance.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
