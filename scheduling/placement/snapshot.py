"""The fleet as this process knows it: values swapped whole, read without locks (A10)."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from scheduling.model.jobs import Need
from scheduling.model.nodes import Node, NodeDescription, NodeStatus
from scheduling.placement.candidate_view import CandidateView
from scheduling.placement.candidates import (
    NO_POOLS,
    Candidates,
    Members,
    PoolTable,
    compute_members,
)
from scheduling.placement.demand import DemandMemory
from scheduling.placement.listeners import FleetListeners
from scheduling.placement.loads import Loads
from scheduling.placement.ranking import Reason, list_lacks, why_never
from scheduling.placement.unserved import UnservedMemory

_MOST_REMEMBERED = 65_536
_EVERY_EPOCH = 2**62


class NodeIndex:
    """Which nodes could serve a need at all; nodes that declared the same are judged once.

    Made anew whenever a node joins, leaves or declares something else, and never changed after
    that but for what it remembers of answers given.
    """

    def __init__(
        self,
        groups: Mapping[NodeDescription, tuple[str, ...]],
        *,
        require_gpu: bool,
        verdicts: dict[tuple[Need, NodeDescription], Reason | None] | None = None,
    ) -> None:
        self._groups = groups
        self._require_gpu = require_gpu
        self._verdicts = {} if verdicts is None else verdicts
        self._answers: dict[Need, tuple[str, ...]] = {}
        self._possible: dict[Need, tuple[str, ...]] = {}

    def find(self, need: Need) -> Sequence[str]:
        """Return the ids of all nodes that could serve `need` if they had a slot."""
        if need.only_node_id:
            anywhere = self.find(need.for_any_node())
            return [need.only_node_id] if need.only_node_id in anywhere else []
        answer = self._answers.get(need)
        if answer is None:
            answer = tuple(
                node_id
                for description, members in self._groups.items()
                if self.judge(need, description) is None
                for node_id in members
            )
            _bound(self._answers)
            self._answers[need] = answer
        return answer

    def find_possible(self, need: Need) -> Sequence[str]:
        """Return the ids of all nodes that could serve `need` if all they have installed ran."""
        answer = self._possible.get(need)
        if answer is None:
            answer = tuple(
                node_id
                for description, members in self._groups.items()
                if why_never(_run_all(description), need, require_gpu=self._require_gpu) is None
                for node_id in members
            )
            _bound(self._possible)
            self._possible[need] = answer
        return answer

    def judge(self, need: Need, description: NodeDescription) -> Reason | None:
        """Return why nodes with `description` can never serve `need`, or None if they can."""
        need = need.for_any_node()
        key = (need, description)
        if key not in self._verdicts:
            _bound(self._verdicts)
            self._verdicts[key] = why_never(description, need, require_gpu=self._require_gpu)
        return self._verdicts[key]

    def list_lacks(self, need: Need, description: NodeDescription) -> tuple[str, ...]:
        """Return everything that nodes with `description` lack to serve `need`."""
        return list_lacks(description, need.for_any_node(), require_gpu=self._require_gpu)

    def replace(
        self, node_id: str, *, before: NodeDescription | None, after: NodeDescription | None
    ) -> "NodeIndex":
        """Return the index with one node joined, gone, or declaring something else."""
        groups = dict(self._groups)
        if before is not None:
            rest = tuple(member for member in groups[before] if member != node_id)
            if rest:
                groups[before] = rest
            else:
                del groups[before]
        if after is not None:
            groups[after] = (*groups.get(after, ()), node_id)
        verdicts = self._verdicts if groups.keys() <= self._groups.keys() else None
        return NodeIndex(groups, require_gpu=self._require_gpu, verdicts=verdicts)


def _run_all(description: NodeDescription) -> NodeDescription:
    installed = frozenset(service.type for service in description.services)
    return msgspec.structs.replace(description, ready_types=description.ready_types | installed)


def _bound(remembered: dict[Any, Any]) -> None:
    """Speakers choose language codes: what is remembered of them must not grow for ever."""
    if len(remembered) >= _MOST_REMEMBERED:
        remembered.clear()


class Snapshot(msgspec.Struct, frozen=True):
    """All nodes and pools: who there is and what each declared, at one moment.

    The newer state of a node that declares the same is taken in place: a heartbeat must not copy
    thousands of nodes. So `nodes` may be walked from any thread, and never grows or shrinks.
    """

    nodes: dict[str, Node]
    index: NodeIndex
    pools: PoolTable
    candidates: Candidates

    def has_open(self, need: Need) -> bool:
        """Say whether a node that could serve `need` gets jobs now, while it has a slot."""
        return any(self.nodes[node_id].is_open for node_id in self.index.find(need))


class AbsentNodes:
    """Nodes that are known and not connected, as they were last, until they are forgotten."""

    def __init__(self, *, require_gpu: bool) -> None:
        self.nodes: dict[str, Node] = {}
        self.index = NodeIndex({}, require_gpu=require_gpu)

    def put(self, node: Node) -> None:
        """Remember a node that left."""
        self.drop(node.node_id)
        self.nodes[node.node_id] = msgspec.structs.replace(node, status=NodeStatus.OFFLINE)
        self.index = self.index.replace(node.node_id, before=None, after=node.description)

    def drop(self, node_id: str) -> None:
        """Forget a node, or find it back."""
        known = self.nodes.pop(node_id, None)
        if known is not None:
            self.index = self.index.replace(node_id, before=known.description, after=None)


class Fleet:
    """The current snapshot, and beside it a view of each node, with its last known load.

    `absent` are nodes that are gone and may be back; `is_complete` says that all that Redis has was
    read once.

    What this process finds out itself goes to the listeners `put` and `gone` too, which tell other
    instances; what it was told comes in through `learn` and `unlearn`.
    """

    def __init__(self, *, require_gpu: bool) -> None:
        self.listeners = FleetListeners()
        self.absent = AbsentNodes(require_gpu=require_gpu)
        self.is_complete = False
        self.unserved = UnservedMemory()
        self.demand = DemandMemory(has_open=self._has_open)
        self.views: dict[str, CandidateView] = {}
        self.loads = Loads(views=self.views, listeners=self.listeners)
        self.snapshot = self._build({}, NodeIndex({}, require_gpu=require_gpu), NO_POOLS)

    def put(self, node: Node) -> None:
        """Add a node, or take its newer state; what an older connection said is ignored."""
        self.learn(node)
        for tell in self.listeners.put:
            tell(node)

    def remove(self, node_id: str, *, conn_epoch: int) -> None:
        """Forget a node unless it is back on a newer connection."""
        self.unlearn(node_id, conn_epoch=conn_epoch)
        for tell in self.listeners.gone:
            tell(node_id, conn_epoch)

    def learn(self, node: Node) -> None:
        """Take a node as another instance, or Redis, has it."""
        known = self.snapshot.nodes.get(node.node_id)
        if known is not None and known.conn_epoch > node.conn_epoch:
            return
        before = known.description if known else None
        is_another = before is not node.description and before != node.description
        candidate = self.views.get(node.node_id)
        if candidate is None:
            candidate = self.views[node.node_id] = CandidateView(node)
        else:
            candidate.take(node)
        if known is None:
            self.absent.drop(node.node_id)
        if known is None or is_another:
            index = self.snapshot.index
            index = index.replace(node.node_id, before=before, after=node.description)
            self.swap({**self.snapshot.nodes, node.node_id: node}, index)
        else:
            self.snapshot.nodes[node.node_id] = node
        self.loads.learn(node.node_id, candidate.load)
        if is_another or (known and known.conn_epoch != node.conn_epoch):
            for tell in self.listeners.described:
                tell(node)

    def obey(self, node: Node) -> None:
        """Take what an operator asked of a node of ours at another instance."""
        known = self.snapshot.nodes.get(node.node_id)
        if known is not None and known.conn_epoch == node.conn_epoch:
            self.learn(
                msgspec.structs.replace(
                    known, draining=node.draining, held=node.held, standing=node.standing
                )
            )

    def unlearn(self, node_id: str, *, conn_epoch: int) -> None:
        """Take a node that another instance, or Redis, says is gone for an absent one."""
        known = self.snapshot.nodes.get(node_id)
        if known is None or known.conn_epoch > conn_epoch:
            return
        nodes = {key: node for key, node in self.snapshot.nodes.items() if key != node_id}
        index = self.snapshot.index.replace(node_id, before=known.description, after=None)
        self.swap(nodes, index)
        self.absent.put(known)
        del self.views[node_id]
        self.loads.forget(node_id)

    def forget(self, node_id: str) -> None:
        """Forget a node for good: Redis knows it no more."""
        self.unlearn(node_id, conn_epoch=_EVERY_EPOCH)
        self.absent.drop(node_id)

    def put_pools(self, table: PoolTable) -> None:
        """Take newer pools; jobs placed from now on see them whole."""
        self.snapshot = self._build(self.snapshot.nodes, self.snapshot.index, table)

    def renew_members(self, members: Mapping[str, Members]) -> None:
        """Believe the same members for longer; what was answered from them stays right."""
        before = self.snapshot
        pools = msgspec.structs.replace(before.pools, members=members)
        before.candidates.renew(pools)
        self.snapshot = msgspec.structs.replace(before, pools=pools)

    def swap(self, nodes: dict[str, Node], index: NodeIndex) -> None:
        """Take other nodes, whose views there are."""
        self.snapshot = self._build(nodes, index, self.snapshot.pools)

    def _build(self, nodes: dict[str, Node], index: NodeIndex, pools: PoolTable) -> Snapshot:
        candidates = Candidates(
            find=index.find,
            views=self.views,
            pools_of=functools.partial(compute_members, nodes),
            table=pools,
        )
        return Snapshot(nodes=nodes, index=index, pools=pools, candidates=candidates)

    def _has_open(self, need: Need) -> bool:
        return self.snapshot.has_open(need)

    def find(self, node_id: str) -> Node | None:
        return self.snapshot.nodes.get(node_id)

    def find_known(self, node_id: str) -> Node | None:
        """Return a node, also one that is absent."""
        return self.find(node_id) or self.absent.nodes.get(node_id)

    def list_known(self) -> list[Node]:
        """Return all nodes, absent ones too."""
        return [*self.snapshot.nodes.values(), *self.absent.nodes.values()]
