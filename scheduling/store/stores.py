"""The stores a job's life needs, handed on together."""

import dataclasses

from scheduling.store.decisions import DecisionStore
from scheduling.store.declines import DeclineStore
from scheduling.store.hedges import HedgeStore
from scheduling.store.jobs import JobStore
from scheduling.store.node_slots import NodeSlotStore
from scheduling.store.nodes import NodeStore
from scheduling.store.outcomes import OutcomeStore
from scheduling.store.runtime import RuntimeStore
from scheduling.store.tenants import TenantStore
from scheduling.store.timers import TimerStore


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What the services need of Redis."""

    nodes: NodeStore
    slots: NodeSlotStore
    jobs: JobStore
    declines: DeclineStore
    hedges: HedgeStore
    outcomes: OutcomeStore
    timers: TimerStore
    decisions: DecisionStore
    runtime: RuntimeStore
    tenants: TenantStore
