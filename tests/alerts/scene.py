"""A live server to break: its peers, its Redis, and what two scrapes of it say."""

import asyncio
import dataclasses
import re
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.e2e.servers import Lingua, Servers
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

_DEADLINE_S = 30
# What is wrong ends soon, so that it is counted.
_BRIEF = {
    "LINGUA_STATS_INTERVAL_S": "0.5",
    "LINGUA_ACK_TIMEOUT_MS": "1500",
    "LINGUA_RESERVATION_MS": "2500",
    "LINGUA_RUN_TIMEOUT_S": "2",
    "LINGUA_PENDING_TIMEOUT_S": "2",
    "LINGUA_REDIS_OVERDUE_MS": "500",
    "LINGUA_NODE_GRACE_S": "2",
}
_SERIES = re.compile(r"^((?:scheduler_)\w+)(?:\{(.*)\})?$")
Samples = dict[str, float]


@dataclasses.dataclass(kw_only=True)
class Scene:
    """One server, and where a fault wants them a second one, a node and a speaker."""

    lingua: Lingua
    servers: Servers
    own_redis: EmbeddedRedis
    languages: tuple[str, str]
    node: FakeNode
    speaker: Speaker
    stack: AsyncExitStack
    others: list[Lingua] = dataclasses.field(default_factory=list)
    said: int = 0

    async def work(self, count: int = 3) -> None:
        """Let utterances go their ordinary way, from beginning to end."""
        for _ in range(count):
            await self.speaker.say(self.said)
            job = await self.node.job()
            await self.node.ack(job)
            await self.node.finish(job)
            await self.speaker.next("translation_result", utterance_index=self.said)
            self.said += 1

    async def join(self, languages: tuple[str, str]) -> FakeNode:
        """Let one more node come; it stays until the scene is over."""
        return await self.stack.enter_async_context(
            FakeNode.open(self.lingua.url("/ws/node"), languages)
        )

    async def say(self) -> None:
        """Say something that may find nobody."""
        await self.speaker.say(self.said)
        self.said += 1

    async def scrape(self) -> Samples:
        """Return what every server says of itself; one that does not answer is not up."""
        samples: Samples = {}
        for name, lingua in zip("abc", [self.lingua, *self.others], strict=False):
            text = await asyncio.to_thread(_ask, lingua.instance.address)
            samples[f'up{{job="lingua",instance="{name}"}}'] = float(bool(text))
            for line in text.splitlines():
                series, _, value = line.rpartition(" ")
                found = _SERIES.match(series)
                if found:
                    labels = f'{found[2]},instance="{name}"' if found[2] else f'instance="{name}"'
                    samples[f"{found[1]}{{{labels}}}"] = float(value)
        return samples

    async def value(self, name: str) -> float:
        """Return the sum of a metric's series."""
        samples = await self.scrape()
        return sum(value for series, value in samples.items() if series.startswith(name))

    async def until(self, name: str, holds: Callable[[float], bool]) -> None:
        """Wait until a metric is so."""
        await eventually(
            lambda: self.value(name), f"{name} is still", fits=holds, within_s=_DEADLINE_S
        )

    def key(self, name: str) -> str:
        return f"{self.lingua.prefix}:v2:{name}"


@asynccontextmanager
async def open_scene(
    folder: Path, own_redis: EmbeddedRedis, **variables: str
) -> AsyncIterator[Scene]:
    """Start a server, a node that is ready and a speaker who may talk to it."""
    servers = Servers(directory=folder, redis_url=own_redis.url)
    lingua = servers.start("uvicorn", **(_BRIEF | variables))
    languages = draw_languages()
    try:
        async with AsyncExitStack() as stack:
            node = await stack.enter_async_context(FakeNode.open(lingua.url("/ws/node"), languages))
            speaker = await stack.enter_async_context(
                Speaker.open(lingua.url("/ws/session"), languages)
            )
            yield Scene(
                lingua=lingua,
                servers=servers,
                own_redis=own_redis,
                languages=languages,
                node=node,
                speaker=speaker,
                stack=stack,
            )
    finally:
        servers.end()


def _ask(address: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return ""
