"""Wrong tokens, counted by address before anything is looked up; wrong passwords, waited for."""

import hashlib
import secrets
import unicodedata
from asyncio import gather
from typing import TypeVar

import msgspec

from scheduling.model import clock
from scheduling.model.errors import DependencyDown, TooManyRequests
from scheduling.model.shares import Shares
from scheduling.store.allowances import AllowanceStore

Name = TypeVar("Name")
Value = TypeVar("Value")

_MOST_REMEMBERED = 10_000
_FIRST_WAIT_MS = 1_000
# By name alone, whatever the addresses: more tries, and a wait that locks nobody out for long.
_FREE_BY_NAME, _LONGEST_BY_NAME_MS = 20, 60_000


class WrongCredentialLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many wrong credentials an address may show; how long wrong passwords make one wait."""

    per_s: float = 1.0
    burst: int = 20
    free_logins: int = 3
    longest_login_wait_ms: int = 900_000


class WrongCredentials:
    """Refuses addresses that showed too many wrong credentials, on all instances together.

    A credential that proved good here is let in from anywhere: one broken program does not lock out
    its neighbours behind the same address. Whoever shows a right one costs no command of Redis.
    """

    def __init__(
        self, *, allowances: AllowanceStore, limits: WrongCredentialLimits, bucket: str = "wrong"
    ) -> None:
        self._allowances = allowances
        self._bucket = bucket
        self._limits = limits
        self._here = Shares(per_s=limits.per_s, burst=limits.burst)
        self._refused_until_ms: dict[str, float] = {}
        self._good: dict[bytes, None] = {}

    def check(self, sender: str, shown: str) -> None:
        """See that an address may show a credential, before that is looked up.

        :raises TooManyRequests: it showed too many wrong ones
        """
        left_ms = self._refused_until_ms.get(sender, 0.0) - clock.steady_ms()
        if left_ms > 0 and _fingerprint(shown) not in self._good:
            raise TooManyRequests(
                "Too many wrong credentials came from this address. Try again later.",
                details={"retry_after_ms": max(round(left_ms), 1)},
            )

    def note_good(self, shown: str) -> None:
        """A credential was right."""
        _remember(self._good, _fingerprint(shown), None)

    async def note_wrong(self, sender: str, shown: str = "") -> None:
        """A credential was wrong; also where Redis does not answer."""
        self._good.pop(_fingerprint(shown), None)
        wait_ms = self._here.take(sender)
        if not wait_ms:
            try:
                taken = await self._allowances.take(
                    principal_id=sender,
                    bucket=self._bucket,
                    per_s=self._limits.per_s,
                    burst=self._limits.burst,
                )
            except DependencyDown:
                return
            wait_ms = taken.retry_after_ms
        if wait_ms:
            _remember(self._refused_until_ms, sender, clock.steady_ms() + wait_ms)

    async def begin_login(self, sender: str, name: str) -> int:
        """Count a login before its password is looked at; return 0, or how many ms to wait.

        It counts as failed until `end_login` says otherwise, so that many at once gain nothing.

        :raises DependencyDown: Redis did not answer
        """
        if wait_ms := self._here.take(f"login-{sender}"):
            return wait_ms
        limits, attempt = self._limits, secrets.token_hex(8)
        pair, alone = _name_logins(sender, name)
        wait_ms = await self._allowances.take_attempt(
            principal_id=pair,
            attempt=attempt,
            free=limits.free_logins,
            first_ms=_FIRST_WAIT_MS,
            longest_ms=limits.longest_login_wait_ms,
        )
        return wait_ms or await self._allowances.take_attempt(
            principal_id=alone,
            attempt=attempt,
            free=_FREE_BY_NAME,
            first_ms=_FIRST_WAIT_MS,
            longest_ms=min(_LONGEST_BY_NAME_MS, limits.longest_login_wait_ms),
        )

    async def end_login(self, sender: str, name: str) -> None:
        """The password was right: what was counted against its owner is forgotten.

        :raises DependencyDown: Redis did not answer
        """
        names = _name_logins(sender, name)
        await gather(*(self._allowances.drop_attempts(principal_id=one) for one in names))


def _name_logins(sender: str, name: str) -> tuple[str, str]:
    """Return whom a login is counted for: the name from there, and the name from anywhere."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return f"login-{_digest(f'{sender} {plain}')}", f"login-{_digest(plain)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _fingerprint(shown: str) -> bytes:
    return hashlib.sha256(shown.encode("utf-8", "replace")).digest()


def _remember(kept: dict[Name, Value], name: Name, value: Value) -> None:
    """Keep a value, and of all only those that were kept last."""
    kept.pop(name, None)
    kept[name] = value
    if len(kept) > _MOST_REMEMBERED:
        del kept[next(iter(kept))]
