"""Statistics are made in the background; whoever asks waits for nothing."""

import asyncio

import pytest

from operators.console.stats_cache import Pages, StatsCache
from scheduling.model.metrics import Metrics

_EMPTY = Pages(stats=b"{}", encode_cluster=lambda: b"{}")


class _Maker:
    """Makes answers when told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.encoded = 0
        self.go_on = asyncio.Event()

    async def make(self) -> Pages:
        self.asked += 1
        await self.go_on.wait()
        return Pages(stats=b"new", encode_cluster=self._encode, made_at_ms=1)

    def _encode(self) -> bytes:
        self.encoded += 1
        return b"new"


@pytest.fixture
def maker() -> _Maker:
    return _Maker()


@pytest.fixture
def stats_cache(maker: _Maker) -> StatsCache:
    return StatsCache(make=maker.make, empty=_EMPTY, metrics=Metrics(), interval_s=600)


@pytest.mark.req("D2")
async def test_five_hundred_cold_requests_begin_one_generation(
    stats_cache: StatsCache, maker: _Maker
) -> None:
    for _ in range(500):
        assert stats_cache.pages is _EMPTY
        stats_cache.note_request(took_ms=0.1)
    await asyncio.sleep(0)

    assert maker.asked == 1
    maker.go_on.set()
    await stats_cache.run_once()
    assert maker.asked == 1
    assert stats_cache.pages.stats == b"new"


@pytest.mark.req("D2")
async def test_a_cold_start_that_failed_is_tried_again_only_after_a_while(
    stats_cache: StatsCache,
) -> None:
    async def fail() -> Pages:
        raise OSError("no")

    stats_cache._make = fail
    stats_cache.trigger()
    task = stats_cache._making
    assert task is not None
    await asyncio.wait([task])
    assert isinstance(task.exception(), OSError)
    await asyncio.sleep(0)

    stats_cache.trigger()

    assert stats_cache._making is None


async def test_a_failed_pass_is_the_loops_to_report_and_the_next_one_works(
    stats_cache: StatsCache, maker: _Maker
) -> None:
    async def fail() -> Pages:
        raise OSError("no")

    stats_cache._make = fail
    with pytest.raises(OSError, match="no"):
        await stats_cache.run_once()
    stats_cache._make = maker.make
    maker.go_on.set()

    await stats_cache.run_once()

    assert stats_cache.pages.stats == b"new"


@pytest.mark.req("D1")
async def test_old_answers_are_given_and_counted_as_stale(
    stats_cache: StatsCache, maker: _Maker
) -> None:
    maker.go_on.set()
    await stats_cache.run_once()
    stats_cache.note_request(took_ms=0.1)

    assert stats_cache.pages.stats == b"new"
    assert stats_cache.is_stale
    assert stats_cache._metrics.counts[("stats_stale_total",)] == 1


@pytest.mark.req("D1", "D6", "PF3")
async def test_the_cluster_is_encoded_beforehand_only_while_somebody_looks(
    stats_cache: StatsCache, maker: _Maker
) -> None:
    maker.go_on.set()
    await stats_cache.run_once()
    await stats_cache.run_once()
    while_nobody_looks = maker.encoded

    looks = [stats_cache.cluster, stats_cache.cluster]
    by_the_first = maker.encoded
    await stats_cache.run_once()
    beforehand = maker.encoded
    looks.append(stats_cache.cluster)

    assert (while_nobody_looks, by_the_first, beforehand, maker.encoded) == (0, 1, 2, 2)
    assert looks == [b"new"] * 3
