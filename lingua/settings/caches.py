"""Django's cache and logins: on one standalone Redis by django-redis, else without it.

A part of `lingua.settings`, which takes both over; read by nobody else.
"""

from typing import Any


def make_caches(
    redis_url: str, *, prefix: str, timeout_s: float, connect_timeout_s: float
) -> dict[str, Any]:
    """Return CACHES; what they hold may be lost, so a Redis that is away is an empty cache."""
    if not redis_url:
        return {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    options = {
        # Whoever writes into Redis shall not choose what code runs here, as with pickle.
        "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        "SOCKET_TIMEOUT": timeout_s,
        "SOCKET_CONNECT_TIMEOUT": connect_timeout_s,
        "IGNORE_EXCEPTIONS": True,
    }
    return {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": redis_url,
            "KEY_PREFIX": f"{prefix}:cache",
            "OPTIONS": options,
        }
    }


def choose_session_engine(redis_url: str) -> str:
    """Return where logins are kept: in the database, and before it in a cache that all share."""
    return "operators.db.cached_sessions" if redis_url else "operators.db.hashed_sessions"
