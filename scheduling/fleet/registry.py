"""The registry: the only writer of what is known of nodes (the management domain of A10)."""

import logging
from collections.abc import Collection, Sequence

import msgspec

from scheduling.jobs.node_departure import NodeDeparture, Parting
from scheduling.jobs.probe_jobs import list_needs
from scheduling.model import clock, errors, ids
from scheduling.model.limits import NodeLimits
from scheduling.model.nodes import Hold, Node, NodeDescription, NodeStatus, Usage
from scheduling.model.standing import GOOD_STANDING, NodeState, Standing, StandingRules
from scheduling.placement.snapshot import Fleet
from scheduling.store import timers
from scheduling.store.nodes import Moved, Restored, Unheard, Unmoved
from scheduling.store.stores import Stores

logger = logging.getLogger(__name__)

Attempt = tuple[str, int]

_BADNESS = {NodeState.GOOD: 0, NodeState.PROBATION: 1, NodeState.QUARANTINE: 2}

MOST_BEYOND_SLOTS = 64
"""So many attempts more than it has slots may a node say that it runs: it may be late with some."""


class Registration(msgspec.Struct, frozen=True):
    """A node as it stands after registering; `kept` are the attempts it goes on with.

    `was_taken` says that a living connection lost its id to this one.
    """

    node: Node
    resume_token: str
    kept: tuple[Attempt, ...]
    was_taken: bool


class Heard(msgspec.Struct, frozen=True):
    """A node after a heartbeat; `shown` is what an unchanged one is told with, ``""`` for none."""

    node: Node
    shown: str


class Registry:
    """Registers nodes, takes their heartbeats, and lets them go."""

    def __init__(
        self,
        *,
        instance_id: str,
        stores: Stores,
        fleet: Fleet,
        departure: NodeDeparture,
        limits: NodeLimits,
        standing_rules: StandingRules,
    ) -> None:
        self._instance_id = instance_id
        self._stores = stores
        self._fleet = fleet
        self._departure = departure
        self._limits = limits
        self._rules = standing_rules

    async def register(
        self,
        *,
        node_id: str | None,
        max_jobs: int | None,
        description: NodeDescription,
        shown_token: str,
        running: Collection[Attempt],
        own_epoch: int | None = None,
        siblings: Collection[str] = (),
    ) -> Registration:
        """Give a node its id on a new connection (N1, N4, C3).

        `own_epoch` is what this very socket had under this id. Leases the node holds stay: what it
        says it is `running` it keeps; what a node that resumes no longer knows of moves on at once,
        what any other had on an older socket is tried elsewhere too. An id is drawn where it has
        none. `siblings` are other ids of its credential, whose standing a new id takes on.

        :raises RegistrationRefused: the id lives on another connection under another token, or
            the node offers no slots, or more than it may, or runs far more than it offers
        """
        limits = self._limits
        node_id = node_id or ids.new_node_id()
        offered = limits.default_max_jobs if max_jobs is None else max_jobs
        if not 1 <= offered <= limits.most_max_jobs:
            raise errors.RegistrationRefused(
                code="INVALID_MESSAGE",
                message=f"max_concurrent_jobs: a node offers 1 to {limits.most_max_jobs}.",
            )
        if len(running) > offered + MOST_BEYOND_SLOTS:
            most = offered + MOST_BEYOND_SLOTS
            raise errors.RegistrationRefused(
                code="INVALID_MESSAGE",
                message=f"running_attempts: a node of {offered} slots names at most {most}.",
            )
        is_new = self._is_new(node_id, siblings)
        token = ids.new_token() if description.resumes else ""
        registered = await self._stores.nodes.register(
            node_id=node_id,
            instance_id=self._instance_id,
            max_jobs=offered,
            description=description,
            shown_token=shown_token,
            kept_token=token,
            cordoned=self._is_cordoned(node_id),
            own_epoch=own_epoch,
            standing=self._find_standing(node_id, siblings),
        )
        if registered is None:
            raise errors.RegistrationRefused(
                code="NODE_ID_CONFLICT",
                message="This node id is connected elsewhere; clear it and register again.",
            )
        node = Node(
            node_id=node_id,
            instance_id=self._instance_id,
            conn_epoch=registered.conn_epoch,
            status=NodeStatus.REGISTERING,
            max_jobs=offered,
            description=description,
            usage=Usage(),
            heartbeat_at_ms=clock.now_ms(),
            draining=registered.held is not Hold.NONE,
            held=registered.held,
            takeovers=registered.takeovers,
            standing=await self._find_untried(node_id, description) or registered.standing
            if is_new
            else registered.standing,
            registered_at_ms=registered.now_ms,
            speeds=known.speeds if (known := self._fleet.find_known(node_id)) else (),
        )
        self._fleet.put(node)
        self._fleet.loads.record(node_id, len(registered.attempts))
        await self._watch(node)
        kept = tuple(attempt for attempt in registered.attempts if attempt in running)
        forgotten = set(registered.attempts) - set(kept)
        if description.resumes:
            await self._departure.move_attempts(node_id, forgotten, is_told=True)
        elif own_epoch is None:
            # Its older socket had them, and may have been alive until now: nobody moved them.
            await self._departure.leave_behind(node_id, forgotten)
        return Registration(
            node=node, resume_token=token, kept=kept, was_taken=registered.was_taken
        )

    def _find_standing(self, node_id: str, siblings: Collection[str]) -> Standing:
        """Return the standing of a node that Redis may know nothing of (ND1).

        It has what this process last knew of it. A new id has the worst that its credential left
        behind, so that nobody loses a standing by another id, nor the faults that have not led to
        one yet; beside one that is connected, which may be another machine, it begins on probation.
        """
        known = self._fleet.find_known(node_id)
        if known is not None:
            return known.standing
        now_ms, worst, bad = clock.now_ms(), GOOD_STANDING, 0.0
        for sibling in siblings:
            other = self._fleet.find_known(sibling)
            if other is None:
                continue
            if self._fleet.find(sibling) is None:
                bad = max(bad, self._rules.fade(other.standing, now_ms=now_ms))
            if other.standing.state_at(now_ms) is NodeState.GOOD:
                continue
            standing = other.standing
            if self._fleet.find(sibling) is not None:
                standing = self._rules.begin_probation(standing.reason, now_ms=now_ms)
            worst = max(worst, standing, key=lambda one: (_BADNESS[one.state], one.ends))
        if worst is not GOOD_STANDING:
            told = {"node_id": node_id, "state": worst.state, "reason": worst.reason}
            logger.warning("a new node id has the standing of its credential", extra=told)
        return msgspec.structs.replace(worst, bad=bad, at=now_ms) if bad else worst

    def _is_new(self, node_id: str, siblings: Collection[str]) -> bool:
        """Say whether a node is not known yet to this process as one that was probed, or might be.

        A new id of a credential is its node, back again, where that is gone and had none beside it.
        """
        known = self._fleet.find_known(node_id)
        if known is not None:
            return not self._is_probed(known.description)
        others = [one for sibling in siblings if (one := self._fleet.find_known(sibling))]
        return not any(self._is_probed(one.description) for one in others) or any(
            self._fleet.find(one.node_id) for one in others
        )

    async def _find_untried(self, node_id: str, description: NodeDescription) -> Standing | None:
        """Let a node have few jobs until a probe proves it, where there is one for it (ND10)."""
        if not self._is_probed(description):
            return None
        judgement = await self._stores.slots.hold_untried(node_id=node_id)
        return judgement.standing if judgement else None

    def _is_probed(self, description: NodeDescription) -> bool:
        """Say whether there is a probe that nodes of this kind can be asked."""
        snapshot = self._fleet.snapshot
        return any(
            snapshot.index.judge(need, description) is None
            for language in snapshot.pools.matcher.config.probed
            for need in list_needs(description, language)
        )

    async def move(self, *, node_id: str, shown_token: str) -> Moved:
        """Bring a node's connection here: it asks over HTTP, and asked this instance (N18).

        Its status, its leases and its token stay; where it was before, nobody answers it any more.

        :raises NodeUnknown: it must register first
        :raises ConnectionFenced: the token is not that of its connection
        """
        moved = await self._stores.nodes.move(
            node_id=node_id, instance_id=self._instance_id, shown_token=shown_token
        )
        if moved is Unmoved.UNKNOWN:
            raise errors.NodeUnknown
        if isinstance(moved, Unmoved):
            raise errors.ConnectionFenced
        self._fleet.put(moved.node)
        self._fleet.loads.record(node_id, moved.load)
        await self._watch(moved.node)
        return moved

    async def get_node(self, node_id: str) -> Node:
        """Return a node, wherever its connection is.

        :raises NodeUnknown: there is none
        """
        known = self._fleet.find(node_id)
        if known is not None:
            return known
        found = await self._stores.nodes.find(node_id=node_id)
        if found is None or found[0].status is NodeStatus.OFFLINE:
            raise errors.NodeUnknown
        return found[0]

    async def record_heartbeat(
        self,
        *,
        node: Node,
        usage: Usage,
        description: NodeDescription,
        healthy: bool,
        draining: bool | None,
        running: Sequence[Attempt] | None,
    ) -> Heard:
        """Take a heartbeat on the connection `node` was registered on; return it as it is now.

        :raises ConnectionFenced: a newer connection has this node's id
        :raises NodeForgotten: Redis lost the node; `restore` writes it back
        """
        recorded = await self._stores.nodes.record_heartbeat(
            node_id=node.node_id,
            conn_epoch=node.conn_epoch,
            healthy=healthy,
            usage=usage,
            description=None if description.is_shown_as(node.description) else description,
            draining=draining,
            running=running,
            flaws=node.flaws if node.flaws.last_at_ms else None,
        )
        if recorded is Unheard.UNKNOWN:
            raise errors.NodeForgotten
        if isinstance(recorded, Unheard):
            raise errors.ConnectionFenced
        standing = recorded.standing
        if description != node.description and not self._is_probed(node.description):
            standing = await self._find_untried(node.node_id, description) or standing
        now = msgspec.structs.replace(
            node,
            status=recorded.status,
            description=description,
            usage=usage,
            heartbeat_at_ms=clock.now_ms(),
            draining=recorded.draining,
            held=recorded.held,
            standing=standing,
            speeds=known.speeds if (known := self._fleet.find_known(node.node_id)) else (),
        )
        if recorded.before is NodeStatus.OFFLINE:
            # Its silence was noticed and its timer spent; the next silence must be noticed too.
            await self._watch(now)
        # Not before: its first job must not come before the word that it is ready.
        self._fleet.put(now)
        self._fleet.loads.record(node.node_id, recorded.load)
        return Heard(node=now, shown=recorded.shown)

    def show_flaws(self, node: Node) -> None:
        """Let lists of nodes, everywhere, show what a connection's frames had wrong so far."""
        known = self._fleet.find(node.node_id)
        if known is not None and known.conn_epoch == node.conn_epoch:
            self._fleet.put(msgspec.structs.replace(known, flaws=node.flaws))

    async def restore(
        self, *, node: Node, resume_token: str, attempts: Collection[Attempt]
    ) -> None:
        """Write back a node that Redis lost, with the leases of all it has not answered (G5).

        An attempt whose job is known and went elsewhere gets no lease; one whose job is lost does:
        the node works on it, and holds no more than it offers. What operators asked of the node
        stands: as this process last knew it, and as they keep it.

        :raises ConnectionFenced: a newer connection has this node's id
        """
        node = self._hold(node)
        attempts = await self._list_entitled(node.node_id, attempts)
        restored = await self._stores.nodes.restore(
            node=node, resume_token=resume_token, attempts=attempts
        )
        if restored is Restored.FENCED:
            raise errors.ConnectionFenced
        self._fleet.put(node)
        if restored is Restored.RESTORED:
            self._fleet.loads.record(node.node_id, len(attempts))
            await self._watch(node)

    async def _list_entitled(
        self, node_id: str, attempts: Collection[Attempt]
    ) -> tuple[Attempt, ...]:
        futures = [
            self._stores.jobs.find(session_id=ids.find_session_id(job_id) or "", job_id=job_id)
            for job_id, _ in attempts
        ]
        records = [await future for future in futures]
        return tuple(
            (job_id, attempt)
            for (job_id, attempt), record in zip(attempts, records, strict=True)
            if record is None or record.holds(attempt=attempt, node_id=node_id)
        )

    async def let_go(self, node: Node, parting: Parting) -> None:
        """A node's connection is gone: no more jobs for it, and those it held move on (N14, C13).

        One that may come back has a grace for what it held.
        """
        await self._departure.let_go(node, parting)

    def _hold(self, node: Node) -> Node:
        """Return a node as its connection has it, with what operators asked of it since."""
        known = self._fleet.find(node.node_id)
        if known is not None and known.conn_epoch == node.conn_epoch:
            node = msgspec.structs.replace(
                node,
                draining=known.draining,
                held=known.held,
                standing=known.standing,
                speeds=known.speeds,
            )
        if self._is_cordoned(node.node_id):
            node = msgspec.structs.replace(node, draining=True, held=Hold.CORDON)
        return node

    def _is_cordoned(self, node_id: str) -> bool:
        return node_id in self._fleet.snapshot.pools.matcher.cordons

    async def _watch(self, node: Node) -> None:
        """Have somebody look when this connection falls silent; the watchdog goes on from there."""
        await self._stores.timers.arm(
            timers.name_node(timers.SILENT, node.node_id, node.conn_epoch),
            delay_ms=self._limits.heartbeat_timeout_ms,
        )
