"""Compare channel layers on this machine, in one run: core and pub/sub of channels_redis, and ours.

Prints one table. Senders and receivers are two processes, so nothing is delivered in memory; the
last row shows our layer with both in one process, where its local path applies. A paced hop is
one message every few milliseconds, one way; the machine's monotonic clock is the same for both.
"""

import argparse
import asyncio
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from channels.exceptions import ChannelFull  # noqa: E402 - the path comes first
from channels_redis.core import RedisChannelLayer  # noqa: E402 - the path comes first
from channels_redis.pubsub import RedisPubSubChannelLayer  # noqa: E402 - the path comes first
from channels_streams.layer import StreamsChannelLayer  # noqa: E402 - the path comes first

from lingua.settings.embedded_redis import EmbeddedRedis  # noqa: E402 - the path comes first

SENDERS = 50
CHANNELS = 200
CAPACITY = 100_000
DEADLINE_S = 60.0
QUIET_S = 2.0
BODY = "x" * 200
LEAST_RATIO = {"core": 8.0, "pubsub": 1.5}


def make_layer(name: str, url: str) -> Any:
    """Make one of the layers with the settings that suit it best."""
    # Without this, core's blocking read dies of redis-py's default timeout.
    host = {"address": url, "socket_timeout": None, "max_connections": 1000}
    match name:
        case "core":
            return RedisChannelLayer(hosts=[host], capacity=CAPACITY)
        case "pubsub":
            return RedisPubSubChannelLayer(hosts=[host])
        case _:
            return StreamsChannelLayer(url=url, capacity=CAPACITY, inbox_capacity=CAPACITY)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one layer did."""

    name: str
    messages_per_s: float
    hop_p50_ms: float
    hop_p99_ms: float
    paced_lost: int
    churn_lost: int


class Receiver:
    """The receiving side: counts and times what comes in on many channels."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.got = 0
        self.last_at_s = 0.0
        self.hops_s: list[float] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def open(self, count: int) -> list[str]:
        """Open channels and keep receiving on all of them."""
        channels = [await self.layer.new_channel() for _ in range(count)]
        if isinstance(self.layer, StreamsChannelLayer):
            await self.layer.register()
        self.tasks += [asyncio.create_task(self._read(channel)) for channel in channels]
        return channels

    async def _read(self, channel: str) -> None:
        while True:
            message = await self.layer.receive(channel)
            self.last_at_s = time.monotonic()
            if "sent_at_s" in message:
                self.hops_s.append(self.last_at_s - message["sent_at_s"])
            self.got += 1

    async def churn(self, stop: asyncio.Event) -> None:
        """Let consumers come and go beside those that stay, as sockets do."""
        while not stop.is_set():
            channel = await self.layer.new_channel()
            task = asyncio.create_task(self.layer.receive(channel))
            await asyncio.sleep(0.002)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def take(self) -> dict[str, Any]:
        """Return the figures since the last call and begin anew."""
        figures = {"got": self.got, "last_at_s": self.last_at_s, "hops_s": self.hops_s}
        self.got, self.hops_s = 0, []
        return figures


async def run_receiver(name: str, url: str) -> None:
    """Obey one order per line of standard input: open, figures, churn, calm."""
    receiver, stop = Receiver(make_layer(name, url)), asyncio.Event()
    churning: list[asyncio.Task[None]] = []
    while line := await asyncio.to_thread(sys.stdin.readline):
        answer: Any = True
        match line.split():
            case ["open", count]:
                answer = await receiver.open(int(count))
            case ["count"]:
                answer = receiver.got
            case ["take"]:
                answer = receiver.take()
            case ["churn"]:
                churning = [asyncio.create_task(receiver.churn(stop)) for _ in range(5)]
            case ["calm"]:
                stop.set()
                await asyncio.gather(*churning, return_exceptions=True)
            case _:
                answer = f"unknown order: {line}"
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


class Far:
    """The receiver in another process."""

    def __init__(self, name: str, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--receive", name, "--url", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    async def ask(self, order: str) -> Any:
        """Send an order and return the answer."""
        return await asyncio.to_thread(self._ask, order)

    def _ask(self, order: str) -> Any:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the receiver has no pipes")
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


class Near:
    """The receiver in this process, on the sender's layer."""

    def __init__(self, layer: Any) -> None:
        self._receiver = Receiver(layer)
        self._stop = asyncio.Event()

    async def ask(self, order: str) -> Any:
        """Do what an order says."""
        match order.split():
            case ["open", count]:
                return await self._receiver.open(int(count))
            case ["count"]:
                return self._receiver.got
            case ["take"]:
                return self._receiver.take()
            case _:
                return True

    def close(self) -> None:
        """Stop receiving."""
        for task in self._receiver.tasks:
            task.cancel()


async def send(layer: Any, channel: str, **fields: Any) -> None:
    """Send one message, again while there is no room."""
    while True:
        try:
            await layer.send(channel, {"type": "bench", "body": BODY, **fields})
        except ChannelFull:
            await asyncio.sleep(0.001)
        else:
            return


async def settle(ask: Callable[[str], Awaitable[Any]], wanted: int) -> dict[str, Any]:
    """Wait until all came, or nothing has come for two seconds."""
    seen, quiet_since = -1, time.monotonic()
    while seen < wanted and time.monotonic() - quiet_since < QUIET_S:
        count = await ask("count")
        if count != seen:
            seen, quiet_since = count, time.monotonic()
        await asyncio.sleep(0.05)
    figures: dict[str, Any] = await ask("take")
    return figures


async def measure(name: str, url: str, *, messages: int, paced: int, near: bool) -> Row:
    """Measure one layer."""
    layer = make_layer(name, url)
    side: Far | Near = Near(layer) if near else Far(name, url)
    try:
        channels = await side.ask(f"open {CHANNELS}")
        await asyncio.gather(*(send(layer, channel) for channel in channels))
        await settle(side.ask, len(channels))

        async def sender(number: int) -> None:
            for n in range(messages // SENDERS):
                await send(layer, channels[(number * 7 + n) % CHANNELS])

        started_s = time.monotonic()
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*(sender(number) for number in range(SENDERS)))
        figures = await settle(side.ask, messages)
        rate = figures["got"] / (figures["last_at_s"] - started_s)

        for n in range(paced):
            await send(layer, channels[n % CHANNELS], sent_at_s=time.monotonic())
            await asyncio.sleep(0.003)
        figures = await settle(side.ask, paced)
        hops_ms = [hop * 1000 for hop in figures["hops_s"]]
        cuts = statistics.quantiles(hops_ms, n=100)
        paced_lost = paced - figures["got"]

        await side.ask("churn")
        for n in range(3000):
            await send(layer, channels[n % CHANNELS])
        figures = await settle(side.ask, 3000)
        await side.ask("calm")
        return Row(
            name=name + (" (same process)" if near else ""),
            messages_per_s=rate,
            hop_p50_ms=statistics.median(hops_ms),
            hop_p99_ms=cuts[98],
            paced_lost=paced_lost,
            churn_lost=3000 - figures["got"],
        )
    finally:
        side.close()
        match layer:
            case StreamsChannelLayer():
                await layer.close()
            case RedisChannelLayer():
                await layer.close_pools()
            case _:
                await layer.flush()


def show(rows: list[Row]) -> None:
    """Print the table."""
    print(
        f"{'layer':<24}{'messages/s':>12}{'hop p50 ms':>12}{'hop p99 ms':>12}"
        f"{'lost':>7}{'lost in churn':>15}"
    )
    for row in rows:
        print(
            f"{row.name:<24}{row.messages_per_s:>12.0f}{row.hop_p50_ms:>12.3f}"
            f"{row.hop_p99_ms:>12.3f}{row.paced_lost:>7}{row.churn_lost:>15}"
        )


def judge(rows: list[Row]) -> bool:
    """Print what must hold and whether it does; return whether all of it does."""
    by_name = {row.name: row for row in rows}
    ours, holds = by_name["streams"], True
    for other, least in LEAST_RATIO.items():
        ratio = ours.messages_per_s / by_name[other].messages_per_s
        holds = holds and ratio >= least
        print(f"streams / {other}: {ratio:.1f} times the messages a second, at least {least:g}")
    for other in LEAST_RATIO:
        hop_ms = by_name[other].hop_p50_ms
        is_below = ours.hop_p50_ms < hop_ms
        holds = holds and is_below
        word = "below" if is_below else "NOT below"
        print(f"hop p50 {ours.hop_p50_ms:.3f} ms is {word} that of {other}, {hop_ms:.3f} ms")
    lost = ours.paced_lost + ours.churn_lost
    print(f"streams lost {lost} messages, none is allowed")
    return holds and lost == 0


def take_medians(rounds: list[list[Row]]) -> list[Row]:
    """Return one row a layer: the median of its figures, and all that it lost."""
    return [
        Row(
            name=rows[0].name,
            messages_per_s=statistics.median(row.messages_per_s for row in rows),
            hop_p50_ms=statistics.median(row.hop_p50_ms for row in rows),
            hop_p99_ms=statistics.median(row.hop_p99_ms for row in rows),
            paced_lost=sum(row.paced_lost for row in rows),
            churn_lost=sum(row.churn_lost for row in rows),
        )
        for rows in zip(*rounds, strict=True)
    ]


async def compare(url: str, *, messages: int, paced: int) -> list[Row]:
    """Measure all layers, one after the other."""
    rows = []
    for name, share, near in (
        ("core", 5, False),
        ("pubsub", 1, False),
        ("streams", 1, False),
        ("streams", 1, True),
    ):
        rows.append(await measure(name, url, messages=messages // share, paced=paced, near=near))
    return rows


def main() -> None:
    """Run the comparison, or be its receiver."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--paced", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3, help="layers take turns; medians count")
    parser.add_argument("--url", help="a Redis to use; by default one is started")
    parser.add_argument("--receive", help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    if options.receive:
        asyncio.run(run_receiver(options.receive, options.url))
        return
    with tempfile.TemporaryDirectory() as directory:
        server = EmbeddedRedis(directory=Path(directory), append_only=False)
        server.start()
        try:
            url = options.url or server.url
            rounds = [
                asyncio.run(compare(url, messages=options.messages, paced=options.paced))
                for _ in range(options.rounds)
            ]
        finally:
            server.stop()
    rows = take_medians(rounds)
    show(rows)
    if not judge(rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
