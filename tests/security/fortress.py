"""A real server with authentication on, and the commands its operator has."""

import asyncio
import contextlib
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from tests.manage import manage
from tests.server.launcher import Instance

DEADLINE_S = 60.0


@dataclass(kw_only=True)
class Fortress:
    """An instance with authentication on; `variables` lead commands to its database and Redis."""

    instance: Instance
    variables: dict[str, str]
    redis_url: str
    prefix: str
    tokens: dict[str, str] = field(default_factory=dict)

    def manage(self, *arguments: str) -> str:
        """Run a command of manage.py as its operator would; return what it printed."""
        return manage(*arguments, **self.variables)

    def issue(self, *arguments: str) -> str:
        """Issue a token, or return the one these arguments were used for before."""
        name = " ".join(arguments)
        if name not in self.tokens:
            self.tokens[name] = self.manage("token", "create", *arguments)
        return self.tokens[name]

    def url(self, path: str) -> str:
        return self.instance.url(path)

    async def send_raw(self, request: bytes) -> bytes:
        """Send bytes on a connection of their own; return all that came back until its end."""
        host, port = self.instance.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(request)
            async with asyncio.timeout(DEADLINE_S):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.transport.abort()  # what was not sent is not waited for

    async def ask(self, path: str, *lines: str, method: str = "GET", body: bytes = b"") -> bytes:
        """Send a request with exactly these header lines; return the whole answer."""
        told = [f"{method} {path} HTTP/1.1", *lines, f"Content-Length: {len(body)}"]
        head = "\r\n".join([*told, "Connection: close", "", ""])
        return await self.send_raw(head.encode("latin1") + body)

    async def shake_hands(self, path: str, *lines: str) -> bytes:
        """Send an opening handshake with exactly these header lines; return the whole answer."""
        head = "\r\n".join([f"GET {path} HTTP/1.1", *UPGRADE, *lines, "", ""])
        return await self.send_raw(head.encode("latin1"))

    async def open_by_hand(self, path: str, *lines: str) -> bytes:
        """Send a handshake that is to be accepted; return the head of the answer."""
        host, port = self.instance.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = "\r\n".join([f"GET {path} HTTP/1.1", *UPGRADE, *lines, "", ""])
        writer.write(head.encode("latin1"))
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await reader.readuntil(b"\r\n\r\n")
        finally:
            writer.transport.abort()  # what was not sent is not waited for

    def count_rows(self, table: str) -> int:
        """Return how many rows a table of the database has."""
        file = Path(self.variables["LINGUA_VAR_DIR"]) / "lingua.sqlite3"
        with contextlib.closing(sqlite3.connect(file)) as database:
            (rows,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a test's own word
        return int(rows)

    async def count(self, metric: str) -> float:
        """Return a counter of the instance, its labels in Prometheus' way if it has any."""
        told = await self.ask("/metrics", "Host: localhost")
        line = next(line for line in told.decode().splitlines() if line.startswith(metric + " "))
        return float(line.rpartition(" ")[2])


def prefix_of(token: str) -> str:
    """Return the part of a token that may be shown."""
    return token[:16]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def drip(writer: asyncio.StreamWriter, dripped: bytes) -> None:
    """Send a little now and then, as an attacker who wants to look alive: a pace, not a wait."""
    while dripped and not writer.is_closing():
        writer.write(dripped)
        await asyncio.sleep(0.05)


UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
REGISTER = {
    "type": "node_register",
    "version": "1.0",
    "platform": "linux",
    "hardware": {"cpu_cores": 4, "memory_gb": 8},
    "capability_by_type": [{"type": "asr", "ready": True}],
    "accept_public_jobs": True,
    "capability_schema_version": "2.0",
}
INIT = {
    "type": "session_init",
    "client_version": "1.0",
    "platform": "web",
    "src_lang": "en",
    "tgt_lang": "es",
}
