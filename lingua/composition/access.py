"""Composition of what lets principals in: credentials, their limits and the doors of sockets."""

import dataclasses
from collections.abc import Sequence

from lingua import settings
from lingua.composition.limits import read_access_limits
from lingua.composition.services import Ground
from lingua.serving.supervisor import Loop
from operators.db.publisher import CredentialPublisher
from operators.db.publishing import build_publication
from scheduling.access.access import Access, CredentialWatch
from scheduling.model.credentials import Scope
from scheduling.store.allowances import AllowanceStore
from scheduling.store.credentials import CredentialStore
from sockets.request_auth import GuardedRequests, OpenRequests, RequestDoor
from sockets.socket_auth import Door, GuardedDoor, OpenDoor

# A third of the lease of a connection.
_RENEW_EVERY_MS = 20_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccessParts:
    """Who may come in, the doors that ask, and the loops that keep both up to date."""

    access: Access
    node_door: Door
    session_door: Door
    node_requests: RequestDoor
    session_requests: RequestDoor
    loops: Sequence[Loop]


def build_access(ground: Ground) -> AccessParts:
    """Build the doors as the settings want them: guarded, or open on loopback."""
    credentials = CredentialStore(
        ground.connection, keys=ground.keys, life_ms=settings.LINGUA_CREDENTIAL_TTL_S * 1000
    )
    access = Access(
        credentials=credentials,
        allowances=AllowanceStore(ground.connection, keys=ground.keys),
        limits=read_access_limits(),
    )
    return AccessParts(
        access=access,
        node_door=_build_node_door(access),
        session_door=_build_session_door(access),
        node_requests=GuardedRequests(access=access, scope=Scope.NODE)
        if settings.LINGUA_NODE_AUTH
        else OpenRequests(),
        session_requests=GuardedRequests(access=access, scope=Scope.SESSION)
        if settings.LINGUA_SESSION_AUTH
        else OpenRequests(),
        loops=[
            CredentialWatch(
                access=access,
                credentials=credentials,
                interval_s=settings.LINGUA_REVOCATION_CHECK_MS / 1000,
                renew_every=max(_RENEW_EVERY_MS // settings.LINGUA_REVOCATION_CHECK_MS, 1),
            ),
            CredentialPublisher(
                access=access,
                credentials=credentials,
                publication=build_publication(ground.connection, keys=ground.keys),
            ),
        ],
    )


def _build_node_door(access: Access) -> Door:
    if not settings.LINGUA_NODE_AUTH:
        return OpenDoor()
    return GuardedDoor(access=access, scope=Scope.NODE)


def _build_session_door(access: Access) -> Door:
    if not settings.LINGUA_SESSION_AUTH:
        return OpenDoor()
    return GuardedDoor(
        access=access,
        scope=Scope.SESSION,
        takes_tickets=True,
        origins=tuple(settings.LINGUA_SESSION_ORIGINS or settings.ALLOWED_HOSTS),
    )
