"""A message in the inbox of a process that died, so that it becomes a dead letter."""

import asyncio

from channels_streams.layer import StreamsChannelLayer

from tests.redis_under_test import locate

_DEADLINE_S = 60
_FIELDS = {"event_type": "job_assigned", "job_id": "j"}


async def lose_a_message(redis_url: str, *, prefix: str) -> None:
    """Leave a message for a job that is over, or never was, and wait until it is given up."""
    config = {
        **locate(redis_url),
        "prefix": prefix,
        "dead_letter_fields": tuple(_FIELDS),
        "presence_ttl_s": 1.0,
    }
    dead = StreamsChannelLayer(**config)
    living = StreamsChannelLayer(**config, takeover_interval_s=0.1)
    channel = await dead.new_channel("instance")
    await living.register()
    await dead.register()
    message = {"type": "instance.letter", "body": b"?", **_FIELDS}
    # A machine that is busy may let the presence end before the message is under way.
    while not await living.send_if_alive(channel, message):
        await dead.register()
    await dead.close_pools()
    async with asyncio.timeout(_DEADLINE_S):
        while not await living.dead_letters.count():
            await living.new_channel()
    await living.close()
    await dead.close()
