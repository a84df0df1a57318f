"""What operators do to nodes: drain, cordon, resume, disconnect, orders (management, A10)."""

import msgspec

from scheduling.model.delivery import Delivery
from scheduling.model.events import NodeControlled
from scheduling.model.nodes import Hold
from scheduling.placement.snapshot import Fleet
from scheduling.store.nodes import NodeStore

_DISCONNECT = "disconnect"
_DISCONNECTED = "disconnected by an operator"
_ASKED = "asked by an operator"


class NodeControl:
    """Changes whether a node gets new jobs; what it has it finishes."""

    def __init__(self, *, nodes: NodeStore, fleet: Fleet, delivery: Delivery) -> None:
        self._nodes = nodes
        self._fleet = fleet
        self._delivery = delivery

    async def drain(self, node_id: str, *, lasting: bool = False) -> bool:
        """Give a node nothing new until it is resumed; False when it is unknown.

        A new connection of the node ends it unless it is `lasting`: a cordon.
        """
        return await self._hold(node_id, draining=True, lasting=lasting)

    async def resume(self, node_id: str) -> bool:
        """Give a node work again; False when it is unknown."""
        return await self._hold(node_id, draining=False, lasting=False)

    async def disconnect(self, node_id: str) -> bool:
        """Close a node's socket; False when this instance does not hold it. It may come back."""
        event = NodeControlled(command=_DISCONNECT, reason=_DISCONNECTED)
        return await self._delivery.to_node(node_id, event)

    async def order(self, node_id: str, *, command: str) -> bool:
        """Ask a node's program to end once it has finished, or to read its configuration anew.

        False when no instance holds it. The node decides: it may know nothing of such orders.
        """
        event = NodeControlled(command=command, reason=_ASKED)
        return await self._delivery.to_node(node_id, event)

    async def _hold(self, node_id: str, *, draining: bool, lasting: bool) -> bool:
        if not await self._nodes.drain(node_id=node_id, draining=draining, lasting=lasting):
            return False
        node = self._fleet.find(node_id)
        if node is not None:
            # Placement here knows at once; the slot refuses whoever does not know yet.
            held = (Hold.CORDON if lasting else Hold.DRAIN) if draining else Hold.NONE
            self._fleet.put(msgspec.structs.replace(node, draining=draining, held=held))
        return True
