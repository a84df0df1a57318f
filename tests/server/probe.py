"""A small application whose sockets do what their path says; the servers are tested with it."""

import asyncio
import os
from pathlib import Path
from urllib.parse import parse_qs

from lingua.serving.asgi_types import Receive, Scope, Send
from tests.waiting import eventually

_TOLD_WITHIN_S = 60.0


def note(line: str) -> None:
    """Append one line to the file that the test reads."""
    with Path(os.environ["PROBE_NOTES"]).open("a") as file:
        file.write(line + "\n")


def go_on() -> bool:
    """Say whether the test has told a busy application to read on."""
    return Path(os.environ["PROBE_NOTES"] + ".go").exists()


def fails() -> bool:
    """Say whether no further instance is to start, for now."""
    return Path(os.environ["PROBE_NOTES"]).with_suffix(".fails").exists()


class Ticker:
    """A loop that notes its first pass."""

    name = "ticker"
    interval_s = 0.01
    _passes = 0

    async def run_once(self) -> int:
        self._passes += 1
        if self._passes == 1:
            note("loop runs")
        return 1


class Probe:
    """One instance; each socket path is a method of the same name."""

    instance_id = "probe-1"
    console = None

    def __init__(self) -> None:
        self.loops = (Ticker(),)
        self.http_api = None
        self._in_flight: set[asyncio.Event] = set()
        self._drained = asyncio.Event()

    async def check_ready(self) -> str:
        return ""

    def list_troubles(self) -> list[str]:
        return []

    def count_kept_out(self, reason: str) -> None:
        note(f"kept out: {reason}")

    async def drain(self, *, deadline_s: float) -> None:
        note("drain")
        for done in list(self._in_flight):
            await done.wait()
        note("drained")

    async def stop(self, *, deadline_s: float) -> None:
        note("stop")

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        arguments = {
            key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()
        }
        if scope["path"] == "/refuse":
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept"})
        await getattr(self, "_" + scope["path"].strip("/"))(receive, send, **arguments)

    async def _echo(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            answer = {
                key: message[key] for key in ("text", "bytes") if message.get(key) is not None
            }
            await send({"type": "websocket.send", **answer})
        note(f"disconnect {message['code']}")

    async def _measure(self, receive: Receive, send: Send) -> None:
        """Answer each frame with its length."""
        while (message := await receive())["type"] == "websocket.receive":
            size = len(message.get("bytes") or message.get("text") or "")
            await send({"type": "websocket.send", "text": str(size)})
        note(f"disconnect {message['code']}")

    async def _close(self, receive: Receive, send: Send, code: str, reason: str = "") -> None:
        await send({"type": "websocket.close", "code": int(code), "reason": reason})
        note(f"closed with {(await receive())['code']}")

    async def _fail(self, receive: Receive, send: Send) -> None:
        raise RuntimeError("the application is broken")

    async def _return(self, receive: Receive, send: Send) -> None:
        return

    async def _work(self, receive: Receive, send: Send) -> None:
        """One job in flight until the speaker says a word; its result is sent while we drain."""
        done = asyncio.Event()
        self._in_flight.add(done)
        await send({"type": "websocket.send", "text": "working"})
        try:
            await receive()
            await send({"type": "websocket.send", "text": "result"})
            note("result sent")
        finally:
            done.set()
        note(f"disconnect {(await receive())['code']}")

    async def _stuck(self, receive: Receive, send: Send) -> None:
        """Never look at the input again."""
        await send({"type": "websocket.send", "text": "stuck"})
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            note("cancelled")
            raise

    async def _push(self, receive: Receive, send: Send, frames: str, size: str) -> None:
        """Send much, whether it is read or not."""
        payload = b"x" * int(size)
        for _ in range(int(frames)):
            await send({"type": "websocket.send", "bytes": payload})
        note("pushed")

    async def _busy(self, receive: Receive, send: Send) -> None:
        """Read nothing until told by a file, then count what was sent."""
        await send({"type": "websocket.send", "text": "busy"})
        await eventually(go_on, "nobody says to go on", within_s=_TOLD_WITHIN_S)
        count = 0
        while count < 200:
            if (await receive())["type"] == "websocket.receive":
                count += 1
        await send({"type": "websocket.send", "text": str(count)})
        await receive()


async def build_application() -> Probe:
    note("start")
    if os.environ.get("PROBE_HANGS"):
        await asyncio.Event().wait()
    if os.environ.get("PROBE_FAILS") or fails():
        raise RuntimeError("no scripts could be loaded")
    return Probe()
