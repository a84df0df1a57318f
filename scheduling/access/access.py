"""Who comes in, and who has to leave: credentials checked on connect, then watched."""

import secrets
from asyncio import gather

import msgspec

from scheduling.access.admissions import Admission, Admissions
from scheduling.access.wrong_credentials import WrongCredentialLimits, WrongCredentials
from scheduling.model import clock, errors
from scheduling.model.credentials import PERSON, Credential, Principal, Scope, is_past, parse_token
from scheduling.store.allowances import AllowanceStore
from scheduling.store.credentials import CredentialStore
from scheduling.store.redis.connection import unattended

REVOKED, TOO_MANY = 4401, 4429
# The claim of a credential that names the id outlives its absence by so much.
_NAMED_CLAIM_MS = 24 * 3_600_000
# A third of the lease of a connection.
_RENEW_AT_LATEST_MS = 20_000


class AccessLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one principal may do; the settings of the same names explain each."""

    most_connections: int
    connects_per_s: float
    connect_burst: int
    requests_per_s: float
    request_burst: int
    work_per_s: float
    work_burst: int
    wrong: WrongCredentialLimits = WrongCredentialLimits()
    most_node_ids: int = 1_000
    most_listeners: int = 2_000
    claim_ms: int = 600_000
    lease_ms: int = 60_000


class Access:
    """Turns a shown token into a principal, and a principal into an open socket."""

    def __init__(
        self, *, credentials: CredentialStore, allowances: AllowanceStore, limits: AccessLimits
    ) -> None:
        self._credentials = credentials
        self._allowances = allowances
        self._limits = limits
        self._used_at_ms: dict[str, int] = {}
        self.admissions = Admissions()
        self.wrong = WrongCredentials(allowances=allowances, limits=limits.wrong)

    async def show_token(self, text: str, *, scope: Scope, sender: str = "") -> Principal:
        """Return who shows the token; wrong ones are counted for `sender`, the address.

        :raises AccessDenied: no token of ours, wrong, over, or not for `scope`
        :raises TooManyRequests: the address showed too many wrong ones; nothing was looked up
        :raises DependencyDown: Redis did not answer
        """
        self.wrong.check(sender, text)
        token = parse_token(text)
        known = await self._credentials.find(token.prefix) if token else None
        if token is None or known is None or not known.is_proved_by(token.secret):
            await self.wrong.note_wrong(sender, text)
            raise errors.AccessDenied
        principal = self._admit(known, scope=scope)
        self.wrong.note_good(text)
        return principal

    async def show_ticket(
        self, *, ticket_id: str, principal: Principal, expires_at_ms: int, scope: Scope
    ) -> Principal:
        """Use a ticket up and return whom it speaks for; its signature was checked before.

        One to listen in a room is for a whole audience, and is not used up.

        :raises AccessDenied: expired or used before, or the credential behind it is over
        :raises DependencyDown: Redis did not answer
        """
        left_ms = expires_at_ms - clock.now_ms()
        if left_ms <= 0:
            raise errors.AccessDenied
        if not principal.may(scope):
            raise _forbid(scope)
        if principal.room_code:
            known = await self._credentials.find(principal.credential)
        else:
            # A ticket is burnt for longer than any instance's clock may think it valid.
            is_fresh, known = await gather(
                self._credentials.burn_ticket(ticket_id, for_ms=left_ms + 60_000),
                self._credentials.find(principal.credential),
            )
            if not is_fresh:
                raise errors.AccessDenied
        if principal.credential.startswith(PERSON):
            # Nothing is published of a person until the account is shut.
            shut = known is not None and known.revoked
            known = Credential(principal=principal, digest="", version=0, revoked=shut)
        if known is None:
            raise errors.AccessDenied
        admitted = self._admit(known, scope=scope)
        return principal if principal.room_code else admitted

    async def open(self, principal: Principal) -> Admission:
        """Count one more socket of a principal.

        :raises TooManyRequests: it has too many, or opens them too fast
        :raises DependencyDown: Redis did not answer
        """
        limits = self._limits
        admission = Admission(principal=principal, connection_id=secrets.token_hex(8))
        # The audience of a room has one ticket, and comes all at once.
        is_audience = bool(principal.room_code)
        taken = await self._allowances.take(
            principal_id=principal.principal_id,
            bucket="connect",
            per_s=limits.connects_per_s,
            burst=limits.most_listeners if is_audience else limits.connect_burst,
        )
        if not taken.done or not await self._hold(admission):
            raise errors.TooManyRequests(details={"retry_after_ms": taken.retry_after_ms or 1000})
        self.admissions.add(admission)
        return admission

    def leave(self, admission: Admission) -> None:
        """A socket is gone."""
        self.admissions.remove(admission)
        unattended(
            self._allowances.drop_connection(
                principal_id=admission.principal.principal_id,
                connection_id=admission.connection_id,
            ),
            what="a closed connection",
        )

    async def claim_node_id(self, admission: Admission, node_id: str) -> None:
        """Let a socket speak for a node id: its credential's own, or one nobody else has.

        A claim ends when nobody has used it for as long as a node that went is remembered; that
        of a socket which takes another id ends at once.

        :raises RegistrationRefused: the id is another principal's
        :raises TooManyRequests: the principal holds as many ids as it may
        """
        named = admission.principal.node_id
        if not named and not await self._hold_claim(admission, node_id):
            raise errors.TooManyRequests(
                "Your credential holds as many node ids as it may; use one of them, or another "
                "credential.",
                details={"most": self._limits.most_node_ids},
            )
        if (named and named != node_id) or not await self._claim(admission, node_id):
            if not named and node_id != admission.node_id:
                await self._drop_claim(admission, node_id)
            raise errors.RegistrationRefused(
                code="NODE_ID_FORBIDDEN",
                message="This node id belongs to another credential; clear it or use its token.",
            )
        before, admission.node_id = admission.node_id, node_id
        if before and before != node_id:
            await self._drop_claim(admission, before)
            await self._allowances.drop_node_id(
                node_id=before, principal_id=admission.principal.principal_id
            )

    async def list_node_ids(self, admission: Admission) -> list[str]:
        """Return the node ids that a socket's principal holds, its own among them.

        :raises DependencyDown: Redis did not answer
        """
        principal = admission.principal
        return await self._allowances.list_claims(principal_id=principal.principal_id)

    async def take_request(self, *, principal_id: str) -> int:
        """Count one request to the API; return 0, or how many ms to wait.

        :raises DependencyDown: Redis did not answer
        """
        limits = self._limits
        return await self._take(
            principal_id, "request", per_s=limits.requests_per_s, burst=limits.request_burst
        )

    async def take_work(self, *, principal_id: str) -> int:
        """Count one request of a speaker or a node without a socket; return 0, or ms to wait.

        :raises DependencyDown: Redis did not answer
        """
        limits = self._limits
        return await self._take(
            principal_id, "work", per_s=limits.work_per_s, burst=limits.work_burst
        )

    async def renew(self) -> list[Admission]:
        """Renew what open sockets hold; return those whose place others took: it was not renewed.

        That is for once: a process that stood still for longer than a lease comes back.
        """
        admissions = list(self.admissions)
        held = await gather(*(self._hold(admission) for admission in admissions))
        claims = [one for one in admissions if one.node_id]
        await gather(*(self._claim(one, one.node_id) for one in claims))
        await gather(*(self._hold_claim(one, one.node_id) for one in claims))
        return [one for one, is_held in zip(admissions, held, strict=True) if not is_held]

    def take_used(self) -> dict[str, int]:
        """Return when each credential was last used, in ms, since the last call."""
        used, self._used_at_ms = self._used_at_ms, {}
        return used

    def _admit(self, known: Credential, *, scope: Scope) -> Principal:
        now_ms = clock.now_ms()
        if known.is_over(now_ms):
            raise errors.AccessDenied
        if not known.principal.may(scope):
            raise _forbid(scope)
        self._used_at_ms[known.principal.credential] = now_ms
        return known.principal

    async def _take(self, principal_id: str, bucket: str, *, per_s: float, burst: int) -> int:
        taken = await self._allowances.take(
            principal_id=principal_id, bucket=bucket, per_s=per_s, burst=burst
        )
        return 0 if taken.done else max(taken.retry_after_ms, 1)

    async def _hold(self, admission: Admission) -> bool:
        limits = self._limits
        is_audience = bool(admission.principal.room_code)
        return await self._allowances.hold_connection(
            principal_id=admission.principal.principal_id,
            connection_id=admission.connection_id,
            most=limits.most_listeners if is_audience else limits.most_connections,
            lease_ms=self._limits.lease_ms,
        )

    async def _claim(self, admission: Admission, node_id: str) -> bool:
        is_named = admission.principal.node_id == node_id
        return await self._allowances.claim_node_id(
            node_id=node_id,
            principal_id=admission.principal.principal_id,
            life_ms=_NAMED_CLAIM_MS if is_named else self._limits.claim_ms,
            is_named=is_named,
        )

    async def _hold_claim(self, admission: Admission, node_id: str) -> bool:
        return await self._allowances.hold_claim(
            principal_id=admission.principal.principal_id,
            node_id=node_id,
            most=self._limits.most_node_ids,
            lease_ms=self._limits.claim_ms,
        )

    async def _drop_claim(self, admission: Admission, node_id: str) -> None:
        await self._allowances.drop_claim(
            principal_id=admission.principal.principal_id, node_id=node_id
        )


def _forbid(scope: Scope) -> errors.AccessDenied:
    return errors.AccessDenied(f"This credential does not allow {scope.value}.", forbidden=True)


class CredentialWatch:
    """The loop that closes sockets whose credential is revoked or over (within 2 s)."""

    name = "credentials"

    def __init__(
        self, *, access: Access, credentials: CredentialStore, interval_s: float, renew_every: int
    ) -> None:
        self._access = access
        self._credentials = credentials
        self._renew_every = renew_every
        self._renewed_at_ms = clock.steady_ms()
        self._passes = 0
        self._seen_ms = 0
        self.interval_s = interval_s

    async def run_once(self) -> int:
        """Close what must be closed; return how many sockets that were.

        Most passes ask Redis one question. Now and then every open credential is looked at, for
        a change that was told to a Redis which lost it.
        """
        self._passes += 1
        ended = self._end_expired()
        changes = await self._credentials.list_changes(since_ms=self._seen_ms)
        admissions = self._access.admissions
        changed = {prefix for prefix, _ in changes}
        now_ms = clock.steady_ms()
        # By the clock, too: while the process is flooded its passes are slow, but leases are not.
        if (
            self._passes % self._renew_every == 0
            or now_ms - self._renewed_at_ms >= _RENEW_AT_LATEST_MS
        ):
            self._renewed_at_ms = now_ms
            for admission in await self._access.renew():
                ended += self._end(admission, "too many connections", code=TOO_MANY)
            changed.update(admissions.credentials)
        ended += await self._end_revoked([one for one in admissions.credentials if one in changed])
        if changes:
            self._seen_ms = changes[-1][1]
        return ended

    async def _end_revoked(self, prefixes: list[str]) -> int:
        """Close the sockets of revoked credentials; one that Redis lost is published again soon."""
        known = await gather(*(self._credentials.find(prefix) for prefix in prefixes))
        return sum(
            self._end(admission, "the credential was revoked")
            for credential in known
            if credential is not None and credential.is_over(clock.now_ms())
            for admission in self._access.admissions.list_of(credential.principal.credential)
        )

    def _end_expired(self) -> int:
        now_ms = clock.now_ms()
        return sum(
            self._end(admission, "the credential has expired")
            for admission in self._access.admissions
            if is_past(admission.principal.expires_at_ms, now_ms)
        )

    def _end(self, admission: Admission, reason: str, *, code: int = REVOKED) -> int:
        admission.end(code, reason)
        self._access.leave(admission)
        return 1
