"""A message in the inbox of a process that died, so that it becomes a dead letter."""

from channels_streams.layer import StreamsChannelLayer

from tests.redis_under_test import locate
from tests.waiting import eventually

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

    async def count() -> int:
        await living.new_channel()
        return await living.dead_letters.count()

    await eventually(count, "nothing is given up", within_s=_DEADLINE_S)
    await living.close()
    await dead.close()
