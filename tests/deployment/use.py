"""Uses a deployment as its people do: a browser that logs in, a node, a speaker, a scraper."""

import asyncio
import contextlib
import http.client
import http.cookiejar
import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeVar

from lingua_node.simulate import Behavior, Crowd
from websockets.asyncio.client import connect

from tests.peers.node import FakeNode
from tests.peers.sockets import Peer
from tests.peers.speaker import Speaker
from tests.security.fortress import bearer

# What the files of deploy/ take as an example.
NAME = "talk.example.org"
LANGUAGES = ("en", "es")
_WITHIN_S = 20
_Peer = TypeVar("_Peer", bound=Peer)


class Browser:
    """Asks as a browser does, with cookies and the origin of its page."""

    def __init__(self, door: "Door") -> None:
        self._base = f"https://{door.address}"
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self.cookies),
            urllib.request.HTTPSHandler(context=door.trust),
        )

    def get(self, path: str) -> tuple[int, str]:
        return self._ask(path)

    def log_in(self, name: str, password: str) -> tuple[int, str]:
        """Send the login form of the admin; return what came of it."""
        _, page = self.get("/admin/login/")
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert found, page
        form = {
            "csrfmiddlewaretoken": found[1],
            "username": name,
            "password": password,
            "next": "/admin/",
        }
        return self._ask(
            "/admin/login/",
            urllib.parse.urlencode(form).encode(),
            Origin=f"https://{NAME}",
            Referer=f"https://{NAME}/admin/login/",
        )

    def _ask(self, path: str, form: bytes | None = None, **headers: str) -> tuple[int, str]:
        request = urllib.request.Request(  # noqa: S310 - ours
            self._base + path, data=form, headers={"Host": NAME} | headers
        )
        try:
            with self._opener.open(request, timeout=_WITHIN_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where people come in who ask for NAME: an address, and whom to trust there."""

    address: str
    trust: ssl.SSLContext

    def is_open(self) -> bool:
        with contextlib.suppress(OSError):
            return Browser(self).get("/ready")[0] == http.client.OK
        return False

    @contextlib.asynccontextmanager
    async def connected(self, kind: type[_Peer], path: str, token: str) -> AsyncIterator[_Peer]:
        """Yield a peer that showed a token."""
        host, _, port = self.address.partition(":")
        socket = await connect(
            f"wss://{NAME}{path}",
            host=host,
            port=int(port),
            ssl=self.trust,
            compression=None,
            max_size=None,
            proxy=None,
            additional_headers=bearer(token),
        )
        peer = kind(socket)
        try:
            yield peer
        finally:
            await peer.close()


def ask_plainly(address: str, path: str) -> tuple[int, str]:
    """Ask for NAME without TLS; return the status and where else it leads."""
    asked = http.client.HTTPConnection(address, timeout=_WITHIN_S)
    with contextlib.closing(asked):
        asked.request("GET", path, headers={"Host": NAME})
        answer = asked.getresponse()
        return answer.status, answer.getheader("Location", "")


def ask(url: str, **headers: str) -> tuple[int, str]:
    """Ask once, with other headers than one's own; return the status and the text."""
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - ours
    try:
        with urllib.request.urlopen(request, timeout=_WITHIN_S) as answer:  # noqa: S310 - ours
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ask_json(url: str) -> Any:
    status, text = ask(url)
    assert status == 200, text
    return json.loads(text)


@contextlib.asynccontextmanager
async def working_node(url: str, token: str) -> AsyncIterator[None]:
    """Run the SDK's own node beside the block: it comes back by itself."""
    crowd = Crowd(Behavior(service_ms=5), nodes=1)
    serving = asyncio.create_task(crowd.serve(url=url, token=token))
    try:
        await crowd.wait_registered()
        yield
    finally:
        crowd.drain()
        await serving


async def translate(speaker: Speaker, node: FakeNode, index: int = 0) -> str:
    """Say something and let the node answer; return what the speaker is told."""
    await speaker.say(index)
    job = await node.job()
    await node.ack(job)
    await node.finish(job)
    result = await speaker.result(index)
    text: str = result["text_translated"]
    return text
