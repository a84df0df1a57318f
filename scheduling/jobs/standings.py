"""What attempts say of their nodes: taken as they end, proved when their jobs end well (ND1)."""

import asyncio
import logging

import msgspec

from scheduling.model import clock
from scheduling.model.background import Background
from scheduling.model.metrics import Metrics
from scheduling.model.standing import Judgement, NodeState, find_fault
from scheduling.placement.listeners import StandingChange
from scheduling.placement.snapshot import Fleet
from scheduling.store.replies import SlotReply
from scheduling.store.stores import Stores

logger = logging.getLogger(__name__)

_TOLD_EVERY_MS = 60_000


class Standings:
    """Keeps the standing of nodes as placement sees it, and tells of every change.

    A failed attempt is a doubt first. It counts against its node once the job ended well elsewhere:
    what no node can do is the utterance's own fault (decision 0152).
    """

    def __init__(
        self, *, stores: Stores, fleet: Fleet, metrics: Metrics, quarantine_ms: int
    ) -> None:
        self._quarantine_ms = quarantine_ms
        self._stores = stores
        self._fleet = fleet
        self._metrics = metrics
        self._background = Background()
        self._quiet_until_ms = 0.0

    def is_spared(self, node_id: str, *, now_ms: int) -> bool:
        """Say whether an attempt that fails on a node costs its job nothing (ND2)."""
        node = self._fleet.find_known(node_id)
        return node is not None and node.standing.state_at(now_ms) is not NodeState.GOOD

    def record(self, node_id: str, freed: SlotReply) -> None:
        """Take what the end of an attempt made of its node: standing first, then the free slot."""
        if freed.judgement is not None:
            self.note(node_id, freed.judgement)
        known = self._fleet.find(node_id) if freed.speeds else None
        if known is not None:
            self._fleet.put(msgspec.structs.replace(known, speeds=freed.speeds))
        self._fleet.loads.record(node_id, freed.load)

    async def quarantine(self, node_id: str) -> bool:
        """Give a node no job for as long as a quarantine may last; False when it is unknown.

        It ends with a trial as any other; who wants a node out for good cordons it.
        """
        judgement = await self._stores.slots.quarantine(node_id=node_id, for_ms=self._quarantine_ms)
        if judgement is not None:
            self.note(node_id, judgement)
        return judgement is not None

    async def absolve(self, node_id: str) -> bool:
        """Forget all that speaks against a node; False when it is unknown."""
        judgement = await self._stores.slots.absolve(node_id=node_id)
        if judgement is not None:
            self.note(node_id, judgement)
        return judgement is not None or self._fleet.find_known(node_id) is not None

    def note(self, node_id: str, judgement: Judgement) -> None:
        """Take a node's standing, tell other instances, and say so where its state changed."""
        standing, before = judgement.standing, judgement.before
        known = self._fleet.find(node_id)
        if known is not None and not standing.is_known_as(known.standing):
            self._fleet.put(msgspec.structs.replace(known, standing=standing))
        elif away := self._fleet.absent.nodes.get(node_id):
            self._fleet.absent.put(msgspec.structs.replace(away, standing=standing))
        if standing.state is before:
            return
        self._metrics.count("node_state_changes_total", before, standing.state)
        logger.warning(
            "a node's standing changed",
            extra={
                "node_id": node_id,
                "before": before,
                "state": standing.state,
                "reason": standing.reason,
            },
        )
        change = StandingChange(node_id=node_id, before=before, standing=standing)
        for tell in self._fleet.listeners.judged:
            tell(change)

    def note_refused(self, node_id: str, slot: SlotReply) -> None:
        """A node's slot was refused: take its load, and that it had its jobs until it is proved."""
        known = self._fleet.find(node_id) if slot.word == "unproven" else None
        if known is not None:
            spent = msgspec.structs.replace(known.standing, left=0)
            self._fleet.learn(msgspec.structs.replace(known, standing=spent))
        self._fleet.loads.correct(node_id, slot.load)

    def note_forced(self, node_id: str) -> None:
        """A node in no good standing got a job, for no other could serve it: tell operators."""
        self._metrics.count("forced_placements_total")
        now_ms = clock.steady_ms()
        if now_ms >= self._quiet_until_ms:
            self._quiet_until_ms = now_ms + _TOLD_EVERY_MS
            logger.warning(
                "no node in good standing could serve a job; the best of the others does",
                extra={"node_id": node_id},
            )

    def prove(self, *, session_id: str, job_id: str) -> None:
        """A job ended well after attempts of it had failed: they were their nodes' fault.

        Nobody waits for that; a doubt that is not proved is dropped after a while.
        """
        self._background.run(self._prove(session_id, job_id), name="charging nodes with faults")

    async def _prove(self, session_id: str, job_id: str) -> None:
        record = await self._stores.jobs.find(session_id=session_id, job_id=job_id)
        if record is None:
            return
        faults = [(one, find_fault(one.reason)) for one in record.failures]
        charged = [(one.node_id, one.attempt, fault) for one, fault in faults if fault is not None]
        judgements = await asyncio.gather(
            *(
                self._stores.slots.charge(
                    node_id=node_id, job_id=job_id, attempt=attempt, fault=fault
                )
                for node_id, attempt, fault in charged
            )
        )
        for (node_id, _, fault), judgement in zip(charged, judgements, strict=True):
            if judgement is not None:
                self._metrics.count("node_faults_total", fault)
                self.note(node_id, judgement)
