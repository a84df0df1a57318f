"""Servers of the tests' chat, each a process of its own, and who speaks with them."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from streams_testing.redis_server import find_free_port, wait_until
from streams_testing.waiting import SOON

_TESTS = Path(__file__).parents[1]
_APPLICATION = "chat_project.asgi:application"
_ENDS_WITHIN_S = 60


class ChatServer:
    """One server of the chat."""

    def __init__(self, kind: str, *, redis_url: str, prefix: str, log: Path) -> None:
        self.port = find_free_port()
        self._environment = {
            **os.environ,
            "CHAT_REDIS_URL": redis_url,
            "CHAT_PREFIX": prefix,
            "DJANGO_SETTINGS_MODULE": "chat_project.settings",
            "PYTHONPATH": str(_TESTS),
        }
        port = str(self.port)
        self._words = {
            "daphne": ("-m", "daphne", "-b", "127.0.0.1", "-p", port, _APPLICATION),
            "uvicorn": ("-m", "uvicorn", "--port", port, _APPLICATION),
            "runserver": ("-m", "django", "runserver", "--noreload", f"127.0.0.1:{port}"),
            "runworker": ("-m", "django", "runworker", "thumbnails"),
        }[kind]
        self._log = log

    @contextmanager
    def running(self, *, listens: bool = True) -> Iterator["ChatServer"]:
        with self._log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *self._words],
                env=self._environment,
                stdout=output,
                stderr=output,
                cwd=_TESTS,
            )
        try:
            if listens:
                wait_until(self._answers, f"the server did not start, see {self._log}")
            yield self
        finally:
            process.terminate()
            try:
                process.wait(timeout=_ENDS_WITHIN_S)
            finally:
                process.kill()

    async def join(self, room: str) -> "Chatter":
        """Open a socket; it knows its channel's name."""
        opened = await connect(f"ws://127.0.0.1:{self.port}/ws/chat/{room}/", open_timeout=SOON)
        chatter = Chatter(opened)
        chatter.channel = (await chatter.hear())["channel"]
        return chatter

    async def ask(self, *words: str) -> str:
        """Ask a view, and return what it says."""
        path = "/".join(urllib.parse.quote(word) for word in words)

        def fetch() -> str:
            url = f"http://127.0.0.1:{self.port}/{path}"
            with urllib.request.urlopen(url, timeout=SOON) as answer:
                told: str = answer.read().decode()
                return told

        return await asyncio.to_thread(fetch)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class Chatter:
    """Somebody in a room."""

    channel = ""

    def __init__(self, opened: ClientConnection) -> None:
        self._socket = opened

    async def say(self, message: str) -> None:
        await self._socket.send(json.dumps({"message": message}))

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(SOON):
            heard: dict[str, Any] = json.loads(await self._socket.recv())
        return heard

    async def leave(self) -> None:
        await self._socket.close()
