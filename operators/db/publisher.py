"""The loop that keeps Redis' copy of credentials whole, and notes when they were used."""

import logging

from django.db import DatabaseError

from operators.db import datetimes
from operators.db.publishing import Publication
from operators.db.threads import read_database
from operators.db.token_models import ApiToken, NodeToken
from operators.db.tokens import list_credentials
from scheduling.access.access import Access
from scheduling.store.credentials import CredentialStore

logger = logging.getLogger(__name__)

_WHOLE_EVERY_MS = 60_000


class CredentialPublisher:
    """Publishes every credential once a minute, and at once when Redis lost what it had."""

    name = "credential publisher"
    interval_s = 1.0

    def __init__(
        self, *, access: Access, credentials: CredentialStore, publication: Publication
    ) -> None:
        self._access = access
        self._credentials = credentials
        self._publication = publication

    async def run_once(self) -> int:
        """Publish if it is due; return how many credentials that were."""
        if await self._credentials.is_published():
            return 0
        used = self._access.take_used()
        try:
            await read_database(lambda: _note_used(used))
            credentials = await read_database(list_credentials)
        except DatabaseError as error:
            # Sockets go by what was published before; administration waits for its database.
            logger.warning("credentials could not be read: %s", error)
            return 0
        await self._publication.publish(credentials)
        await self._credentials.note_published(for_ms=_WHOLE_EVERY_MS)
        return len(credentials)


def _note_used(used: dict[str, int]) -> None:
    """Write when credentials were used: seldom, because nobody decides by it."""
    for prefix, used_at_ms in used.items():
        used_at = datetimes.from_ms(used_at_ms)
        for model in (NodeToken, ApiToken):
            model.objects.filter(prefix=prefix).update(last_used_at=used_at)
