"""Which node id a socket may speak for, by the credential it showed (I-49)."""

from scheduling.access.access import Access
from scheduling.model import ids
from sockets.socket_auth import Peer


class NodeCredentials:
    """Binds node ids to principals; where authentication is off, nothing is bound."""

    def __init__(self, *, access: Access) -> None:
        self._access = access

    async def bind_node_id(self, peer: Peer, *, wanted: str | None) -> str | None:
        """Return the id a node registers under; None lets one be drawn.

        A credential that names a node id gives it to a node that names none.

        :raises RegistrationRefused: the id belongs to another credential
        """
        if peer.admission is None:
            return wanted
        node_id = wanted or peer.admission.principal.node_id or ids.new_node_id()
        await self._access.claim_node_id(peer.admission, node_id)
        return node_id
