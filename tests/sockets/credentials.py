"""Published credentials, and the scopes of connections that show them."""

import dataclasses
from typing import Any

from scheduling.access.access import Access
from scheduling.model import clock
from scheduling.model.credentials import (
    Credential,
    DrawnToken,
    Kind,
    Principal,
    Scope,
    digest_secret,
    draw_token,
)
from scheduling.store.credentials import CredentialStore
from sockets.tickets import sign_ticket


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guard:
    """Access, and the store whose credentials it goes by."""

    access: Access
    credentials: CredentialStore

    async def publish(
        self,
        token: DrawnToken | None = None,
        *,
        scope: Scope = Scope.SESSION,
        revoked: bool = False,
        ended: bool = False,
    ) -> DrawnToken:
        """Publish a credential of principal ``p-1``; return its token."""
        token = token or draw_token(Kind.API)
        credential = Credential(
            principal=name_principal(token, scope=scope, ended=ended),
            digest=digest_secret(token.secret),
            version=1,
            revoked=revoked,
        )
        assert await self.credentials.publish(credential)
        return token


def name_principal(
    token: DrawnToken, *, scope: Scope = Scope.SESSION, ended: bool = False
) -> Principal:
    return Principal(
        principal_id="p-1",
        credential=token.prefix,
        scopes=(scope,),
        expires_at_ms=clock.now_ms() - 1 if ended else 0,
    )


def draw_ticket(token: DrawnToken, *, life_ms: int = 60_000) -> str:
    """Return the text of a ticket for the principal of a token."""
    text, _ = sign_ticket(name_principal(token), life_ms=life_ms)
    return text


def connect(
    *,
    bearer: str = "",
    query: str = "",
    offered: tuple[str, ...] = (),
    origin: str = "",
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> dict[str, Any]:
    """Return the scope of a connection as a server hands it over."""
    sent = [*headers]
    if bearer:
        sent.append((b"authorization", f"Bearer {bearer}".encode()))
    if origin:
        sent.append((b"origin", origin.encode()))
    return {
        "headers": sent,
        "query_string": query.encode(),
        "subprotocols": list(offered),
    }
