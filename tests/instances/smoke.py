"""`make smoke`: a node on one instance, a speaker on the other, twenty utterances, a table (X5)."""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker

UTTERANCES = 20


async def _speak(cluster: Cluster) -> list[float]:
    """Return how long each answer took, in milliseconds."""
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    took_ms = []
    async with (
        WorkingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(two.url("/ws/session")) as speaker,
    ):
        node.works = True
        await node.register(pair)
        await speaker.init(pair)
        for index in range(UTTERANCES):
            begun = time.monotonic()
            await speaker.say(index)
            await speaker.result(index)
            took_ms.append((time.monotonic() - begun) * 1000)
    rows = (
        ("node's instance", one.address),
        ("speaker's instance", two.address),
        ("utterances answered", f"{len(took_ms)} of {UTTERANCES}"),
        ("median, worst", f"{statistics.median(took_ms):.1f} ms, {max(took_ms):.1f} ms"),
    )
    sys.stdout.write("".join(f"{name:<20} {value}\n" for name, value in rows))
    return took_ms


def main() -> int:
    """Start all, speak, stop all; an answer that does not come ends it with an error."""
    with tempfile.TemporaryDirectory(prefix="lingua-smoke-") as directory:
        redis = EmbeddedRedis(directory=Path(directory) / "redis", append_only=False)
        redis.start()
        cluster = Cluster(directory=Path(directory), redis_url=redis.url)
        try:
            took_ms = asyncio.run(_speak(cluster))
        finally:
            cluster.end()
            redis.stop()
    return int(len(took_ms) != UTTERANCES)


if __name__ == "__main__":
    sys.exit(main())
