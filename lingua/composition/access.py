"""Composition of what lets principals in: credentials, their limits, and who asks for them."""

import dataclasses
from collections.abc import Sequence

from lingua.composition.configuration import AccessConfiguration
from lingua.composition.stores import Infrastructure
from lingua.serving.supervisor import Loop
from operators.db.publisher import CredentialPublisher
from operators.db.publishing import build_publication
from scheduling.access.access import Access, AccessLimits, CredentialWatch
from scheduling.access.pairing import Pairing
from scheduling.model.credentials import Scope
from scheduling.model.shares import Shares
from scheduling.store.allowances import AllowanceStore
from scheduling.store.credentials import CredentialStore
from scheduling.store.pairing_codes import PairingCodeStore
from sockets.client_address import ClientAddresses
from sockets.request_auth import GuardedRequestAuth, OpenRequestAuth, RequestAuth
from sockets.socket_auth import GuardedSocketAuth, OpenSocketAuth, SocketAuth

# A third of the lease of a connection.
_RENEW_EVERY_MS = 20_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccessParts:
    """Who may come in, what asks for credentials, and the loops that keep both up to date."""

    access: Access
    pairing: Pairing
    limits: AccessLimits
    node_auth: SocketAuth
    session_auth: SocketAuth
    listen_auth: SocketAuth
    node_requests: RequestAuth
    session_requests: RequestAuth
    strangers: RequestAuth
    loops: Sequence[Loop]


def build_access(infrastructure: Infrastructure, configuration: AccessConfiguration) -> AccessParts:
    """Build authentication as configured: guarded, or open on loopback."""
    credentials = CredentialStore(
        infrastructure.connection,
        keys=infrastructure.keys,
        life_ms=configuration.credential_ms,
    )
    allowances = AllowanceStore(infrastructure.connection, keys=infrastructure.keys)
    access = Access(
        credentials=credentials,
        allowances=allowances,
        limits=configuration.limits,
    )
    clients = ClientAddresses(proxies=configuration.proxies)
    limits = configuration.limits
    frames_per_s, frame_burst = configuration.frame_rate
    strangers = OpenRequestAuth(
        clients=clients,
        shares=Shares(per_s=limits.work_per_s, burst=limits.work_burst),
        flawed=Shares(per_s=frames_per_s, burst=frame_burst),
    )
    return AccessParts(
        access=access,
        pairing=Pairing(
            codes=PairingCodeStore(infrastructure.connection, keys=infrastructure.keys),
            allowances=allowances,
            life_ms=configuration.pairing_code_ms,
            metrics=infrastructure.metrics,
        ),
        limits=limits,
        node_auth=_build_node_auth(access, configuration, clients),
        session_auth=_build_session_auth(access, configuration, clients),
        listen_auth=_build_listen_auth(access, configuration, clients),
        node_requests=GuardedRequestAuth(
            access=access, scope=Scope.NODE, clients=clients, strangers=strangers
        )
        if configuration.guards_nodes
        else strangers,
        session_requests=GuardedRequestAuth(
            access=access, scope=Scope.SESSION, clients=clients, strangers=strangers
        )
        if configuration.guards_sessions
        else strangers,
        strangers=strangers,
        loops=[
            CredentialWatch(
                access=access,
                credentials=credentials,
                interval_s=configuration.check_ms / 1000,
                renew_every=max(_RENEW_EVERY_MS // configuration.check_ms, 1),
            ),
            CredentialPublisher(
                access=access,
                credentials=credentials,
                publication=build_publication(
                    infrastructure.connection,
                    keys=infrastructure.keys,
                    life_ms=configuration.credential_ms,
                ),
            ),
        ],
    )


def _build_node_auth(
    access: Access, configuration: AccessConfiguration, clients: ClientAddresses
) -> SocketAuth:
    if not configuration.guards_nodes:
        return OpenSocketAuth(
            clients=clients, most_connections=configuration.limits.most_connections
        )
    return GuardedSocketAuth(access=access, scope=Scope.NODE, clients=clients)


def _build_session_auth(
    access: Access, configuration: AccessConfiguration, clients: ClientAddresses
) -> SocketAuth:
    if not configuration.guards_sessions:
        return OpenSocketAuth(
            clients=clients, most_connections=configuration.limits.most_connections
        )
    return GuardedSocketAuth(
        access=access,
        scope=Scope.SESSION,
        clients=clients,
        takes_tickets=True,
    )


def _build_listen_auth(
    access: Access, configuration: AccessConfiguration, clients: ClientAddresses
) -> SocketAuth:
    if not configuration.guards_sessions:
        # A hall has one address.
        return OpenSocketAuth(clients=clients, most_connections=configuration.limits.most_listeners)
    return GuardedSocketAuth(
        access=access,
        scope=Scope.LISTEN,
        clients=clients,
        takes_tickets=True,
    )
