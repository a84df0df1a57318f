"""Who may open a socket: asked once, before it opens."""

import collections
import logging
from collections.abc import Iterator
from typing import Any, Protocol
from urllib.parse import parse_qs

import msgspec

from scheduling.access.access import Access
from scheduling.access.admissions import Admission
from scheduling.model import ids
from scheduling.model.credentials import Principal, Scope
from scheduling.model.errors import AccessDenied, DependencyDown, Refusal, TooManyRequests
from sockets.client_address import ClientAddresses, name_sender
from sockets.tickets import read_ticket

logger = logging.getLogger(__name__)

# The extension of a server that asks whose share a socket uses up: ``{"name": function}``.
NAME_SENDER = "lingua.name_sender"
# The subprotocol that is named to a browser which sent its credential as the second of a pair.
SUBPROTOCOL = "lingua.v1"
_BEARER_SUBPROTOCOL = "lingua.bearer."
_CLOSE_CODES: tuple[tuple[type[Refusal], int], ...] = (
    (DependencyDown, 1013),
    (TooManyRequests, 4429),
)
_UNAUTHORIZED, _FORBIDDEN = 4401, 4403


class Peer(msgspec.Struct, frozen=True):
    """Who came in: nobody in particular where authentication is off.

    `sender` is whose share it uses up: its principal's, or its address's where none is known.
    `connection_id` is the connection's own: no other has had it.
    """

    admission: Admission | None = None
    subprotocol: str | None = None
    sender: str = ""
    connection_id: str = msgspec.field(default_factory=ids.new_call_id)

    @property
    def principal(self) -> Principal | None:
        return self.admission.principal if self.admission else None


class SocketAuth(Protocol):
    """What a consumer asks before it accepts, and tells when the socket is gone."""

    async def admit(self, scope: Any) -> Peer:
        """Let a connection in.

        :raises Refusal: it may not come in
        """

    def leave(self, peer: Peer) -> None:
        """A socket that was let in is gone."""


class OpenSocketAuth:
    """Authentication is off: everybody on this machine may come in, so many from one address."""

    def __init__(
        self, *, clients: ClientAddresses | None = None, most_connections: int = 1_000
    ) -> None:
        self._clients = clients or ClientAddresses()
        self._most_connections = most_connections
        self._open: collections.Counter[str] = collections.Counter()

    async def admit(self, scope: Any) -> Peer:
        """Let a connection in.

        :raises TooManyRequests: its address has too many sockets in this process
        """
        sender = name_sender(self._clients.find(scope))
        if self._open[sender] >= self._most_connections:
            raise TooManyRequests(details={"retry_after_ms": 1_000})
        self._open[sender] += 1
        return Peer(sender=sender)

    def leave(self, peer: Peer) -> None:
        self._open[peer.sender] -= 1
        if not self._open[peer.sender]:
            del self._open[peer.sender]


class GuardedSocketAuth:
    """Lets in who shows a credential for `scope`; pages of foreign sites never get this far."""

    def __init__(
        self,
        *,
        access: Access,
        scope: Scope,
        clients: ClientAddresses,
        takes_tickets: bool = False,
    ) -> None:
        self._access = access
        self._scope = scope
        self._clients = clients
        self._takes_tickets = takes_tickets

    async def admit(self, scope: Any) -> Peer:
        """Let a connection in.

        :raises AccessDenied: no valid credential
        :raises TooManyRequests: too many sockets of the principal, or wrong tokens of the address
        :raises DependencyDown: Redis did not answer
        """
        principal, subprotocol = await self._identify(scope)
        admission = await self._access.open(principal)
        return Peer(admission=admission, subprotocol=subprotocol, sender=principal.principal_id)

    def leave(self, peer: Peer) -> None:
        if peer.admission is not None:
            self._access.leave(peer.admission)

    async def _identify(self, scope: Any) -> tuple[Principal, str | None]:
        bearer = find_bearer(scope)
        sender = name_sender(self._clients.find(scope))
        if bearer:
            principal = await self._access.show_token(bearer, scope=self._scope, sender=sender)
            return principal, None
        if not self._takes_tickets:
            raise AccessDenied
        for shown, subprotocol in _list_shown(scope):
            self._access.wrong.check(sender, shown)
            ticket = read_ticket(shown)
            if ticket is None:
                await self._access.wrong.note_wrong(sender, shown)
                raise AccessDenied("A browser shows a ticket, never a token.")
            principal = await self._access.show_ticket(
                ticket_id=ticket.ticket_id,
                principal=ticket.principal,
                expires_at_ms=ticket.expires_at_ms,
                scope=self._scope,
            )
            return principal, subprotocol
        raise AccessDenied


async def reject(scope: Any, send: Any, *, refusal: Refusal) -> None:
    """Refuse a handshake: with 403, or, where a browser would hide that, with a close code.

    An outage is told as such to everybody: a program must not take it for a wrong credential.
    """
    logger.info("a connection was rejected: %s", refusal.code)
    is_outage = isinstance(refusal, DependencyDown)
    if not is_outage and not find_header(scope, b"origin"):
        await send({"type": "websocket.close"})
        return
    forbidden = isinstance(refusal, AccessDenied) and refusal.code == "FORBIDDEN"
    code = _FORBIDDEN if forbidden else _UNAUTHORIZED
    code = next((code for kind, code in _CLOSE_CODES if isinstance(refusal, kind)), code)
    # A browser that offered the pair fails the handshake unless one of it is named.
    subprotocol = SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
    await send({"type": "websocket.accept", "subprotocol": subprotocol})
    await send({"type": "websocket.close", "code": code, "reason": refusal.code})


def find_header(scope: Any, name: bytes) -> str:
    """Return a header's text, empty where it is absent or sent twice."""
    found = [value for key, value in scope.get("headers", ()) if key == name]
    return found[0].decode("latin1") if len(found) == 1 else ""


def find_bearer(scope: Any) -> str:
    kind, _, token = find_header(scope, b"authorization").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _list_shown(scope: Any) -> Iterator[tuple[str, str | None]]:
    """Yield what a browser can show: the second of a pair of subprotocols, or a query ticket.

    Tickets alone: addresses and subprotocols end up in logs, and a page would have to know a token.
    """
    offered = scope.get("subprotocols", ())
    if SUBPROTOCOL in offered:
        for name in offered:
            if name.startswith(_BEARER_SUBPROTOCOL):
                yield name.removeprefix(_BEARER_SUBPROTOCOL), SUBPROTOCOL
    query = scope.get("query_string", b"").decode("latin1")
    for ticket in parse_qs(query, max_num_fields=20).get("ticket", ())[:1]:
        if read_ticket(ticket) is not None:
            yield ticket, None
