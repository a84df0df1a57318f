"""Who asks the API: the bearer of an API token, or somebody who is logged in."""

import hashlib
import hmac
from typing import ClassVar, cast

from rest_framework.authentication import (
    BaseAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from operators.db.tenant_readers import find_tenant
from operators.db.token_models import ApiToken
from scheduling.model import clock
from scheduling.model.credentials import Principal, Scope, digest_secret, parse_token

_TRUSTED_MS = 1_000
_TRUSTED_MOST = 1_024
_INCLUDED_IN = {
    Scope.READ: {Scope.READ, Scope.OPERATE, Scope.ADMIN},
    Scope.OPERATE: {Scope.OPERATE, Scope.ADMIN},
}


class TokenUser:
    """The bearer of an API token, as views and the audit log see it; it has no account."""

    pk = None
    is_active = True
    is_staff = False
    is_authenticated = True
    is_anonymous = False

    def __init__(self, principal: Principal) -> None:
        self.principal = principal

    def get_username(self) -> str:
        """Return the token's prefix: what the audit log names."""
        return self.principal.credential

    def has_perm(self, right: str, obj: object = None) -> bool:
        """Say no: what a token may do, its scopes say."""
        return False


class TokenAuthentication(BaseAuthentication):
    """Reads ``Authorization: Bearer``; no header leaves the question to the next class.

    A token that was just checked is trusted for a second, so that a page which asks often does not
    ask the database each time; a revocation is effective when that second is over.
    """

    _trusted: ClassVar[dict[bytes, tuple[float, Principal]]] = {}

    def authenticate(self, request: Request) -> tuple[TokenUser, Principal] | None:
        """Return who asks.

        :raises AuthenticationFailed: the token is unknown, wrong, revoked or expired
        """
        kind, _, text = get_authorization_header(request).partition(b" ")
        if kind.lower() != b"bearer":
            return None
        principal = self._find_trusted(text) or self._check(text)
        return TokenUser(principal), principal

    @classmethod
    def has_trusted(cls, request: Request) -> bool:
        """Say whether a request's token may see, and was good when it was last checked."""
        _, _, text = get_authorization_header(request).partition(b" ")
        _, principal = cls._trusted.get(_fingerprint(text), (0.0, None))
        return principal is not None and allows(principal, Scope.READ)

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="lingua"'

    def _find_trusted(self, text: bytes) -> Principal | None:
        checked_at_ms, principal = self._trusted.get(_fingerprint(text), (-float("inf"), None))
        return principal if clock.steady_ms() - checked_at_ms < _TRUSTED_MS else None

    def _check(self, text: bytes) -> Principal:
        token = parse_token(text.decode("latin1").strip())
        row = ApiToken.objects.filter(prefix=token.prefix).first() if token else None
        proved = (
            token is not None
            and row is not None
            and hmac.compare_digest(row.digest, digest_secret(token.secret))
        )
        if row is None or not proved or row.state != "valid":
            raise AuthenticationFailed("Show a valid API token.")
        if len(self._trusted) >= _TRUSTED_MOST:
            self._trusted.clear()
        principal = row.to_principal()
        self._trusted[_fingerprint(text)] = (clock.steady_ms(), principal)
        return principal


class LoginAuthentication(SessionAuthentication):
    """Somebody logged in through the admin; changes need the CSRF token."""


def find_principal(request: Request) -> Principal | None:
    """Return who showed an API token, None for anybody else."""
    return cast("Principal | None", getattr(request.user, "principal", None))


def find_bound_tenant(request: Request) -> str:
    """Return the only tenant whose things a request may read, empty where it may read all."""
    principal = find_principal(request)
    return principal.tenant_id if principal else find_tenant(request.user)


def allows(principal: Principal, scope: Scope) -> bool:
    """Say whether a token may do what `scope` stands for; admin includes operate and read."""
    return not _INCLUDED_IN.get(scope, {scope}).isdisjoint(principal.scopes)


def _fingerprint(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
