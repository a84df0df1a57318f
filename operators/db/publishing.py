"""Credentials on their way from the database to Redis, where sockets look."""

import asyncio
import concurrent.futures
import logging
from collections.abc import Sequence

from operators.db.installation import get_installation
from scheduling.model.credentials import Credential
from scheduling.model.errors import DependencyDown
from scheduling.store.allowances import AllowanceStore
from scheduling.store.credentials import CredentialStore
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection

logger = logging.getLogger(__name__)

_WITHIN_S = 10.0


class Publication:
    """Writes credentials where sockets find them; each is safe to publish again."""

    def __init__(
        self, *, credentials: CredentialStore, allowances: AllowanceStore, claim_ms: int
    ) -> None:
        self._credentials = credentials
        self._allowances = allowances
        self._claim_ms = claim_ms

    async def publish(self, credentials: Sequence[Credential]) -> None:
        """Publish; a credential that names a node id keeps others from that id.

        :raises DependencyDown: Redis did not answer
        """
        waiting: list[asyncio.Future[bool]] = []
        for credential in credentials:
            principal = credential.principal
            waiting.append(self._credentials.publish(credential))
            if principal.node_id and not credential.revoked:
                waiting.append(
                    self._allowances.claim_node_id(
                        node_id=principal.node_id,
                        principal_id=principal.principal_id,
                        life_ms=self._claim_ms,
                        is_named=True,
                    )
                )
        await asyncio.gather(*waiting)


def build_publication(connection: Connection, *, keys: Keys, life_ms: int) -> Publication:
    """Return a publication over a connection; what it writes ends by itself."""
    return Publication(
        credentials=CredentialStore(connection, keys=keys, life_ms=life_ms),
        allowances=AllowanceStore(connection, keys=keys),
        claim_ms=life_ms,
    )


def publish_now(credentials: Sequence[Credential]) -> bool:
    """Publish from a view or a command; False when Redis did not answer.

    What could not be published is published by the first instance that can. A thread and a
    connection of its own: the caller may or may not have an event loop, and must not share one.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as worker:
        try:
            worker.submit(lambda: asyncio.run(_publish_once(credentials))).result(_WITHIN_S)
        except (DependencyDown, TimeoutError):
            logger.warning("%d credentials are not published yet", len(credentials))
            return False
    return True


async def _publish_once(credentials: Sequence[Credential]) -> None:
    installation = get_installation()
    connection = installation.open_connection()
    try:
        await build_publication(
            connection, keys=installation.keys, life_ms=installation.credential_ms
        ).publish(credentials)
    finally:
        await connection.close()
