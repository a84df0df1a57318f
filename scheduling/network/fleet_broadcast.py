"""Tell other instances what changed at nodes, gathered over a few milliseconds (N12, I12)."""

import asyncio

from scheduling.model import errors
from scheduling.model.instance_messages import FleetNews
from scheduling.model.nodes import Node
from scheduling.network.peers import Peers
from scheduling.network.remote_delivery import RemoteDelivery
from scheduling.placement.snapshot import Fleet
from scheduling.store.node_index import MOST_SEEN, NodeIndexStore
from scheduling.store.redis.connection import unattended


class FleetBroadcast:
    """A loop that notes and sends what the fleet reports.

    The next heartbeat notes what was not noted; the fleet's watch repairs a lost broadcast. A node
    goes with its load, lest that arrives where the node is not known yet.
    """

    name = "fleet broadcast"

    def __init__(
        self,
        *,
        fleet: Fleet,
        peers: Peers,
        remote_delivery: RemoteDelivery,
        index: NodeIndexStore,
        interval_s: float = 0.02,
    ) -> None:
        self.interval_s = interval_s
        self._fleet = fleet
        self._peers = peers
        self._remote_delivery = remote_delivery
        self._index = index
        self._seen: dict[str, None] = {}
        self._nodes: dict[str, Node] = {}
        self._gone: dict[str, int] = {}
        self._wake = asyncio.Event()
        fleet.listeners.put.append(self._note_node)
        fleet.listeners.gone.append(self._note_gone)

    async def run_once(self) -> int:
        """Wait for news, then tell them; return how many there were."""
        await self._wake.wait()
        self._wake.clear()
        self._note_seen()
        nodes, self._nodes = self._nodes, {}
        gone, self._gone = self._gone, {}
        if self._peers.is_alone:
            return 0
        news = FleetNews(
            sender=self._peers.record.instance_id,
            nodes=tuple(nodes.values()),
            gone=tuple(gone.items()),
            loads={node_id: self._fleet.loads.find(node_id) for node_id in nodes},
        )
        try:
            await self._remote_delivery.broadcast(news)
        except errors.DependencyDown:
            return 0
        return len(nodes) + len(gone)

    def _note_seen(self) -> None:
        """Note who was heard of, before others are told: they must not find them unknown."""
        seen, self._seen = list(self._seen), {}
        for start in range(0, len(seen), MOST_SEEN):
            noted = self._index.note_seen(seen[start : start + MOST_SEEN])
            unattended(noted, what="nodes' signs of life")

    def _note_node(self, node: Node) -> None:
        self._seen[node.node_id] = None
        self._gone.pop(node.node_id, None)
        self._nodes[node.node_id] = node
        self._wake.set()

    def _note_gone(self, node_id: str, conn_epoch: int) -> None:
        known = self._nodes.get(node_id)
        if known is None or known.conn_epoch <= conn_epoch:
            self._nodes.pop(node_id, None)
            self._gone[node_id] = conn_epoch
            self._wake.set()
