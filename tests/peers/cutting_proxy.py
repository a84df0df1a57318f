"""A way to a server that drops requests on the way there, or their answers on the way back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self

from tests.peers.http import Frame, ask


class CuttingProxy:
    """Passes requests on one by one; `cut` says which path loses its request, or its answer."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.address = ""
        self.seen: list[str] = []  # what was asked and got its answer
        self.cuts: list[tuple[str, str]] = []
        self.made: list[tuple[str, str]] = []
        self._serving: set[asyncio.Task[None] | None] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def before(cls, target: str) -> AsyncIterator[Self]:
        proxy = cls(target)
        server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
        proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield proxy
        finally:
            server.close()
            serving = [task for task in proxy._serving if task is not None]
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)

    def cut(self, path: str, *, at: str) -> None:
        """Lose the next `request` to a path before anybody has it, or the `answer` to it."""
        self.cuts.append((path, at))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._serving.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._pass_on(reader, writer):
                    pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self._serving.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in _split(lines)}
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        path = first.split()[1]
        if self._is_cut(path, "request"):
            return False
        try:
            answer = await ask(self.target, path, raw=body, headers=_keep(fields))
        except OSError:
            return False  # nobody is there
        if self._is_cut(path, "answer"):
            return False
        self.seen.append(path)
        text = answer.text.encode()
        told = f"HTTP/1.1 {answer.status} x\r\nContent-Length: {len(text)}\r\n\r\n"
        writer.write(told.encode() + text)
        await writer.drain()
        return True

    def _is_cut(self, path: str, at: str) -> bool:
        if (path, at) not in self.cuts:
            return False
        self.cuts.remove((path, at))
        self.made.append((path, at))
        return True


def _split(lines: list[str]) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in lines]


def _keep(fields: Frame) -> dict[str, str]:
    return {"Authorization": fields["authorization"]} if "authorization" in fields else {}
