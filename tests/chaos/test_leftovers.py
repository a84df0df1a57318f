"""What nobody owns in Redis is found, whatever kind of key it is in."""

from collections.abc import Iterator

import pytest
import redis

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.chaos.leftovers import find_leftovers

ROOT = "left:v2:"
JOB = "{session:s-1}:job:j"


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        client.flushall()
        yield client
        client.flushall()


@pytest.mark.req("X6")
@pytest.mark.parametrize(
    ("key", "member"),
    [
        ("{node:n}:info", None),
        ("{poolcfg}:leader", None),
        ("{nodes}:last_seen", "n"),
        ("{instances}:seen", "i"),
        ("{t:3}:timers", "job|s-1|gone"),
        ("{t:3}:timers", "job|s-1|j"),
        ("{t:3}:timers", "silent|n|1"),
    ],
)
def test_a_key_or_an_entry_without_owner_is_found(
    client: "redis.Redis", key: str, member: str | None
):
    client.hset(ROOT + JOB, "state", "RELEASED")
    client.expire(ROOT + JOB, 60)
    if member is None:
        client.hset(ROOT + key, "field", "value")
    else:
        client.zadd(ROOT + key, {member: 1})

    assert [violation.promise for violation in find_leftovers(client, root=ROOT)] == ["keys"]


@pytest.mark.req("X6")
def test_what_expires_or_has_an_owner_may_stay(client: "redis.Redis"):
    for key, member, owner in (
        ("{nodes}:last_seen", "n", "{node:n}:info"),
        ("{instances}:seen", "i", "{instance:i}:presence"),
        ("{t:3}:timers", "job|s-1|j", JOB),
    ):
        client.zadd(ROOT + key, {member: 1})
        client.hset(ROOT + owner, "state", "RUNNING")
        client.expire(ROOT + owner, 60)
    client.hset(ROOT + "{poolcfg}:doc", "version", "1")

    assert not find_leftovers(client, root=ROOT)
