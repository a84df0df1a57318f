"""Django's sessions in the database, under the hash of their key.

Who reads the table, or a copy of it, finds no key that a cookie could show.
"""

import hashlib
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

from operators.db import datetimes


class SessionStore(DatabaseStore):
    """Keeps a session under SHA-256 of its key, which is 165 random bits and needs no salt."""

    def exists(self, session_key: str) -> bool:
        return super().exists(hash_key(session_key))

    async def aexists(self, session_key: str) -> bool:
        return await super().aexists(hash_key(session_key))

    def create_model_instance(self, data: Any) -> Any:
        row: Any = super().create_model_instance(data)
        row.session_key = hash_key(row.session_key)
        return row

    async def acreate_model_instance(self, data: Any) -> Any:
        row: Any = await super().acreate_model_instance(data)
        row.session_key = hash_key(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key:
            self.model.objects.filter(session_key=hash_key(key)).delete()

    async def adelete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key:
            await self.model.objects.filter(session_key=hash_key(key)).adelete()

    def _get_session_from_db(self) -> Any:
        row = self._find(self.session_key).first()
        if row is None:
            self._session_key = None
        return row

    async def _aget_session_from_db(self) -> Any:
        row = await self._find(self.session_key).afirst()
        if row is None:
            self._session_key = None
        return row

    def _find(self, key: str | None) -> Any:
        return self.model.objects.filter(
            session_key=hash_key(key or ""), expire_date__gt=datetimes.now()
        )


def hash_key(key: str) -> str:
    """Return the name of a session, which fits the column: 40 of the 64 digits, 160 bits."""
    return hashlib.sha256(key.encode()).hexdigest()[:40]
