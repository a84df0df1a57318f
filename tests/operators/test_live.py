"""What the live feed tells, to whom, and that it costs nothing while nobody watches."""

import asyncio
import json
from typing import Any, Self

import msgspec
import pytest
from channels.layers import InMemoryChannelLayer

from lingua.composition.transport import LayerTransport, open_transport
from operators.live.feed import LiveFeed
from operators.live.news import LiveNews, LiveSummary, Reporter, find_percentile
from scheduling.model.delivery import Delivery
from scheduling.model.jobs import JobState
from scheduling.model.metrics import Metrics
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import Priority, WaitQueue
from sockets.outbound import Outbound, OutboundLimits


class CountingLayer(InMemoryChannelLayer):
    """Channels' own layer in memory, which counts what is sent to groups."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.sent.append(message["type"])
        await super().group_send(group, message)


class Instance:
    """One instance's feed and exchange on a shared layer; passes run when told."""

    def __init__(self, name: str, transport: LayerTransport) -> None:
        self.metrics = Metrics()
        self.exchange = transport.exchange
        reporter = Reporter(
            instance_id=name,
            metrics=self.metrics,
            delivery=Delivery(),
            waiting=WaitQueue(most=1, priority=lambda _tenant: Priority()),
        )
        self.feed = LiveFeed(
            reporter=reporter,
            fleet=Fleet(require_gpu=False),
            exchange=self.exchange,
            list_coverage=list,
        )
        self._reading = asyncio.create_task(transport.receive())

    @classmethod
    async def open(cls, name: str, layer: CountingLayer) -> Self:
        transport = await open_transport(
            layer, instance_id=name, trouble=(OSError,), find_channel=_find_nobody
        )
        return cls(name, transport)

    async def run_once(self) -> None:
        await self.feed.run_once()
        if self.feed._talking is not None:
            await self.feed._talking
        for _ in range(20):
            await asyncio.sleep(0)

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


async def _find_nobody(_body: bytes) -> str | None:
    """Who should get a message of an instance that ended: with this layer, nobody."""


def _watch(feed: LiveFeed, **limits: int) -> Outbound:
    async def send(_message: dict[str, object]) -> None:
        """Never called: nobody runs this socket's writer."""

    outbound = Outbound(send, limits=OutboundLimits(**limits))
    feed.join(outbound)
    return outbound


def _frames(outbound: Outbound) -> list[Any]:
    return [json.loads(text) for text, _ in outbound._frames]


def _work(metrics: Metrics, job_id: str) -> None:
    for state in (JobState.RESERVED, JobState.DISPATCHED, JobState.ACKED, JobState.DONE):
        metrics.step(state, session_id="s", job_id=job_id, attempt=1)


async def test_nothing_is_sent_while_nobody_watches_and_old_steps_are_not_told_later() -> None:
    layer = CountingLayer()
    one, two = await Instance.open("i1", layer), await Instance.open("i2", layer)
    _work(two.metrics, "before")
    for _ in range(5):
        await one.run_once()
        await two.run_once()
    assert layer.sent == []

    watcher = _watch(one.feed)
    await one.run_once()
    await two.run_once()
    _work(two.metrics, "after")
    await two.run_once()
    await one.run_once()

    told = {row[1] for frame in _frames(watcher) for row in frame.get("steps", [])}
    assert told == {"after"}
    assert set(layer.sent) == {"live.called", "live.news"}

    one.feed.leave(watcher)
    await one.run_once()
    layer.sent.clear()
    two.exchange._heed_until_ms = 0.0
    for _ in range(5):
        await one.run_once()
        await two.run_once()
    assert layer.sent == []
    await one.close()
    await two.close()


async def test_news_of_all_instances_are_one_second_of_figures() -> None:
    second = LiveSummary()
    for sender, count in (("i1", 98), ("i2", 2)):
        second.add(LiveNews(sender=sender, counts={"done": count}, spans={"total": {count: count}}))

    told = second.close(every_ms=0)

    assert told is not None
    middle, high = told["stages"]["total"]
    assert (middle, high) == (find_percentile({98: 1}, 50), find_percentile({98: 1}, 50))
    assert told["done"] > 0
    assert second.close(every_ms=60_000) is None


def test_percentiles_are_five_percent_exact() -> None:
    metrics = Metrics()
    reporter = Reporter(
        instance_id="i1",
        metrics=metrics,
        delivery=Delivery(),
        waiting=WaitQueue(most=1, priority=lambda _tenant: Priority()),
    )
    for number in range(100):
        metrics.step(
            JobState.RESERVED, session_id="s", job_id=f"j{number}", attempt=1, issued_ms=0.0
        )
        metrics.step(
            JobState.DONE, session_id="s", job_id=f"j{number}", attempt=1, issued_ms=number + 1.0
        )

    spans = reporter.report().spans["total"]

    assert find_percentile(spans, 50) == pytest.approx(50, rel=0.05)
    assert find_percentile(spans, 99) == pytest.approx(99, rel=0.05)
    assert reporter.report().spans == {}


@pytest.mark.req("SP14")
def test_waits_since_the_last_word_are_told_once_and_by_mode() -> None:
    metrics = Metrics()
    reporter = Reporter(
        instance_id="i1",
        metrics=metrics,
        delivery=Delivery(),
        waiting=WaitQueue(most=1, priority=lambda _tenant: Priority()),
    )
    metrics.note_text("stream", waited_s=9.0)
    reporter.skip()
    metrics.note_text("stream", waited_s=0.4)
    for waited_s in (2.0, 3.0):
        metrics.note_text("parcel", waited_s=waited_s)

    spans = reporter.report().spans

    assert sum(spans["text_stream"].values()) == 1
    assert find_percentile(spans["text_stream"], 99) == pytest.approx(400, rel=0.05)
    assert find_percentile(spans["text_parcel"], 50) == pytest.approx(2_000, rel=0.05)
    assert find_percentile(spans["text_parcel"], 99) == pytest.approx(3_000, rel=0.05)
    assert reporter.report().spans == {}


async def test_a_burst_is_told_as_counts_and_its_latest_steps() -> None:
    layer = CountingLayer()
    one = await Instance.open("i1", layer)
    watcher = _watch(one.feed)
    await one.run_once()
    for number in range(500):
        _work(one.metrics, f"j{number}")
    await one.run_once()

    burst = _frames(watcher)[-1]
    assert len(burst["steps"]) <= 150
    assert len(burst["steps"]) + burst["skipped"] == 2_000
    await one.close()


async def test_an_instance_that_fell_silent_is_not_counted() -> None:
    layer = CountingLayer()
    one = await Instance.open("i1", layer)
    watcher = _watch(one.feed)
    await one.run_once()
    one.exchange.take(
        {"type": "live.news", "body": msgspec.msgpack.encode(LiveNews(sender="i2", sessions=7))}
    )
    await one.run_once()
    assert (_frames(watcher)[-1]["instances"], _frames(watcher)[-1]["sessions"]) == (2, 7)

    one.feed._heard["i2"] = (-1e9, one.feed._heard["i2"][1])
    await one.run_once()
    assert (_frames(watcher)[-1]["instances"], _frames(watcher)[-1]["sessions"]) == (1, 0)
    await one.close()


async def test_frames_of_another_version_are_passed_over() -> None:
    layer = CountingLayer()
    one = await Instance.open("i1", layer)
    watcher = _watch(one.feed)
    await one.run_once()
    await layer.group_send("lingua.live.watching", {"type": "live.news", "body": b"?"})
    for _ in range(20):
        await asyncio.sleep(0)
    await one.run_once()

    assert _frames(watcher)[-1]["instances"] == 1
    await one.close()


def test_a_watcher_gets_at_most_five_frames_a_second() -> None:
    assert LiveFeed.interval_s >= 1 / 5
