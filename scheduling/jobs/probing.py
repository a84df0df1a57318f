"""When nodes are probed, and what follows: on joining, when idle, again after a failure (ND10)."""

import asyncio
import logging
import random
from typing import Protocol

import msgspec

from scheduling.jobs.probe_jobs import ProbeJobs, list_needs
from scheduling.jobs.standings import Standings
from scheduling.model import clock, errors
from scheduling.model.background import Background
from scheduling.model.jobs import Need
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import Node
from scheduling.model.outcomes import Outcome, Refused
from scheduling.model.probes import Probe, ProbeRules
from scheduling.model.standing import UNTRIED, Fault, NodeState, find_fault
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import PlacementRequest, WaitQueue
from scheduling.store.node_slots import NodeSlotStore

logger = logging.getLogger(__name__)

_BEFORE_END_S = 1.0
_SPREAD_S = 2.0
_REFUSED_S = 15.0
# So many others are asked at once what a node did not hear.
_OTHERS = 3


class ProbeSource(Protocol):
    """Where the probes are, and whether this instance is the one that probes."""

    @property
    def leads(self) -> bool: ...

    @property
    def probes(self) -> tuple[Probe, ...]: ...


class ProbeNotes(Protocol):
    """Takes what came of a probe: whether any node passed it, and how many failed."""

    def __call__(self, language: str, *, passed: bool, failed: int) -> None: ...


class _Plan(msgspec.Struct):
    """When the node of one connection is probed next; `is_due` waits for the node to be idle."""

    conn_epoch: int
    timer: asyncio.TimerHandle
    is_due: bool = False
    is_running: bool = False


class Prober:
    """Probes the nodes of the fleet, where this instance leads.

    A probe judges only once a node has passed it: what no node can do is the clip's own fault.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        slots: NodeSlotStore,
        standings: Standings,
        waiting: WaitQueue,
        jobs: ProbeJobs,
        source: ProbeSource,
        tell: ProbeNotes,
        rules: ProbeRules,
        rng: random.Random,
        metrics: Metrics,
    ) -> None:
        self._fleet = fleet
        self._slots = slots
        self._standings = standings
        self._waiting = waiting
        self._jobs = jobs
        self._source = source
        self._tell = tell
        self._rules = rules
        self._rng = rng
        self._metrics = metrics
        self._background = Background()
        self._plans: dict[str, _Plan] = {}
        self._passed: set[Probe] = set()
        # By probe, nodes that failed it: charged once another node has passed it.
        self._failed: dict[Probe, set[str]] = {}
        self._again: dict[str, Probe] = {}
        if rules.interval_s > 0:
            fleet.listeners.described.append(self._on_described)
            fleet.listeners.free.append(self._on_free)
            fleet.listeners.waits.append(self._on_waits)
            fleet.listeners.waits_elsewhere.append(self._on_waits)

    def take_probes(self) -> None:
        """Operators changed the probes: what was known of others is forgotten, and all tried."""
        current = set(self._source.probes)
        self._passed &= current
        self._failed = {one: nodes for one, nodes in self._failed.items() if one in current}
        self._again = {node: one for node, one in self._again.items() if one in current}
        for node_id in list(self._plans):
            node = self._fleet.find(node_id)
            if node is not None:
                self._plan(node, self._rng.uniform(0, _SPREAD_S))

    def _on_described(self, node: Node) -> None:
        known = self._plans.get(node.node_id)
        is_news = known is None or known.conn_epoch != node.conn_epoch
        if is_news or node.standing.is_unproven(clock.now_ms()):
            self._plan(node, 0)

    def _plan(self, node: Node, delay_s: float) -> None:
        before = self._plans.get(node.node_id)
        is_running = before is not None and before.is_running
        if before is not None:
            before.timer.cancel()
        timer = asyncio.get_running_loop().call_later(
            delay_s, self._come_due, node.node_id, node.conn_epoch
        )
        self._plans[node.node_id] = _Plan(node.conn_epoch, timer, is_running=is_running)

    def _come_due(self, node_id: str, conn_epoch: int) -> None:
        plan, node = self._plans.get(node_id), self._fleet.find(node_id)
        if plan is None or plan.conn_epoch != conn_epoch:
            return
        if node is None or node.conn_epoch != conn_epoch:
            del self._plans[node_id]
            self._again.pop(node_id, None)
            for failed in self._failed.values():
                failed.discard(node_id)
        elif not self._source.leads:
            self._plan_next(node)
        else:
            plan.is_due = True
            self._on_free(node_id)

    def _plan_next(self, node: Node) -> None:
        known = self._fleet.find(node.node_id)
        is_unproven = known is not None and known.standing.is_unproven(clock.now_ms())
        delay_s = self._rules.again_s if is_unproven else self._rules.interval_s
        self._plan(node, min(delay_s, self._rules.interval_s) * self._rng.uniform(0.9, 1.1))

    def _on_free(self, node_id: str) -> None:
        """A node has a slot free: probe it if that is due, and it has nothing else to do."""
        plan = self._plans.get(node_id)
        if plan is None or not plan.is_due or plan.is_running:
            return
        node = self._fleet.find(node_id)
        if node is None or not node.is_open or not self._is_idle(node):
            return
        picked = self._pick(node)
        plan.is_due = False
        if picked is None:
            self._plan_next(node)
            return
        plan.is_running = True
        self._background.run(self._probe(node, *picked), name="probing a node")

    def _is_idle(self, node: Node) -> bool:
        """Say whether a node works on nothing, and nobody waits for it.

        One that only a probe proves is probed as soon as it has a slot. While some node failed what
        none has passed yet, a slot that is free will do.
        """
        if node.standing.is_unproven(clock.now_ms()):
            return node.node_id in self._fleet.loads.free

        def wants(request: PlacementRequest) -> bool:
            return self._may_have(request.need, node)

        if any(self._failed.values()):
            return node.node_id in self._fleet.loads.free
        return self._fleet.loads.find(node.node_id) == 0 and not self._waiting.holds(wants)

    def _pick(self, node: Node) -> tuple[Probe, Need] | None:
        """Return a probe that the node serves; in quarantine it has none but for a failed probe."""
        standing = node.standing
        if standing.state is NodeState.QUARANTINE and standing.reason != Fault.PROBE:
            return None
        again = self._again.get(node.node_id)
        probes = (again,) if again is not None else self._source.probes
        able = [(one, need) for one in probes if (need := self._find_need(node, one))]
        asked = [pair for pair in able if self._failed.get(pair[0])]
        return self._rng.choice(asked or able) if able else None

    def _find_need(self, node: Node, probe: Probe) -> Need | None:
        """Return what a probe asks of a node, None where it does not serve it."""
        judge = self._fleet.snapshot.index.judge
        needs = list_needs(node.description, probe.language, node_id=node.node_id)
        return next((one for one in needs if judge(one, node.description) is None), None)

    def _on_waits(self, need: Need) -> None:
        """A job waits: a probe in its way is given up."""
        for node_id, plan in self._plans.items():
            node = self._fleet.find(node_id) if plan.is_running else None
            is_full = node_id not in self._fleet.loads.free
            if node is None or not is_full or not self._may_have(need, node):
                continue
            if not (node.standing.is_unproven(clock.now_ms()) and self._has_other(need, node)):
                self._jobs.give_way(node_id)
                return

    def _has_other(self, need: Need, node: Node) -> bool:
        """Say whether another node, in good standing, could have what waits."""
        now_ms = clock.now_ms()
        others = [self._fleet.find(one) for one in self._fleet.snapshot.index.find(need)]
        return any(
            one.is_open and one.standing.state_at(now_ms) is NodeState.GOOD
            for one in others
            if one is not None and one is not node
        )

    def _may_have(self, need: Need, node: Node) -> bool:
        if need.only_node_id not in ("", node.node_id):
            return False
        return self._fleet.snapshot.index.judge(need, node.description) is None

    async def _probe(self, node: Node, probe: Probe, need: Need) -> None:
        try:
            outcome = await self._jobs.ask(node, probe, need)
            if outcome is None:
                self._metrics.count("node_probes_total", "given_up")
                self._plan(node, self._rules.again_s)
            elif isinstance(outcome, Refused) and find_fault(outcome.code) is None:
                self._metrics.count("node_probes_total", "given_up")
                self._plan(node, min(_REFUSED_S, self._rules.interval_s))
                await self._hold(node)
            elif _is_passed(outcome, probe):
                await self._pass(node, probe)
            else:
                await self._fail(node, probe)
        except errors.DependencyDown:
            self._plan_next(node)
        finally:
            plan = self._plans.get(node.node_id)
            if plan is not None:
                plan.is_running = False
                self._on_free(node.node_id)

    async def _pass(self, node: Node, probe: Probe) -> None:
        self._metrics.count("node_probes_total", "passed")
        self._again.pop(node.node_id, None)
        failed = self._failed.pop(probe, set()) - {node.node_id}
        if probe not in self._passed:
            self._passed.add(probe)
            self._tell(probe.language, passed=True, failed=len(failed))
        judgement = await self._slots.note_probe(node_id=node.node_id, passed=True)
        if judgement is not None:
            self._standings.note(node.node_id, judgement)
        self._plan_next(node)
        for node_id in failed:
            other = self._fleet.find(node_id)
            if other is not None:
                await self._charge(other, probe)

    async def _fail(self, node: Node, probe: Probe) -> None:
        self._metrics.count("node_probes_total", "failed")
        logger.info("a node failed a probe", extra={"node_id": node.node_id})
        if probe in self._passed:
            await self._charge(node, probe)
            return
        failed = self._failed.setdefault(probe, set())
        failed.add(node.node_id)
        self._tell(probe.language, passed=False, failed=len(failed))
        self._plan_next(node)
        asyncio.get_running_loop().call_later(self._rules.again_s, self._release, probe)
        doubted = await self._slots.doubt(node_id=node.node_id)
        if doubted is not None:
            self._standings.note(node.node_id, doubted)
        await self._hold(node)
        others = [one for one in self._list_others(probe) if not self._plans[one.node_id].is_due]
        for other in self._rng.sample(others, min(_OTHERS, len(others))):
            self._plan(other, 0)
        for node_id in list(self._plans):
            self._on_free(node_id)

    async def _hold(self, node: Node) -> None:
        """A node that did not answer its first probe well is no better known than before."""
        known = self._fleet.find(node.node_id)
        if known is not None and known.standing.reason == UNTRIED:
            judgement = await self._slots.hold_untried(node_id=node.node_id)
            if judgement is not None:
                self._standings.note(node.node_id, judgement)

    def _list_others(self, probe: Probe) -> list[Node]:
        """Return nodes that serve a probe which none has passed, and did not fail it."""
        failed = self._failed.get(probe, set())
        nodes = [self._fleet.find(one) for one in self._plans if one not in failed]
        return [node for node in nodes if node and node.is_open and self._find_need(node, probe)]

    def _release(self, probe: Probe) -> None:
        """Of a probe that nobody is left to pass nobody need wait to be proved."""
        if self._list_others(probe):
            return
        for node_id in self._failed.get(probe, ()):
            node = self._fleet.find(node_id)
            if node is not None and node.standing.reason == UNTRIED:
                self._background.run(self._let_go(node_id), name="letting a node go untried")

    async def _let_go(self, node_id: str) -> None:
        judgement = await self._slots.absolve(node_id=node_id)
        if judgement is not None:
            self._standings.note(node_id, judgement)

    async def _charge(self, node: Node, probe: Probe) -> None:
        """A node failed what another has passed: probation, and the next time quarantine."""
        self._again[node.node_id] = probe
        judgement = await self._slots.note_probe(node_id=node.node_id, passed=False)
        if judgement is None:
            self._plan_next(node)
            return
        self._metrics.count("node_faults_total", Fault.PROBE)
        self._standings.note(node.node_id, judgement)
        standing = judgement.standing
        if standing.state is NodeState.QUARANTINE:
            left_s = (standing.ends - clock.now_ms()) / 1000
            self._plan(node, max(left_s - _BEFORE_END_S, left_s / 2, self._rules.again_s))
        else:
            self._plan(node, self._rules.again_s)


def _is_passed(outcome: Outcome, probe: Probe) -> bool:
    return not isinstance(outcome, Refused) and probe.is_heard_in(outcome.text_asr)
