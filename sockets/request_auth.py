"""Who sends a request, and what it may cost: asked each time, before its body is read."""

from typing import Any, Protocol

from scheduling.access.access import Access
from scheduling.model.credentials import Principal, Scope
from scheduling.model.errors import AccessDenied, TooManyRequests
from scheduling.model.shares import Shares
from sockets.client_address import ClientAddresses, name_sender
from sockets.flawed_bytes import price
from sockets.socket_auth import find_bearer


class RequestAuth(Protocol):
    """What an endpoint asks before it reads a request."""

    async def identify(self, scope: Any) -> Principal | None:
        """Return who asks, None where nobody has to say.

        :raises Refusal: it may not ask
        """

    def name_sender(self, scope: Any, principal: Principal | None) -> str:
        """Return whose share a request uses up: its principal's, or its address's."""

    def pay_for_flawed(self, scope: Any, principal: Principal | None, *, size: int) -> None:
        """Count a body that has to be read field by field, by its bytes, as a frame of a socket.

        :raises TooManyRequests: whoever asks sent too much of that; it is not to be read
        """


class OpenRequestAuth:
    """Authentication is off: everybody on this machine may ask, so often from one address.

    `flawed` is what a sender may have read field by field, in frames.
    """

    def __init__(self, *, clients: ClientAddresses, shares: Shares, flawed: Shares) -> None:
        self._clients = clients
        self._shares = shares
        self._flawed = flawed

    async def identify(self, scope: Any) -> Principal | None:
        """Count a request for its address; nobody has to say who asks.

        :raises TooManyRequests: its address asks too often
        """
        if wait_ms := self._shares.take(name_sender(self._clients.find(scope))):
            raise TooManyRequests(details={"retry_after_ms": wait_ms})
        return None

    def name_sender(self, scope: Any, principal: Principal | None) -> str:
        """Return who is counted: a principal, or an address where none is known."""
        known = principal.principal_id if principal is not None else ""
        return known or name_sender(self._clients.find(scope))

    def pay_for_flawed(self, scope: Any, principal: Principal | None, *, size: int) -> None:
        """Take what such a body costs from the share of who asks, or of its address.

        :raises TooManyRequests: there is not so much left
        """
        sender = self.name_sender(scope, principal)
        if wait_ms := self._flawed.take(sender, cost=sum(price(size))):
            raise TooManyRequests(
                "Too many bytes came that cannot be read as they are. Try again later.",
                details={"retry_after_ms": wait_ms},
            )


class GuardedRequestAuth:
    """Lets in who shows a bearer token for `scope`, as often as its principal may ask.

    Who shows none is counted with `strangers`.
    """

    def __init__(
        self, *, access: Access, scope: Scope, clients: ClientAddresses, strangers: OpenRequestAuth
    ) -> None:
        self._access = access
        self._scope = scope
        self._clients = clients
        self._strangers = strangers

    async def identify(self, scope: Any) -> Principal | None:
        """Return who asks.

        :raises AccessDenied: no valid token, or one for something else
        :raises TooManyRequests: its principal asks too often, or its address was wrong too often
        :raises DependencyDown: Redis did not answer
        """
        bearer = find_bearer(scope)
        if not bearer:
            await self._strangers.identify(scope)
            raise AccessDenied
        sender = name_sender(self._clients.find(scope))
        principal = await self._access.show_token(bearer, scope=self._scope, sender=sender)
        wait_ms = await self._access.take_work(principal_id=principal.principal_id)
        if wait_ms:
            raise TooManyRequests(details={"retry_after_ms": wait_ms})
        return principal

    def name_sender(self, scope: Any, principal: Principal | None) -> str:
        return self._strangers.name_sender(scope, principal)

    def pay_for_flawed(self, scope: Any, principal: Principal | None, *, size: int) -> None:
        self._strangers.pay_for_flawed(scope, principal, size=size)
