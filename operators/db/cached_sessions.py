"""Logins in the cache of all instances, above the database: a page asks the database less.

The key is hashed in both. What is in the cache may be lost, and is read from the database again.
"""

from typing import Any

from django.contrib.sessions.backends.cached_db import SessionStore as CachedStore

from operators.db.hashed_sessions import SessionStore as HashedStore
from operators.db.hashed_sessions import hash_key


class SessionStore(CachedStore, HashedStore):
    """Keeps a session in the cache, and in the database, under the hash of its key."""

    cache_key_prefix = "login."
    _cache: Any
    _get_or_create_session_key: Any
    _aget_or_create_session_key: Any

    @property
    def cache_key(self) -> str:
        return self._name(self._get_or_create_session_key())

    async def acache_key(self) -> str:
        return self._name(await self._aget_or_create_session_key())

    def exists(self, session_key: str) -> bool:
        return HashedStore.exists(self, session_key)

    async def aexists(self, session_key: str) -> bool:
        return await HashedStore.aexists(self, session_key)

    def delete(self, session_key: str | None = None) -> None:
        HashedStore.delete(self, session_key)
        key = session_key or self.session_key
        if key:
            self._cache.delete(self._name(key))

    async def adelete(self, session_key: str | None = None) -> None:
        await HashedStore.adelete(self, session_key)
        key = session_key or self.session_key
        if key:
            await self._cache.adelete(self._name(key))

    def _name(self, key: str) -> str:
        return self.cache_key_prefix + hash_key(key)
