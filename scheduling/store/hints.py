"""Hints from other instances that something changed: fast, and never relied on."""

from collections.abc import AsyncGenerator

import redis.asyncio
from redis.exceptions import RedisError

from scheduling.model import errors

_LOOK_EVERY_S = 1.0

WISH, MEMBERS = "wish", "members"


def name_members(pool_id: str) -> str:
    """Return the hint that a pool's members changed."""
    return f"{MEMBERS}:{pool_id}"


class HintListener:
    """Listens on one pub/sub channel with a connection of its own.

    In a cluster any master hears what was published on another.
    """

    def __init__(self, client: "redis.asyncio.Redis", *, channel: str) -> None:
        self._client = client
        self._channel = channel

    async def listen(self) -> AsyncGenerator[str, None]:
        """Yield hints as they come; first an empty one, when listening began.

        :raises DependencyDown: the connection broke; what is said meanwhile is lost
        """
        try:
            async with self._client.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe(self._channel)
                yield ""
                while True:
                    message = await pubsub.get_message(timeout=_LOOK_EVERY_S)
                    if message is not None:
                        yield str(message["data"])
        except (RedisError, OSError) as lost:
            raise errors.DependencyDown from lost

    async def close(self) -> None:
        await self._client.aclose()
