"""The live feed: what happens on all instances now, at most five frames a second per watcher."""

import asyncio
import collections
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from operators.live.exchange import LiveExchange
from operators.live.news import LiveNews, LiveSummary, Reporter
from scheduling.jobs.explaining import Coverage
from scheduling.model import clock
from scheduling.model.errors import DependencyDown
from scheduling.placement.snapshot import Fleet
from sockets.outbound import Outbound, OutboundLimits

Json = dict[str, Any]
NodeRow = tuple[str, int, int, str]
PairRow = tuple[str, str, int, int, int, int]

_LIMITS = OutboundLimits(most_bytes=4 * 1024 * 1024, most_frames=16)
_MOST_ROWS = 150
_MOST_ENDED = 20
_MOST_PAIRS = 900
_SECOND_MS = 1_000
_COVERAGE_EVERY_MS = 2_000
_HEARD_FOR_MS = 5_000


class LiveFeed:
    """A loop that does nothing while nobody watches; a slow watcher misses frames, nobody else.

    A watcher first gets the whole picture, then what changed; one that missed a frame gets the
    whole picture again. What this instance does itself needs no Redis to be seen here.
    """

    name = "live feed"
    interval_s = 0.2

    def __init__(
        self,
        *,
        reporter: Reporter,
        fleet: Fleet,
        exchange: LiveExchange,
        list_coverage: Callable[[], Sequence[Coverage]],
    ) -> None:
        self._reporter = reporter
        self._fleet = fleet
        self._exchange = exchange
        self._list_coverage = list_coverage
        self._up_to_date: dict[Outbound, bool] = {}
        self._shown: dict[str, NodeRow] = {}
        self._heard: dict[str, tuple[float, LiveNews]] = {}
        self._news: list[LiveNews] = []
        self._ended: collections.deque[list[Any]] = collections.deque(maxlen=_MOST_ENDED)
        self._second = LiveSummary()
        self._talking: asyncio.Task[None] | None = None
        self._coverage: list[PairRow] = []
        self._covered_at_ms = -float("inf")

    def join(self, outbound: Outbound) -> None:
        """Send the feed to a socket from now on."""
        self._up_to_date[outbound] = False

    def leave(self, outbound: Outbound) -> None:
        """Stop sending to a socket."""
        self._up_to_date.pop(outbound, None)

    async def run_once(self) -> int:
        """Tell other instances if they want to know, and every watcher here; return how many."""
        is_wanted = self._exchange.is_wanted
        own = self._report(is_wanted=is_wanted)
        if self._talking is None or self._talking.done():
            # Beside this pass: a channel layer that waits for its Redis holds no frame up.
            self._talking = asyncio.create_task(
                self._talk(own if is_wanted else None), name="live talk"
            )
        if self._up_to_date:
            await self._show()
        return len(self._up_to_date)

    def _report(self, *, is_wanted: bool) -> LiveNews | None:
        """Return what happened here, None while nobody wants to know."""
        told = self._exchange.take_news()
        if self._up_to_date:
            self._news += told
        else:
            self._heard.clear()
            self._news.clear()
        if not self._up_to_date and not is_wanted:
            self._reporter.skip()
            return None
        own = self._reporter.report()
        if self._up_to_date:
            self._news.append(own)
        return own

    async def _talk(self, news: LiveNews | None) -> None:
        """Keep in the group while somebody watches here; tell those who watch elsewhere.

        While the layer has no Redis, watchers see this instance alone.
        """
        try:
            if self._up_to_date:
                await self._exchange.watch()
            else:
                await self._exchange.stop_watching()
            if news is not None:
                await self._exchange.publish(news)
        except DependencyDown:
            return

    async def _show(self) -> None:
        is_covered_anew = await self._cover()
        rows = self._list_rows()
        changes = self._describe_changes(rows, with_coverage=is_covered_anew)
        tick = msgspec.json.encode(changes).decode()
        whole = ""
        for outbound, is_up_to_date in list(self._up_to_date.items()):
            if not is_up_to_date:
                whole = whole or msgspec.json.encode(self._describe_whole(rows)).decode()
            self._up_to_date[outbound] = outbound.enqueue(tick if is_up_to_date else whole)

    async def _cover(self) -> bool:
        """Count, at times, who serves which pair, in a thread; say whether that changed."""
        now_ms = clock.steady_ms()
        if now_ms - self._covered_at_ms < _COVERAGE_EVERY_MS:
            return False
        self._covered_at_ms = now_ms
        pairs = await asyncio.to_thread(self._list_coverage)
        rows = [
            (
                *(one.src, one.tgt, one.ready_nodes),
                *(one.free_slots, one.known_nodes, one.held_back_nodes),
            )
            for one in pairs[:_MOST_PAIRS]
        ]
        before, self._coverage = self._coverage, rows
        return before != rows

    def _list_rows(self) -> dict[str, NodeRow]:
        find_load = self._fleet.loads.find
        return {
            node.node_id: (node.node_id, find_load(node.node_id), node.max_jobs, node.shown_status)
            for node in self._fleet.list_known()
        }

    def _describe_whole(self, rows: dict[str, NodeRow]) -> Json:
        ended = [*self._ended, *self._reporter.list_ended(_MOST_ENDED)]
        known = {(row[1], row[8]): row for row in ended}
        return {
            "type": "whole",
            "nodes": list(rows.values()),
            "ended": sorted(known.values(), key=lambda row: row[8])[-_MOST_ENDED:],
            "coverage": self._coverage,
            **self._describe_now(),
        }

    def _describe_changes(self, rows: dict[str, NodeRow], *, with_coverage: bool) -> Json:
        before, self._shown = self._shown, rows
        steps, skipped, reasons = self._read_news()
        return {
            "type": "tick",
            "nodes": [row for node_id, row in rows.items() if before.get(node_id) != row],
            "gone": [node_id for node_id in before if node_id not in rows],
            "steps": steps[-_MOST_ROWS:],
            "skipped": skipped + max(0, len(steps) - _MOST_ROWS),
            "reasons": reasons,
            "second": self._second.close(every_ms=_SECOND_MS),
            "coverage": self._coverage if with_coverage else None,
            **self._describe_now(),
        }

    def _read_news(self) -> tuple[list[list[Any]], int, Json]:
        """Return the steps of all instances in order, how many were left out, and reasons."""
        arrived, self._news = self._news, []
        now_ms = clock.steady_ms()
        steps: list[list[Any]] = []
        reasons: collections.Counter[str] = collections.Counter()
        for news in arrived:
            self._heard[news.sender] = now_ms, news
            self._second.add(news)
            steps += news.rows
            reasons.update(news.reasons)
        steps.sort(key=lambda row: row[8])
        self._ended.extend(row for row in steps if row[0] in {"DONE", "FAILED", "CANCELLED"})
        return steps, sum(news.skipped for news in arrived), dict(reasons)

    def _describe_now(self) -> Json:
        now_ms = clock.steady_ms()
        self._heard = {
            sender: heard
            for sender, heard in self._heard.items()
            if now_ms - heard[0] < _HEARD_FOR_MS
        }
        latest = [news for _, news in self._heard.values()]
        return {
            "at_ms": clock.now_ms(),
            "instances": len(latest),
            "waiting": sum(news.waiting for news in latest),
            "sessions": sum(news.sessions for news in latest),
            "sockets": sum(news.nodes for news in latest),
        }


class LiveSocket:
    """The ASGI application of ``/ws/live``: it listens to nothing a watcher says."""

    def __init__(self, feed: LiveFeed) -> None:
        self._feed = feed

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one watcher until it goes."""
        await receive()
        await send({"type": "websocket.accept"})
        outbound = Outbound(send, limits=_LIMITS)
        writer = asyncio.create_task(outbound.run(), name="live writer")
        self._feed.join(outbound)
        try:
            while (await receive())["type"] != "websocket.disconnect":
                pass
        finally:
            self._feed.leave(outbound)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
