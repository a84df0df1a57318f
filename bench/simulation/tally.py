"""What became of every utterance of a simulation, and the figures that are made of it."""

import asyncio
import collections
import dataclasses
from collections.abc import Sequence

import msgspec

from bench.figures import percentile
from bench.simulation.workload import Arrival


@dataclasses.dataclass(slots=True)
class Fate:
    """One utterance's way; moments in ms since the start, `node_id` where it was last."""

    arrival: Arrival
    assigned_at_ms: float = -1.0
    ended_at_ms: float = -1.0
    outcome: str = ""
    node_id: str = ""
    attempts: int = 0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one simulation; spans in ms, shares of one.

    `fair_nodes` and `fair_tenants` are Jain's index: 1 where all are served alike. `same_turn` is
    the share of further parts of a turn that went where the part before had gone. `heard_ms` is
    until a result leaves: after all that its session said before.
    """

    policy: str
    arrivals: int
    answered: int
    refused: dict[str, int]
    wait_ms: dict[str, float]
    answer_p50_ms: float
    answer_p99_ms: float
    retried: int
    fair_nodes: float
    fair_tenants: float
    tenant_p99_ms: dict[str, float]
    node_use: dict[str, float]
    same_turn: float
    redis_per_job: float
    redis_per_s: float
    redis_commands: dict[str, int]
    master_busy: list[float]
    most_over_slots: int
    unended: int
    ended_twice: int
    virtual_s: float
    took_s: float = 0.0
    # Results that were kept before do not have it.
    answer_p95_ms: float | None = None
    hedged: int | None = None
    heard_ms: dict[str, float] | None = None

    @property
    def hedged_share(self) -> float | None:
        return None if self.hedged is None else self.hedged / max(self.arrivals, 1)

    @property
    def refused_share(self) -> float:
        return sum(self.refused.values()) / max(self.arrivals, 1)


SHARES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


class Tally:
    """Notes what happens; every utterance must end, and end once."""

    def __init__(self, arrivals: Sequence[Arrival], *, seconds: float) -> None:
        self._span_ms = seconds * 1000
        self.fates = [Fate(arrival) for arrival in arrivals]
        self.left = len(arrivals)
        self.all_ended = asyncio.Event()
        self.ended_twice = 0
        self.most_over_slots = 0
        self.hedged = 0
        self._busy_ms: dict[str, float] = collections.defaultdict(float)
        self._by_job: dict[str, Fate] = {}

    def note_asked(self, job_id: str, fate: Fate) -> None:
        self._by_job[job_id] = fate

    def note_assigned(
        self, job_id: str, node_id: str, *, at_ms: float, over: int, is_hedge: bool = False
    ) -> None:
        """A node has the job; `over` is by how many jobs it now has more than slots."""
        fate = self._by_job[job_id]
        if fate.assigned_at_ms < 0:
            fate.assigned_at_ms = at_ms
        if is_hedge:
            self.hedged += 1
        else:
            fate.node_id = node_id
            fate.attempts += 1
        self.most_over_slots = max(self.most_over_slots, over)

    def note_worked(self, node_id: str, *, service_ms: float, until_ms: float) -> None:
        """A node worked on a job until now; only what lies within the time of arrivals counts."""
        outside_ms = max(until_ms - self._span_ms, 0.0)
        self._busy_ms[node_id] += max(service_ms - outside_ms, 0.0)

    def note_ended(self, job_id: str, outcome: str, *, at_ms: float) -> None:
        """The speaker was told; being told the same again is no news, anything else a fault."""
        fate = self._by_job[job_id]
        if fate.outcome:
            self.ended_twice += fate.outcome != outcome
            return
        fate.outcome, fate.ended_at_ms = outcome, at_ms
        self.left -= 1
        if not self.left:
            self.all_ended.set()

    def find_arrival(self, job_id: str) -> Arrival:
        return self._by_job[job_id].arrival

    def describe(
        self,
        policy: str,
        *,
        slots: dict[str, int],
        commands: collections.Counter[str],
        master_busy_s: Sequence[float],
        virtual_s: float,
    ) -> Figures:
        """Return the figures; `slots` are those of the nodes that worked to the end."""
        answered = [fate for fate in self.fates if fate.outcome == "answered"]
        refused = collections.Counter(
            fate.outcome for fate in self.fates if fate.outcome not in ("", "answered")
        )
        spans = [fate.ended_at_ms - fate.arrival.at_ms for fate in answered]
        use = [self._busy_ms[node_id] / (count * self._span_ms) for node_id, count in slots.items()]
        tenants = sorted({fate.arrival.tenant for fate in self.fates})
        total = sum(commands.values())
        return Figures(
            policy=policy,
            arrivals=len(self.fates),
            answered=len(answered),
            refused=dict(sorted(refused.items())),
            wait_ms=self._describe_waits(),
            answer_p50_ms=percentile(spans, 0.50),
            answer_p95_ms=percentile(spans, 0.95),
            answer_p99_ms=percentile(spans, 0.99),
            hedged=self.hedged,
            heard_ms=self._describe_heard(),
            retried=sum(fate.attempts > 1 for fate in self.fates),
            fair_nodes=_jain(use),
            fair_tenants=_jain([self._share_answered(tenant) for tenant in tenants]),
            tenant_p99_ms={
                tenant: percentile(self._list_waits(tenant), 0.99) for tenant in tenants
            },
            node_use={
                name: percentile(use, share)
                for name, share in (("p1", 0.01), ("p50", 0.5), ("p99", 0.99))
            },
            same_turn=self._share_same_turn(),
            redis_per_job=total / max(len(self.fates), 1),
            redis_per_s=total / max(virtual_s, 1e-9),
            redis_commands=dict(sorted(commands.items())),
            master_busy=[busy_s / max(virtual_s, 1e-9) for busy_s in master_busy_s],
            most_over_slots=self.most_over_slots,
            unended=self.left,
            ended_twice=self.ended_twice,
            virtual_s=virtual_s,
        )

    def _describe_waits(self) -> dict[str, float]:
        waits = self._list_waits()
        return {
            **{name: percentile(waits, share) for name, share in SHARES.items()},
            "mean": sum(waits) / max(len(waits), 1),
            "max": max(waits, default=0.0),
        }

    def _describe_heard(self) -> dict[str, float]:
        left_at_ms: dict[int, float] = {}
        spans = []
        for fate in self.fates:
            session = fate.arrival.session
            left_at_ms[session] = max(left_at_ms.get(session, 0.0), fate.ended_at_ms)
            spans.append(left_at_ms[session] - fate.arrival.at_ms)
        return {name: percentile(spans, share) for name, share in SHARES.items()}

    def _list_waits(self, tenant: str = "") -> list[float]:
        """Return how long each utterance that a node got had waited; one tenant's, or all."""
        return [
            fate.assigned_at_ms - fate.arrival.at_ms
            for fate in self.fates
            if fate.assigned_at_ms >= 0 and tenant in {"", fate.arrival.tenant}
        ]

    def _share_answered(self, tenant: str) -> float:
        fates = [fate for fate in self.fates if fate.arrival.tenant == tenant]
        return sum(fate.outcome == "answered" for fate in fates) / max(len(fates), 1)

    def _share_same_turn(self) -> float:
        """Return how often a further part of a turn went to the node of the part before."""
        before: dict[str, str] = {}
        same, parts = 0, 0
        for fate in self.fates:
            turn_id = fate.arrival.turn_id
            if not turn_id or not fate.node_id:
                continue
            if turn_id in before:
                parts += 1
                same += before[turn_id] == fate.node_id
            before[turn_id] = fate.node_id
        return same / max(parts, 1)


def _jain(values: Sequence[float]) -> float:
    """Return Jain's index of fairness: 1 when all are equal, 1/n when one has everything."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0
