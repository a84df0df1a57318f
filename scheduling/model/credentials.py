"""Credentials: how a token looks, what proves it, and whom it makes its bearer."""

import enum
import hashlib
import hmac
import re
import secrets

import msgspec

_TOKEN = re.compile(r"(?P<prefix>l[na]t_[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
# Begins the credential of a person who is logged in, who has no token.
PERSON = "user-"
_PREFIX_BYTES = 6
_SECRET_BYTES = 32


class Kind(enum.StrEnum):
    """What a token is for; its first letters say so to people and to secret scanners."""

    NODE = "lnt"
    API = "lat"


class Scope(enum.StrEnum):
    """What a credential allows; each is asked for by name where it is needed."""

    NODE = "node"
    SESSION = "session"
    # Of tickets alone: to hear one room, and nothing else.
    LISTEN = "listen"
    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on the other end, as its credential says; messages are never asked (I-49).

    `principal_id` outlives a rotation, `credential` (the token's prefix) does not. An empty
    `tenant_id` or `node_id` binds to none. `expires_at_ms` is 0 where it never ends. One with a
    `room_code` may listen in that room and do nothing else; `room_id` tells it from a later room
    of the same code.
    """

    principal_id: str
    credential: str
    scopes: tuple[Scope, ...]
    tenant_id: str = ""
    node_id: str = ""
    expires_at_ms: int = 0
    room_code: str = ""
    room_id: str = ""

    def may(self, scope: Scope) -> bool:
        """Say whether this is allowed; who may speak may listen."""
        listens = scope is Scope.LISTEN and Scope.SESSION in self.scopes
        return listens or scope in self.scopes


def name_listener(host: Principal, *, room_code: str, room_id: str) -> Principal:
    """Return whoever listens in a room by a link that `host` gave away."""
    return Principal(
        principal_id=f"listeners-{room_id or room_code}",
        credential=host.credential,
        scopes=(Scope.LISTEN,),
        tenant_id=host.tenant_id,
        expires_at_ms=host.expires_at_ms,
        room_code=room_code,
        room_id=room_id,
    )


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose a session is: a principal's, and of the tenant that its credential is bound to."""

    principal_id: str = ""
    tenant_id: str = ""


NOBODY = Owner()


def find_owner(principal: Principal | None) -> Owner:
    """Return whose is what a principal opens; nobody's in particular where none is known."""
    if principal is None:
        return NOBODY
    return Owner(principal_id=principal.principal_id, tenant_id=principal.tenant_id)


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a token in Redis: never its secret, only the secret's SHA-256."""

    principal: Principal
    digest: str
    version: int
    revoked: bool = False

    def is_over(self, now_ms: int) -> bool:
        """Say whether it admits nobody any more: revoked, or past its end."""
        return self.revoked or is_past(self.principal.expires_at_ms, now_ms)

    def is_proved_by(self, secret: str) -> bool:
        """Compare in constant time: how long a refusal takes tells nothing of the digest."""
        return hmac.compare_digest(self.digest, digest_secret(secret))


class DrawnToken(msgspec.Struct, frozen=True):
    """A new token; `text` is shown once and kept nowhere."""

    prefix: str
    secret: str

    @property
    def text(self) -> str:
        return f"{self.prefix}_{self.secret}"


def draw_token(kind: Kind) -> DrawnToken:
    """Draw a token with a secret of 256 bits."""
    return DrawnToken(
        prefix=f"{kind}_{secrets.token_hex(_PREFIX_BYTES)}",
        secret=secrets.token_urlsafe(_SECRET_BYTES),
    )


def parse_token(text: str) -> DrawnToken | None:
    """Return a shown token's parts, None where it cannot be one of ours."""
    match = _TOKEN.fullmatch(text)
    return DrawnToken(prefix=match["prefix"], secret=match["secret"]) if match else None


def digest_secret(secret: str) -> str:
    """Return what is kept of a secret; it is random, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_past(expires_at_ms: int, now_ms: int) -> bool:
    """Say whether an end has come; 0 never comes."""
    return 0 < expires_at_ms <= now_ms
