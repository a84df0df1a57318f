"""How one process's inbox stands in Redis: what waits, what is in work, what was given up."""

from dataclasses import dataclass

from redis.exceptions import ResponseError

from channels_streams.connection import Connections
from channels_streams.keys import GROUP, Keys


@dataclass(frozen=True, kw_only=True, slots=True)
class InboxStanding:
    """Entries in the inbox, of those the ones taken and not finished, and dead letters."""

    length: int = 0
    pending: int = 0
    dead_letters: int = 0


async def measure(*, keys: Keys, entity: str, connections: Connections) -> InboxStanding:
    """Count; an inbox that Redis does not know is empty.

    :raises RedisError: Redis is not reachable
    """
    stream = keys.stream(entity)
    try:
        pending = (await connections.command("XPENDING", stream, GROUP))[0]
    except ResponseError:
        pending = 0
    return InboxStanding(
        length=int(await connections.command("XLEN", stream)),
        pending=int(pending),
        dead_letters=int(await connections.command("XLEN", keys.dead_letters(entity))),
    )
