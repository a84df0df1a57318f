"""Answer operators: why this node, why not that one, where would a job go, what is covered."""

import random
from collections.abc import Iterable, Mapping

import msgspec

from scheduling.model import clock, ids
from scheduling.model.jobs import Assignment, JobRecord, Need, Pipeline, quote_base64
from scheduling.model.languages import AUTO, is_same
from scheduling.model.limits import PlacementRules
from scheduling.model.nodes import Node, NodeStatus
from scheduling.model.standing import NodeState
from scheduling.placement.chooser import Chooser
from scheduling.placement.decisions import Decision
from scheduling.placement.pool_config import list_pools_of
from scheduling.placement.pools import Pool
from scheduling.placement.ranking import Choice, Reason
from scheduling.placement.session_memory import SessionMemory
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import PlacementRequest
from scheduling.store.decisions import DecisionStore
from scheduling.store.jobs import JobStore

_MOST_SHOWN = 5
_CORE = ("asr", "nmt", "tts")


class Explanation(msgspec.Struct, frozen=True):
    """A job as it stands, and every decision about it that is still kept."""

    job: JobRecord
    decisions: list[Decision]


class NodeVerdict(msgspec.Struct, frozen=True):
    """Why a node does not have a job.

    `now` is why it would not get it at this moment, ``""`` if it could. `then` says, for each
    decision, why it was passed over, ``not_sampled`` where it was not looked at, ``""`` where it
    was asked; `answers` are what its slot said. `need` is the job's.
    """

    now: str
    then: list[str]
    answers: list[str]
    pools: list[str]
    need: Need


class PoolView(msgspec.Struct, frozen=True):
    """A pool as operators see it (P14); a node with a service installed may not have it ready."""

    pool_id: str
    pool_name: str
    kind: str
    pool_required_services: tuple[str, ...]
    languages: tuple[str, ...]
    total_nodes: int
    online_nodes: int
    ready_nodes: int
    core_services_installed: dict[str, int]
    core_services_ready: dict[str, int]
    sample_node_ids: tuple[str, ...]


class Coverage(msgspec.Struct, frozen=True):
    """How well one language pair is served now.

    `known_nodes` could serve it, ready or not, connected or away; where there is none, jobs are
    refused at once. `held_back_nodes` are ready and in no good standing.
    """

    src: str
    tgt: str
    ready_nodes: int
    free_slots: int
    known_nodes: int
    held_back_nodes: int


class Explainer:
    """Reads, and changes nothing: not a slot, not a counter, not a session's preference."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        jobs: JobStore,
        decisions: DecisionStore,
        rules: PlacementRules,
    ) -> None:
        self._fleet = fleet
        self._jobs = jobs
        self._decisions = decisions
        self._rules = rules

    async def why(self, job_id: str) -> Explanation | None:
        """Return what is known of a job, None when it is none of ours or too old."""
        session_id = ids.find_session_id(job_id)
        if session_id is None:
            return None
        record = await self._jobs.find(session_id=session_id, job_id=job_id)
        if record is None:
            return None
        decisions = await self._decisions.list_all(session_id=session_id, job_id=job_id)
        return Explanation(job=record, decisions=decisions)

    async def why_not(self, *, node_id: str, job_id: str) -> NodeVerdict | None:
        """Return why a node does not have a job; None when the job is not known."""
        explanation = await self.why(job_id)
        if explanation is None:
            return None
        job = explanation.job
        placement_request = _imagine(
            need=job.need,
            tenant_id=job.tenant_id,
            session_id=job.session_id,
            not_for=job.not_for,
            preferred_node_id=job.preferred_node_id,
        )
        node = self._fleet.find(node_id)
        table = self._fleet.snapshot.pools
        return NodeVerdict(
            now=self._say_why_unknown(node_id)
            if node is None
            else self._make_chooser().why_not(placement_request, node),
            then=[_say_then(decision, node_id) for decision in explanation.decisions],
            answers=[
                answer.word
                for decision in explanation.decisions
                for answer in decision.answers
                if answer.node_id == node_id
            ],
            pools=sorted(
                pool_id for pool_id, known in table.members.items() if node_id in known.node_ids
            ),
            need=job.need,
        )

    def simulate(
        self,
        *,
        need: Need,
        tenant_id: str = "",
        session_id: str = "",
        exclude: Iterable[str] = (),
        preferred_node_id: str = "",
    ) -> Choice:
        """Return where a job would go, by exactly the code that dispatches (P15)."""
        chooser = self._make_chooser()
        placement_request = _imagine(
            need=chooser.bind(need, preferred_node_id=preferred_node_id),
            tenant_id=tenant_id,
            session_id=session_id,
            not_for=tuple(exclude),
            preferred_node_id=preferred_node_id,
        )
        return chooser.choose(placement_request)

    def list_pools(self) -> list[PoolView]:
        """Return every pool in force with its members as this instance knows them (P14, P17)."""
        table = self._fleet.snapshot.pools
        return [
            self._view(pool, table.members[pool_id].node_ids if pool_id in table.members else ())
            for pool_id, pool in sorted(table.matcher.pools.items())
        ]

    def list_coverage(self) -> list[Coverage]:
        """Return every pair that known nodes name or speakers asked for in vain, worst first."""
        nodes = (*self._fleet.snapshot.nodes.values(), *self._fleet.absent.nodes.values())
        heard = {language for node in nodes for language in node.description.languages.asr}
        spoken = {language for node in nodes for language in node.description.languages.tts}
        pairs = {(src, tgt) for src in heard for tgt in spoken if not is_same(src, tgt)}
        asked = self._fleet.unserved.list_pairs(now_ms=clock.now_ms())
        pairs |= {pair for pair in asked if pair[0] != AUTO}
        rows = [self._cover(src, tgt) for src, tgt in pairs]
        return sorted(rows, key=lambda row: (row.free_slots, row.ready_nodes, row.src, row.tgt))

    def check_membership(self, node: Node) -> frozenset[str]:
        """Return the pools a node belongs into by what it declared."""
        config = self._fleet.snapshot.pools.matcher.config
        return list_pools_of(node.node_id, node.description, config)

    def _say_why_unknown(self, node_id: str) -> str:
        return Reason.OFFLINE if node_id in self._fleet.absent.nodes else "unknown"

    def _make_chooser(self) -> Chooser:
        """Return a chooser that remembers nothing and whose dice are its own."""
        return Chooser(
            fleet=self._fleet, rules=self._rules, memory=SessionMemory(), rng=random.Random()
        )

    def _cover(self, src: str, tgt: str) -> Coverage:
        need = Need(src=src, tgt=tgt, types=_CORE, pairs=((src, tgt),))
        snapshot, find_load = self._fleet.snapshot, self._fleet.loads.find
        able = [snapshot.nodes[node_id] for node_id in snapshot.index.find(need)]
        ready = [node for node in able if node.is_open]
        free = sum(max(node.max_jobs - find_load(node.node_id), 0) for node in ready)
        now_ms = clock.now_ms()
        held_back = [one for one in ready if one.standing.state_at(now_ms) is not NodeState.GOOD]
        away = self._fleet.absent.index.find_possible(need)
        return Coverage(
            src=src,
            tgt=tgt,
            ready_nodes=len(ready),
            free_slots=free,
            known_nodes=len(snapshot.index.find_possible(need)) + len(away),
            held_back_nodes=len(held_back),
        )

    def _view(self, pool: Pool, member_ids: Iterable[str]) -> PoolView:
        members = sorted(member_ids)
        known = [node for node_id in members if (node := self._fleet.find(node_id))]
        now_ms = clock.now_ms()
        online = [
            node
            for node in known
            if now_ms - node.heartbeat_at_ms <= self._rules.heartbeat_timeout_ms
        ]
        return PoolView(
            pool_id=pool.pool_id,
            pool_name=pool.shown_name,
            kind=pool.kind,
            pool_required_services=pool.required,
            languages=pool.languages,
            total_nodes=len(members),
            online_nodes=len(online),
            ready_nodes=sum(node.status is NodeStatus.READY for node in online),
            core_services_installed=_count(
                {kind.type for kind in node.description.services} for node in online
            ),
            core_services_ready=_count(node.description.ready_types for node in online),
            sample_node_ids=tuple(members[:_MOST_SHOWN]),
        )


def _count(types: Iterable[Iterable[str]]) -> dict[str, int]:
    counted = dict.fromkeys(_CORE, 0)
    for offered in types:
        for kind in counted.keys() & set(offered):
            counted[kind] += 1
    return counted


def _say_then(decision: Decision, node_id: str) -> str:
    seen: Mapping[str, str] = {name: reason for name, _, reason in decision.looked_at}
    if any(answer.node_id == node_id for answer in decision.answers):
        return ""
    if node_id in seen:
        return seen[node_id] or "less_loaded_first"
    return "not_sampled"


def _imagine(
    *,
    need: Need,
    tenant_id: str,
    session_id: str,
    not_for: tuple[str, ...],
    preferred_node_id: str = "",
) -> PlacementRequest:
    """Return a job that only asks."""
    assignment = Assignment(
        job_id="",
        attempt_id=1,
        session_id=session_id,
        utterance_index=0,
        src_lang=need.src,
        tgt_lang=need.tgt,
        audio=quote_base64(""),
        audio_format="",
        sample_rate=0,
        trace_id="",
        pipeline=Pipeline(),
        enable_streaming_asr=False,
        partial_update_interval_ms=0,
    )
    return PlacementRequest(
        assignment=assignment,
        need=need,
        not_for=not_for,
        tenant_id=tenant_id,
        preferred_node_id=preferred_node_id,
    )
