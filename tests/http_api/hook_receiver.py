"""A server that web hooks are sent to; it answers as the test wants."""

import asyncio
import contextlib
import dataclasses
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

from streams_testing.listening import listening

from tests.peers.http import DEADLINE_S


@dataclasses.dataclass(frozen=True, kw_only=True)
class Told:
    """One hook as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def is_signed_with(self, secret: str) -> bool:
        moment, _, digest = self.headers["x-lingua-signature"].partition(",v1=")
        signed = f"{moment.removeprefix('t=')}.".encode() + self.body
        return digest == hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


class HookReceiver:
    """Keeps what it is told; `answers` are the statuses it gives, then 200."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.told: list[Told] = []
        self.address = ""
        self._news = asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, *answers: int) -> AsyncIterator["HookReceiver"]:
        receiver = cls(*answers)
        async with listening(receiver._serve) as receiver.address:
            yield receiver

    async def next(self, count: int) -> Told:
        """Wait until this many hooks have come; return the last."""
        async with asyncio.timeout(2 * DEADLINE_S):
            while len(self.told) < count:
                self._news.clear()
                await self._news.wait()
        return self.told[count - 1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readline()).decode().split()[1]
        headers = {}
        while line := (await reader.readline()).strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers["content-length"]))
        status = self.answers.pop(0) if self.answers else 200
        where = f"Location: http://{self.address}/elsewhere\r\n" if status == 302 else ""
        writer.write(f"HTTP/1.1 {status} X\r\n{where}Content-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        self.told.append(Told(path=path, headers=headers, body=body))
        self._news.set()
