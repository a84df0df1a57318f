"""The live feed: what happens now, pushed to every watcher in at most ten frames a second."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from scheduling import clock
from scheduling.delivery import Delivery
from scheduling.jobs import JobState
from scheduling.journal import Journal, Step
from scheduling.snapshot import Fleet
from scheduling.waiting import WaitingLine
from sockets.outbound import Outbound, OutboundLimits

Json = dict[str, Any]
NodeRow = tuple[str, int, int, str]

_LIMITS = OutboundLimits(most_bytes=4 * 1024 * 1024, most_frames=32)
_MOST_STEPS = 150
_WINDOW_MS = 1_000
_STAGES = {
    JobState.RESERVED: "wait",
    JobState.DISPATCHED: "place",
    JobState.ACKED: "accept",
    JobState.DONE: "work",
}


class LiveFeed:
    """A loop that sends nothing while nobody watches; a slow watcher misses frames, nobody else.

    A watcher first gets the whole picture, then what changed; one that missed a frame gets the
    whole picture again.
    """

    name = "live feed"
    interval_s = 0.1

    def __init__(
        self, *, journal: Journal, fleet: Fleet, delivery: Delivery, waiting: WaitingLine
    ) -> None:
        self._journal = journal
        self._fleet = fleet
        self._delivery = delivery
        self._waiting = waiting
        self._up_to_date: dict[Outbound, bool] = {}
        self._shown: dict[str, NodeRow] = {}
        self._last_number = 0
        self._window: list[Step] = []
        self._window_began_ms = 0.0

    def join(self, outbound: Outbound) -> None:
        """Send the feed to a socket from now on."""
        self._up_to_date[outbound] = False

    def leave(self, outbound: Outbound) -> None:
        """Stop sending to a socket."""
        self._up_to_date.pop(outbound, None)

    async def run_once(self) -> int:
        """Send one frame to every watcher; return how many there are."""
        if not self._up_to_date:
            self._last_number = self._journal.steps[-1].number if self._journal.steps else 0
            return 0
        rows = self._list_rows()
        changes = self._describe_changes(rows)
        tick = msgspec.json.encode(changes).decode()
        whole = ""
        for outbound, is_up_to_date in list(self._up_to_date.items()):
            if not is_up_to_date:
                whole = whole or msgspec.json.encode(self._describe_whole(rows)).decode()
            self._up_to_date[outbound] = outbound.post(tick if is_up_to_date else whole)
        return len(self._up_to_date)

    def _list_rows(self) -> dict[str, NodeRow]:
        loads = self._fleet.loads
        return {
            node_id: (node_id, loads.get(node_id, 0), node.max_jobs, node.shown_status)
            for node_id, node in self._fleet.snapshot.nodes.items()
        }

    def _describe_whole(self, rows: dict[str, NodeRow]) -> Json:
        return {
            "type": "whole",
            "nodes": list(rows.values()),
            "ended": [_describe_step(step) for step in list(self._journal.ended)[-20:]],
            **self._describe_now(),
        }

    def _describe_changes(self, rows: dict[str, NodeRow]) -> Json:
        before, self._shown = self._shown, rows
        steps = list(self._journal.list_steps_after(self._last_number))
        if steps:
            self._last_number = steps[-1].number
        return {
            "type": "tick",
            "nodes": [row for node_id, row in rows.items() if before.get(node_id) != row],
            "gone": [node_id for node_id in before if node_id not in rows],
            "steps": [_describe_step(step) for step in steps[-_MOST_STEPS:]],
            "skipped": max(0, len(steps) - _MOST_STEPS),
            "second": self._describe_second(steps),
            **self._describe_now(),
        }

    def _describe_now(self) -> Json:
        held = self._delivery.held
        return {
            "at_ms": clock.now_ms(),
            "waiting": len(self._waiting),
            "sessions": held.sessions,
            "sockets": held.nodes,
        }

    def _describe_second(self, steps: Iterable[Step]) -> Json | None:
        """Once a second, return how many jobs went how far in it, and how long stages took."""
        self._window.extend(steps)
        now_ms = clock.steady_ms()
        took_ms = now_ms - self._window_began_ms
        if took_ms < _WINDOW_MS:
            return None
        window, self._window, self._window_began_ms = self._window, [], now_ms
        spans: dict[str, list[float]] = {}
        for step in window:
            stage = _STAGES.get(step.state)
            if stage and not (stage == "wait" and step.since_ms == 0):
                spans.setdefault(stage, []).append(step.since_ms)
            if step.state is JobState.DONE:
                spans.setdefault("total", []).append(step.age_ms)
        per_s = 1000 / min(took_ms, 10_000)
        return {
            "dispatched": round(_count(window, JobState.DISPATCHED) * per_s, 1),
            "done": round(_count(window, JobState.DONE) * per_s, 1),
            "failed": round(_count(window, JobState.FAILED) * per_s, 1),
            "retried": round(_count(window, JobState.RETRYING) * per_s, 1),
            "stages": {
                stage: [_percentile(values, 50), _percentile(values, 99)]
                for stage, values in spans.items()
            },
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


def _describe_step(step: Step) -> list[Any]:
    return [
        *(step.state, step.job_id, step.session_id, step.node_id, step.reason),
        *(step.attempt, round(step.since_ms, 2), round(step.age_ms, 2), step.at_ms),
    ]


def _count(steps: Iterable[Step], state: JobState) -> int:
    return sum(step.state is state for step in steps)


def _percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that `percent` of all do not exceed."""
    ordered = sorted(values)
    place = max(0, -(-len(ordered) * percent // 100) - 1)
    return round(ordered[place], 2)
