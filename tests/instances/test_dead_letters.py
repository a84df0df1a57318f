"""A letter its instance never read: listed, replayed once to who holds the connection, purged."""

import subprocess
import sys
from pathlib import Path

import pytest

from channels_streams.layer import StreamsChannelLayer
from tests.redis_under_test import OwnRedis, describe, locate

ROOT = Path(__file__).parents[2]


def dlq(redis_url: str, var: Path, *words: str) -> str:
    """Run the command as an operator does."""
    done = subprocess.run(
        [sys.executable, "manage.py", "dlq", *words],
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "LINGUA_KEY_PREFIX": "d",
            "LINGUA_VAR_DIR": str(var),
        }
        | describe(redis_url),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.strip()


@pytest.mark.req("T6", "T7", "T8")
async def test_a_letter_for_nobody_is_refused_and_purged(own_redis: OwnRedis, tmp_path: Path):
    fields = ("event_type", "job_id")
    config = {**locate(own_redis.url), "prefix": "d:asgi", "presence_ttl_s": 0.3}
    dead = StreamsChannelLayer(**config, dead_letter_fields=fields)
    living = StreamsChannelLayer(**config, dead_letter_fields=fields, takeover_interval_s=0.1)
    channel = await dead.new_channel("instance")
    await dead.register()
    await dead.close_pools()
    message = {"type": "instance.letter", "body": b"?", "event_type": "job_assigned", "job_id": "j"}
    await living.register()
    await living.send(channel, message)
    while not await living.dead_letters.count():
        await living.new_channel()

    listed = dlq(own_redis.url, tmp_path, "list")
    dry = dlq(own_redis.url, tmp_path, "replay", "--dry-run")
    refused = dlq(own_redis.url, tmp_path, "replay")
    purged = [dlq(own_redis.url, tmp_path, "purge") for _ in range(2)]
    await living.close()
    await dead.close()

    assert "job_assigned" in listed
    assert "job_id=j" in listed
    assert dry.endswith("refused")
    assert refused.endswith("refused")
    assert purged == ["1 removed", "0 removed"]
