"""Who sends a request: asked each time, before its body is read."""

from typing import Any, Protocol

from scheduling.access.access import Access
from scheduling.model.credentials import Principal, Scope
from scheduling.model.errors import AccessDenied, TooManyRequests
from scheduling.model.shares import Shares
from sockets.client_address import ClientAddresses, name_sender
from sockets.socket_auth import find_bearer


class RequestAuth(Protocol):
    """What an endpoint asks before it reads a request."""

    async def identify(self, scope: Any) -> Principal | None:
        """Return who asks, None where nobody has to say.

        :raises Refusal: it may not ask
        """


class OpenRequestAuth:
    """Authentication is off: everybody on this machine may ask, so often from one address."""

    def __init__(self, *, clients: ClientAddresses, shares: Shares) -> None:
        self._clients = clients
        self._shares = shares

    async def identify(self, scope: Any) -> Principal | None:
        """Count a request for its address; nobody has to say who asks.

        :raises TooManyRequests: its address asks too often
        """
        if wait_ms := self._shares.take(name_sender(self._clients.find(scope))):
            raise TooManyRequests(details={"retry_after_ms": wait_ms})
        return None


class GuardedRequestAuth:
    """Lets in who shows a bearer token for `scope`, as often as its principal may ask."""

    def __init__(self, *, access: Access, scope: Scope, clients: ClientAddresses) -> None:
        self._access = access
        self._scope = scope
        self._clients = clients

    async def identify(self, scope: Any) -> Principal | None:
        """Return who asks.

        :raises AccessDenied: no valid token, or one for something else
        :raises TooManyRequests: its principal asks too often, or its address was wrong too often
        :raises DependencyDown: Redis did not answer
        """
        bearer = find_bearer(scope)
        if not bearer:
            raise AccessDenied
        sender = name_sender(self._clients.find(scope))
        principal = await self._access.show_token(bearer, scope=self._scope, sender=sender)
        wait_ms = await self._access.take_work(principal_id=principal.principal_id)
        if wait_ms:
            raise TooManyRequests(details={"retry_after_ms": wait_ms})
        return principal
