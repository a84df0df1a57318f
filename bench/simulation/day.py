"""A day of speech in virtual time: nodes are added and stopped as the scheduler's target says.

Arrivals follow the hours, with noise; nodes take a minute to start. Demand, target and list are
computed by the code of the product, `operators.console.demand_meter` and `placement.scaling`.
"""

import collections
import heapq
import itertools
import math
import random
from collections.abc import Iterator

import msgspec

from operators.console.demand_meter import DemandMeter, HighestDemand
from scheduling.model.demand import Demand, Wanted
from scheduling.model.jobs import JobKind
from scheduling.model.languages import LanguageOffer
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import Node, NodeDescription, NodeStatus, Service, Usage
from scheduling.placement.demand import DemandMemory
from scheduling.placement.ranking import why_never
from scheduling.placement.scaling import FleetTarget, plan_fleet

_CORE = ("asr", "nmt", "tts")
_EVERY_S = 5.0
_STARTS_IN_S = 60.0
# Between the look at the list and the drain jobs go on.
_ACTS_AFTER_S = 2.0
_KINDS = {"both": ("en-es", "en-de"), "es": ("en-es",), "de": ("en-de",)}


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """How long it is, how much is said at its peak and at night, and what is promised.

    `kinds` are kinds of nodes by name: the pairs that each serves, as pools.
    """

    hours: float = 24.0
    peak_per_s: float = 6.0
    night_per_s: float = 0.3
    held_s: float = 1.5
    slots: int = 2
    wait_ms: int = 500
    down_s: float = 300.0
    kinds: dict[str, tuple[str, ...]] = msgspec.field(default_factory=_KINDS.copy)
    seed: int = 1


class DayReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the day."""

    jobs: int
    lost: int
    wait_p95_ms: float
    worst_hour_p95_ms: float
    busy_on_list: int
    uncovered: int
    stopped: int
    most_nodes: int
    mean_nodes: float
    target_changes: int


class _Worker:
    def __init__(self, node: Node, pairs: tuple[str, ...]) -> None:
        self.node = node
        self.pairs = pairs
        self.running = 0

    @property
    def has_slot(self) -> bool:
        return self.node.is_open and self.running < self.node.max_jobs


class DaySimulation:
    """One day; the fleet begins with one node of each kind."""

    def __init__(self, day: Day) -> None:
        self._day = day
        self._rng = random.Random(day.seed)
        self._now_s = 0.0
        self._events: list[tuple[float, int, str, object]] = []
        self._numbers = itertools.count()
        self._workers: dict[str, _Worker] = {}
        self._starting: collections.Counter[str] = collections.Counter()
        self._lines: dict[str, collections.deque[float]] = collections.defaultdict(
            collections.deque
        )
        self._waits: list[tuple[float, float]] = []
        self._metrics = Metrics()
        self._meter = DemandMeter(
            metrics=self._metrics,
            memory=DemandMemory(has_open=lambda _: True),
            read_clock_ms=lambda: self._now_s * 1000,
        )
        self._highest = HighestDemand(window_s=day.down_s)
        self._pairs = sorted({pair for pairs in day.kinds.values() for pair in pairs})
        self._wanted = tuple(_want(pair) for pair in self._pairs)
        self._came = self._ended = self._busy_on_list = self._uncovered = self._stopped = 0
        self._target_changes = self._last_target = self._most_nodes = 0
        self._node_ticks = self._ticks = 0

    def run(self) -> DayReport:
        """Live through the day, and wait for what was said last."""
        for kind in self._day.kinds:
            self._join(kind)
        ends_s = self._day.hours * 3_600
        for pair in self._pairs:
            self._plan_arrival(pair)
        self._push(_EVERY_S, "look", None)
        while self._events:
            self._now_s, _, what, about = heapq.heappop(self._events)
            is_day = self._now_s < ends_s
            match what, about:
                case "speak", str(pair) if is_day:
                    self._speak(pair)
                    self._plan_arrival(pair)
                case "drain", str(node_id):
                    worker = self._workers[node_id]
                    worker.node = msgspec.structs.replace(worker.node, draining=True)
                    self._let_go(worker)
                case "end", (_Worker() as worker, str(pair), float(held_s)):
                    self._end(worker, pair, held_s)
                case "join", str(kind):
                    self._starting[kind] -= 1
                    self._join(kind)
                case "look", _ if is_day:
                    self._look()
                    self._push(_EVERY_S, "look", None)
                case _:
                    pass
        return self._report()

    def _push(self, in_s: float, what: str, about: object) -> None:
        heapq.heappush(self._events, (self._now_s + in_s, next(self._numbers), what, about))

    def _plan_arrival(self, pair: str) -> None:
        day = self._day
        turn = (1 - math.cos(2 * math.pi * self._now_s / (day.hours * 3_600))) / 2
        rate = (day.night_per_s + (day.peak_per_s - day.night_per_s) * turn) / len(self._pairs)
        self._push(self._rng.expovariate(rate), "speak", pair)

    def _speak(self, pair: str) -> None:
        self._came += 1
        self._metrics.count("pool_arrivals_total", pair)
        self._lines[pair].append(self._now_s)
        self._serve()

    def _serve(self) -> None:
        """Let those who wait longest have slots, as the least loaded node of theirs has one."""
        for pair, line in self._lines.items():
            while line:
                free = [one for one in self._workers.values() if pair in one.pairs and one.has_slot]
                if not free:
                    break
                worker = min(free, key=lambda one: (one.running, one.node.node_id))
                came_s = line.popleft()
                self._waits.append((came_s, self._now_s - came_s))
                worker.running += 1
                held_s = self._rng.lognormvariate(math.log(self._day.held_s) - 0.125, 0.5)
                self._push(held_s, "end", (worker, pair, held_s))

    def _end(self, worker: _Worker, pair: str, held_s: float) -> None:
        worker.running -= 1
        self._ended += 1
        self._metrics.note_held(JobKind(pool_id=pair), held_ms=held_s * 1000)
        self._let_go(worker)
        self._serve()

    def _join(self, kind: str) -> None:
        pairs = self._day.kinds[kind]
        node_id = f"{kind}-{next(self._numbers)}"
        self._workers[node_id] = _Worker(_make_node(node_id, pairs, slots=self._day.slots), pairs)
        self._serve()

    def _look(self) -> None:
        """Do what an autoscaler does: add what is missing, and stop what is on the list."""
        demand = self._highest.take(self._meter.measure(), now_ms=self._now_s * 1000)
        target = self._plan(msgspec.structs.replace(demand, wanted=self._wanted))
        if target.target_nodes != self._last_target:
            self._target_changes += 1
            self._last_target = target.target_nodes
        for pool in target.pools:
            kind = min(
                (name for name, pairs in self._day.kinds.items() if pool.pool_id in pairs),
                key=lambda name: -len(self._day.kinds[name]),
            )
            coming = sum(
                count
                for name, count in self._starting.items()
                if pool.pool_id in self._day.kinds[name]
            )
            for _ in range(pool.target_nodes - pool.ready_nodes - coming):
                self._starting[kind] += 1
                self._push(_STARTS_IN_S, "join", kind)
        if self._highest.is_settled(now_ms=self._now_s * 1000):
            self._stop(target)
        self._ticks += 1
        self._node_ticks += len(self._workers)
        self._most_nodes = max(self._most_nodes, len(self._workers))

    def _plan(self, demand: Demand) -> FleetTarget:
        members: dict[str, set[str]] = {pair: set() for pair in self._pairs}
        for node_id, worker in self._workers.items():
            for pair in worker.pairs:
                members[pair].add(node_id)
        return plan_fleet(
            nodes=[worker.node for worker in self._workers.values()],
            loads={node_id: worker.running for node_id, worker in self._workers.items()},
            members={pair: frozenset(node_ids) for pair, node_ids in members.items()},
            demand=demand,
            could=lambda one, description: (
                why_never(description, one.need, require_gpu=False) is None
            ),
            wait_s=self._day.wait_ms / 1000,
            now_ms=int(self._now_s * 1000),
        )

    def _stop(self, target: FleetTarget) -> None:
        for stoppable in target.stoppable:
            self._busy_on_list += self._workers[stoppable.node_id].running > 0
            self._push(_ACTS_AFTER_S, "drain", stoppable.node_id)
        self._uncovered += sum(
            not any(pair in one.pairs and one.node.is_open for one in self._workers.values())
            for pair in self._pairs
        )

    def _let_go(self, worker: _Worker) -> None:
        """Stop a node that drains once it has no job; it may have got one since it was listed."""
        if worker.node.draining and not worker.running:
            del self._workers[worker.node.node_id]
            self._stopped += 1

    def _report(self) -> DayReport:
        hours: dict[int, list[float]] = collections.defaultdict(list)
        for came_s, waited_s in self._waits:
            hours[int(came_s // (self._day.hours * 150))].append(waited_s)
        return DayReport(
            jobs=self._came,
            lost=self._came - self._ended,
            wait_p95_ms=_p95([waited for _, waited in self._waits]) * 1000,
            worst_hour_p95_ms=max(_p95(waits) for waits in hours.values()) * 1000,
            busy_on_list=self._busy_on_list,
            uncovered=self._uncovered,
            stopped=self._stopped,
            most_nodes=self._most_nodes,
            mean_nodes=round(self._node_ticks / max(self._ticks, 1), 2),
            target_changes=self._target_changes,
        )


def _p95(values: list[float]) -> float:
    values = sorted(values)
    return values[int(len(values) * 0.95)] if values else 0.0


def _want(pair: str) -> Wanted:
    src, _, tgt = pair.partition("-")
    return Wanted(pairs=((src, tgt),), types=_CORE)


def _make_node(node_id: str, pairs: tuple[str, ...], *, slots: int) -> Node:
    known = frozenset((src, tgt) for src, _, tgt in (pair.partition("-") for pair in pairs))
    languages = LanguageOffer(
        asr=frozenset(src for src, _ in known),
        tts=frozenset(tgt for _, tgt in known),
        pairs=known,
    )
    return Node(
        node_id=node_id,
        instance_id="i",
        conn_epoch=1,
        status=NodeStatus.READY,
        max_jobs=slots,
        description=NodeDescription(
            version="1",
            platform="linux",
            accepts_public_jobs=True,
            has_gpu=True,
            languages=languages,
            services=tuple(Service(service_id=kind, type=kind) for kind in _CORE),
            ready_types=frozenset(_CORE),
            acknowledges=True,
            resumes=False,
        ),
        usage=Usage(),
        heartbeat_at_ms=0,
    )


def describe(report: DayReport) -> Iterator[str]:
    """Yield what became of a day, line by line."""
    for name in report.__struct_fields__:
        yield f"{name:20} {getattr(report, name)}"
