"""Choose nodes for one job, by pools and by what is remembered (E.2 to E.5).

Choosing waits for nothing and changes no state, caches apart; it reads the clock and draws at
random. Only `recall` and `note_placed` write, into the memory of sessions.
"""

import dataclasses
import random
from collections.abc import Collection

import msgspec

from scheduling.model import clock
from scheduling.model.jobs import Need
from scheduling.model.limits import PlacementRules
from scheduling.model.nodes import Node, NodeStatus
from scheduling.placement.candidate_view import AbleNodes, CandidateView
from scheduling.placement.pool_config import list_pools_of
from scheduling.placement.pool_matching import ALL_NODES, ANY_ABLE_NODE, PoolReason, Route
from scheduling.placement.ranking import (
    HELD_BACK,
    Choice,
    NodeVerdict,
    Reason,
    choose,
    could_serve,
    count_reasons,
    sample,
    why_not_now,
)
from scheduling.placement.session_memory import SessionMemory, SessionNotes
from scheduling.placement.snapshot import Fleet
from scheduling.placement.timeliness import judge_by
from scheduling.placement.too_late import is_too_late
from scheduling.placement.wait_queue import PlacementRequest

PREFERRED_NOT_CAPABLE = "preferred_node_not_capable"
NOT_DESIGNATED = "not_designated"
TOO_LATE = "too_late"
HIT = "hit"
# So many nodes that can never serve a job are named beside it: enough to see what is missing.
_UNABLE_SHOWN = 5


class Chooser:
    """The one way from a job to the nodes worth asking; the dry run goes through it too (P15)."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        rules: PlacementRules,
        memory: SessionMemory,
        rng: random.Random,
    ) -> None:
        self._fleet = fleet
        self._rules = rules
        self._memory = memory
        self._rng = rng

    def bind(self, need: Need, *, preferred_node_id: str) -> Need:
        """Return what a new job needs, with what holds for all its attempts: one node alone.

        That is the session's own, as it was paired; or the one that was named, where operators
        want that strictly, or the node is private: whoever names such a node means no other.
        """
        if need.only_node_id or not preferred_node_id:
            return need
        named = self._fleet.find_known(preferred_node_id)
        if named is not None and not named.description.accepts_public_jobs:
            return need.for_own_node(preferred_node_id)
        rules = self._fleet.snapshot.pools.matcher.config.rules
        if not rules.strict_preferred_node:
            return need
        return msgspec.structs.replace(need, only_node_id=preferred_node_id)

    def choose(self, request: PlacementRequest) -> Choice:
        """Return the nodes to ask, from the first pool that has any."""
        now_ms = clock.now_ms()
        session = self._memory.recall(request.assignment.session_id)
        route = self._route(request, session)
        if route.refused is not None:
            return Choice(nodes=(), passed_over={}, refused=route.refused)
        choice = self._look_into(request, route, self._avoid(request, session, now_ms), now_ms)
        if not choice.looked_at:
            choice = msgspec.structs.replace(
                choice,
                unable=self._list_unable(request.need),
                refused="" if self._may_ever(request.need, route) else PoolReason.NO_CAPABLE_NODE,
            )
        choice = self._put_first(request, route, session, choice, now_ms)
        if not (choice.nodes or choice.refused) and self._is_too_late(request, route, now_ms):
            return msgspec.structs.replace(choice, refused=TOO_LATE)
        return choice

    def _is_too_late(self, request: PlacementRequest, route: Route, now_ms: int) -> bool:
        """Say whether there are nodes that may have the job, and none would be done in time."""
        in_time = judge_by(request, now_ms=now_ms)
        if in_time is None:
            return False
        if request.answer_by_ms <= now_ms:
            return True
        find = self._fleet.snapshot.candidates.find
        able = (find(pool_id, request.need).views for pool_id in route.pool_ids)
        return is_too_late(able, exclude=request.not_for, in_time=in_time)

    def allows(self, request: PlacementRequest, node: Node) -> bool:
        """Say whether a node that has a free slot may have this job."""
        snapshot = self._fleet.snapshot
        if _is_for_another(request, node):
            return False
        if snapshot.index.judge(request.need, node.description) is not None:
            return False
        if node.node_id in request.not_for:
            return False
        route = self._route(request, self._memory.recall(request.assignment.session_id))
        candidates = snapshot.candidates
        if not any(candidates.holds(pool_id, node.node_id) for pool_id in route.pool_ids):
            return False
        why_not = self._why_not_now(request, node, clock.now_ms())
        return why_not is None or (why_not in HELD_BACK and self.forces(request, node))

    def forces(self, request: PlacementRequest, node: Node) -> bool:
        """Say whether a node gets the job in no good standing, for no other could serve it."""
        now_ms = clock.now_ms()
        if self._why_not_now(request, node, now_ms) not in HELD_BACK or self._is_full(node):
            return False
        able = self._fleet.snapshot.candidates.find(ALL_NODES, request.need)
        return not could_serve(able, exclude=request.not_for, now_ms=now_ms, rules=self._rules)

    def has_other(self, request: PlacementRequest) -> bool:
        """Say whether a node that has not had the job could have it, now or later.

        Pools do not count here: a node that has just come may not be known as a member yet.
        """
        able = self._fleet.snapshot.index.find(request.need)
        return any(node_id not in request.not_for for node_id in able)

    def why_not(self, request: PlacementRequest, node: Node) -> str:
        """Return the first reason why `node` would not get this job now, ``""`` for none."""
        snapshot = self._fleet.snapshot
        never = snapshot.index.judge(request.need, node.description)
        if never is not None:
            return never
        route = self._route(request, self._memory.recall(request.assignment.session_id))
        if route.refused is not None:
            return route.refused
        if not any(snapshot.candidates.holds(pool_id, node.node_id) for pool_id in route.pool_ids):
            return "not_in_pool"
        if _is_for_another(request, node):
            return NOT_DESIGNATED
        if node.node_id in request.not_for:
            return Reason.EXCLUDED
        return self._why_not_now(request, node, clock.now_ms()) or ""

    def find_pool(self, request: PlacementRequest, node: Node) -> str:
        """Return through which of its pools a job gets to a node, ``""`` for none of them."""
        route = self._route(request, self._memory.recall(request.assignment.session_id))
        return self._find_pool(route, node.node_id, default=ALL_NODES)

    def note_placed(
        self, request: PlacementRequest, *, node_id: str, pool_id: str
    ) -> SessionNotes | None:
        """Remember where a job went; return the notes where other instances need them too."""
        job, rules = request.assignment, self._fleet.snapshot.pools.matcher.config.rules
        now_ms = clock.now_ms()
        before = self._memory.recall(job.session_id)
        in_chain = bool(job.turn_id) and job.is_max_duration_triggered
        notes = SessionNotes(
            pool_id=pool_id or before.pool_for(src=request.need.src, tgt=request.need.tgt),
            src=request.need.src,
            tgt=request.need.tgt,
            last_node_id=node_id,
            last_at_ms=now_ms,
            turn_id=(job.turn_id or "") if in_chain else "",
            turn_node_id=node_id if in_chain else "",
            turn_until_ms=now_ms + rules.turn_affinity_ms if in_chain else 0,
        )
        self._memory.note(job.session_id, notes)
        return notes if rules.spread or in_chain or before.turn_id else None

    def must_recall(self, request: PlacementRequest) -> bool:
        """Say whether what other instances noted of the session matters for this job."""
        job, rules = request.assignment, self._fleet.snapshot.pools.matcher.config.rules
        if rules.spread:
            return True
        return job.is_max_duration_triggered and not self._memory.knows(job.session_id)

    def recall(self, request: PlacementRequest, notes: SessionNotes) -> None:
        """Take what another instance noted of the job's session."""
        self._memory.note(request.assignment.session_id, notes)

    def _route(self, request: PlacementRequest, session: SessionNotes) -> Route:
        """Return the pools to look into; where a new language's pool is still empty, all nodes."""
        job, snapshot = request.assignment, self._fleet.snapshot
        need = request.need.for_any_node()
        matcher, candidates = snapshot.pools.matcher, snapshot.candidates
        route = matcher.route(
            need,
            tenant_id=request.tenant_id,
            session_id=job.session_id,
            session_pool=session.pool_for(src=need.src, tgt=need.tgt),
            rng=self._rng,
        )
        if any(candidates.find(pool_id, need).views for pool_id in route.pool_ids):
            return route
        return ANY_ABLE_NODE if matcher.is_as_good_as_none(route) else route

    def _look_into(
        self, request: PlacementRequest, route: Route, avoid: Collection[str], now_ms: int
    ) -> Choice:
        """Look into one pool after the other; a spread session's last node is better than none."""
        tried = self._look(request, route, avoid, now_ms)
        not_for = frozenset(request.not_for)
        if avoid == not_for:
            return tried
        if tried.nodes:
            return msgspec.structs.replace(tried, spread=True)
        return self._look(request, route, not_for, now_ms)

    def _look(
        self, request: PlacementRequest, route: Route, avoid: Collection[str], now_ms: int
    ) -> Choice:
        """Put those first that support most of the features asked for; the others follow.

        A feature is no reason to rely on a node in no good standing.
        """
        everybody = self._look_among(request, route, avoid, now_ms)
        if everybody.forced:
            return everybody
        for supporting in range(len(request.need.features), 0, -1):
            tried = self._look_among(request, route, avoid, now_ms, supporting=supporting)
            if tried.nodes and not tried.forced:
                first = {node.node_id for node in tried.nodes}
                rest = [node for node in everybody.nodes if node.node_id not in first]
                return msgspec.structs.replace(tried, nodes=(*tried.nodes, *rest))
        return everybody

    def _look_among(
        self,
        request: PlacementRequest,
        route: Route,
        avoid: Collection[str],
        now_ms: int,
        *,
        supporting: int = 0,
    ) -> Choice:
        snapshot, need = self._fleet.snapshot, request.need
        looked_at: list[tuple[str, int, str]] = []
        known: list[str] = []
        tried = Choice(nodes=(), passed_over={})
        for position, pool_id in enumerate(route.pool_ids):
            if pool_id != ALL_NODES:
                known.append(snapshot.candidates.say_how_known(pool_id, now_ms=now_ms))
            able = snapshot.candidates.find(pool_id, need, supporting=supporting)
            tried = choose(
                able,
                free=self._fleet.loads.free,
                exclude=avoid,
                need=need,
                now_ms=now_ms,
                rules=self._list_rules(able),
                rng=self._rng,
                in_time=judge_by(request, now_ms=now_ms),
            )
            looked_at += tried.looked_at
            if tried.nodes:
                if position:
                    tried = msgspec.structs.replace(
                        tried, passed_over=count_reasons(looked_at), looked_at=tuple(looked_at)
                    )
                return msgspec.structs.replace(
                    tried,
                    pool_id=pool_id,
                    pools=route.pool_ids[: position + 1],
                    known=tuple(known),
                    fallback=position > 0 or not route.own,
                )
        return msgspec.structs.replace(
            tried,
            passed_over=count_reasons(looked_at),
            looked_at=tuple(looked_at),
            pools=route.pool_ids,
            known=tuple(known),
            fallback=not route.own,
        )

    def _list_rules(self, able: AbleNodes) -> PlacementRules:
        """Return the rules; by hash every member is looked at, as it was before sampling (G7)."""
        if not self._fleet.snapshot.pools.matcher.config.rules.session_affinity:
            return self._rules
        return dataclasses.replace(self._rules, sample_size=max(len(able.views), 1))

    def _put_first(
        self,
        request: PlacementRequest,
        route: Route,
        session: SessionNotes,
        choice: Choice,
        now_ms: int,
    ) -> Choice:
        """Put the designated node first, else the one that has the earlier parts of the turn."""
        if request.need.only_node_id:
            can_have = choice.nodes or self._may_come(request)
            refused = "" if can_have else PREFERRED_NOT_CAPABLE
            return msgspec.structs.replace(choice, refused=refused)
        job = request.assignment
        wanted = request.preferred_node_id
        if not wanted and job.is_max_duration_triggered:
            wanted = session.turn_node(job.turn_id, now_ms=now_ms)
        if not wanted:
            return choice
        is_turn = not request.preferred_node_id
        node = self._fleet.find(wanted)
        why_not = "unknown" if node is None else self.why_not(request, node)
        if node is not None and not why_not:
            rest = tuple(other for other in choice.nodes if other.node_id != wanted)
            pool_id = self._find_pool(route, wanted, default=choice.pool_id)
            return msgspec.structs.replace(
                choice, nodes=(node, *rest), pool_id=pool_id, affinity=HIT if is_turn else ""
            )
        return msgspec.structs.replace(choice, affinity=why_not) if is_turn else choice

    def _may_come(self, request: PlacementRequest) -> bool:
        """Say whether the speaker's own node is worth waiting for: it is busy, or was just here."""
        need = request.need
        if not need.is_bound or need.only_node_id in request.not_for:
            return False
        known = need.for_any_node()
        return any(
            need.only_node_id in index.find_possible(known)
            for index in (self._fleet.snapshot.index, self._fleet.absent.index)
        )

    def _find_pool(self, route: Route, node_id: str, *, default: str) -> str:
        holds = self._fleet.snapshot.candidates.holds
        return next((one for one in route.pool_ids if holds(one, node_id)), default)

    def _avoid(
        self, request: PlacementRequest, session: SessionNotes, now_ms: int
    ) -> frozenset[str]:
        """Return nodes to leave out: where the job failed, and where the session just was."""
        not_for = frozenset(request.not_for)
        rules = self._fleet.snapshot.pools.matcher.config.rules
        if not rules.spread:
            return not_for
        last = session.last_node(now_ms=now_ms, window_ms=rules.spread_window_ms)
        return not_for | {last} if last else not_for

    def _may_ever(self, need: Need, route: Route) -> bool:
        """Say whether any known node may come to serve a job here: absent, or not yet ready.

        Where nothing is known yet, or a node is still to say what it can, that may be.
        """
        nodes, absent = self._fleet.snapshot.nodes, self._fleet.absent
        if not self._fleet.is_complete or not (nodes or absent.nodes):
            return True
        here = self._fleet.snapshot.index.find_possible(need)
        away = absent.index.find_possible(need)
        if ALL_NODES in route.pool_ids:
            may = bool(here or away)
        else:
            able = [*(nodes[one] for one in here), *(absent.nodes[one] for one in away)]
            config = self._fleet.snapshot.pools.matcher.config
            may = any(
                not list_pools_of(node.node_id, node.description, config).isdisjoint(route.pool_ids)
                for node in able
            )
        return may or any(node.status is NodeStatus.REGISTERING for node in nodes.values())

    def _list_unable(self, need: Need) -> tuple[NodeVerdict, ...]:
        """Return some nodes that can never serve `need`, those that lack least first."""
        snapshot = self._fleet.snapshot
        sampled = sample(tuple(snapshot.nodes), size=self._rules.sample_size, rng=self._rng)
        unable = []
        for node_id in sampled:
            description = snapshot.nodes[node_id].description
            reason = snapshot.index.judge(need, description)
            if reason is not None:
                view = self._fleet.views.get(node_id)
                lacks = snapshot.index.list_lacks(need, description)
                unable.append(NodeVerdict(node_id, view.load if view else 0, reason, lacks))
        unable.sort(key=lambda one: len(one.lacks))
        return tuple(unable[:_UNABLE_SHOWN])

    def _is_full(self, node: Node) -> bool:
        return self._fleet.loads.find(node.node_id) >= node.max_jobs

    def _why_not_now(self, request: PlacementRequest, node: Node, now_ms: int) -> Reason | None:
        candidate = self._fleet.views.get(node.node_id) or CandidateView(node)
        reason = why_not_now(candidate, now_ms=now_ms, rules=self._rules)
        in_time = judge_by(request, now_ms=now_ms) if reason is None else None
        return Reason.TOO_SLOW if in_time and not in_time(candidate) else reason


def _is_for_another(request: PlacementRequest, node: Node) -> bool:
    return request.need.only_node_id not in ("", node.node_id)
