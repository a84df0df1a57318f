"""Which node id a socket may speak for, by the credential it showed (I-49)."""

import collections

from scheduling.access.access import Access, AccessLimits
from scheduling.model import clock, errors, ids
from sockets.socket_auth import Peer

_MOST_SENDERS = 20_000


class NodeCredentials:
    """Binds node ids to principals; where authentication is off, an address has so many of them."""

    def __init__(self, *, access: Access, limits: AccessLimits) -> None:
        self._access = access
        self._limits = limits
        self._used: dict[str, collections.OrderedDict[str, float]] = {}

    async def bind_node_id(self, peer: Peer, *, wanted: str | None) -> str | None:
        """Return the id a node registers under.

        A credential that names a node id gives it to a node that names none.

        :raises RegistrationRefused: the id belongs to another credential
        :raises TooManyRequests: the credential, or the address, has as many ids as it may
        """
        if peer.admission is None:
            node_id = wanted or ids.new_node_id()
            self._note_use(peer.sender, node_id)
            return node_id
        node_id = wanted or peer.admission.principal.node_id or ids.new_node_id()
        await self._access.claim_node_id(peer.admission, node_id)
        return node_id

    async def list_node_ids(self, peer: Peer) -> list[str]:
        """Return the ids that a node's credential holds; none where there is no credential.

        :raises DependencyDown: Redis did not answer
        """
        if peer.admission is None:
            return []
        return await self._access.list_node_ids(peer.admission)

    def _note_use(self, sender: str, node_id: str) -> None:
        """Count an id for its address, for as long as a node that went is remembered."""
        now_ms = clock.steady_ms()
        used = self._used.pop(sender, collections.OrderedDict())
        self._used[sender] = used
        if len(self._used) > _MOST_SENDERS:
            del self._used[next(iter(self._used))]
        while used and next(iter(used.values())) < now_ms - self._limits.claim_ms:
            used.popitem(last=False)
        if node_id not in used and len(used) >= self._limits.most_node_ids:
            raise errors.TooManyRequests(
                "Your address has as many node ids as it may; use one of them.",
                details={"most": self._limits.most_node_ids},
            )
        used[node_id] = now_ms
        used.move_to_end(node_id)
