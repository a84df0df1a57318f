"""A writer that falls behind lets the records of those that wait live on."""

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis
import redis.asyncio
from django.db import connection as database

from lingua.settings.embedded_redis import EmbeddedRedis
from operators.db.history_table import HistoryTable, describe_database
from operators.db.job_history import HistoryWriter
from operators.db.job_models import EndedJob
from scheduling.model.metrics import Metrics
from scheduling.store.job_history import Fields, HistoryStore
from scheduling.store.keys import Keys, pick_shard
from scheduling.store.redis.connection import Connection
from scheduling.store.timers import name_job
from tests.history.test_history_pages import record

_SHARDS = 16
_SHORT_MS, _RECORD_MS = 100_000, 3_600_000
_KEYS = Keys("b")


def leave_waiting(url: str, *, jobs: int) -> list[str]:
    """Let so many jobs wait, with little life left; return the keys of their records."""
    client = redis.Redis.from_url(url)
    records = []
    with client.pipeline(transaction=False) as pipe:
        for number in range(jobs):
            fields = record(number)
            key = _KEYS.session.job(fields["session_id"], fields["job_id"])
            entity = name_job(fields["session_id"], fields["job_id"])
            pipe.hset(key, mapping=fields)
            pipe.pexpire(key, _SHORT_MS)
            pipe.zadd(_KEYS.timers(pick_shard(entity, _SHARDS)), {entity: -(10**15)})
            records.append(key)
        pipe.execute()
    client.close()
    return records


def list_lives_ms(url: str, records: list[str]) -> list[int]:
    client = redis.Redis.from_url(url)
    with client.pipeline(transaction=False) as pipe:
        for key in records:
            pipe.pttl(key)
        lives: list[int] = pipe.execute()
    client.close()
    return lives


class InterruptedStore(HistoryStore):
    """Lets a session be erased after its jobs were read, before their rows are written."""

    def __init__(self, url: str, *about: Any, **rest: Any) -> None:
        super().__init__(*about, **rest)
        self._url = url

    async def read(self, entities: Sequence[str]) -> list[Fields]:
        records = await super().read(entities)
        client = redis.Redis.from_url(self._url)
        entity = entities[0]
        client.delete(self._record(entity))
        client.zrem(_KEYS.timers(pick_shard(entity, _SHARDS)), entity)
        client.close()
        return records


async def write_all(url: str, make_store: Callable[..., HistoryStore] = HistoryStore) -> int:
    connection = Connection(
        redis.asyncio.Redis.from_url(url, decode_responses=True), metrics=Metrics()
    )
    writer = HistoryWriter(
        store=make_store(connection, keys=_KEYS, shards=_SHARDS, record_ms=_RECORD_MS),
        table=HistoryTable(describe_database(database.settings_dict)),
        metrics=Metrics(),
        shards=_SHARDS,
        record_ms=_RECORD_MS,
        most_kept=1_000_000,
    )
    written = await writer.run_once()
    await connection.close()
    return written


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize(("jobs", "is_behind"), [(2_500, True), (500, False)])
def test_who_waits_longer_than_one_batch_lives_on(
    own_redis: EmbeddedRedis, *, jobs: int, is_behind: bool
) -> None:
    records = leave_waiting(own_redis.url, jobs=jobs)

    written = asyncio.run(write_all(own_redis.url))

    assert written == EndedJob.objects.count() == jobs
    longest_ms = max(list_lives_ms(own_redis.url, records))
    assert (longest_ms > _SHORT_MS) == is_behind


@pytest.mark.req("RE10")
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_job_that_is_erased_while_its_row_is_written_has_none(own_redis: EmbeddedRedis) -> None:
    leave_waiting(own_redis.url, jobs=5)

    asyncio.run(write_all(own_redis.url, functools.partial(InterruptedStore, own_redis.url)))

    assert EndedJob.objects.count() == 4
