"""What came of probes is kept for their page: of many in a moment, the last."""

import asyncio
import threading

import pytest

from operators.db import pool_source
from operators.db.pool_source import DatabaseSource
from scheduling.placement.pool_config import PoolRules


class SlowTable:
    """Takes what is written; the first write lasts until it is released."""

    def __init__(self) -> None:
        self.written: list[tuple[str, bool, int]] = []
        self.is_begun, self.may_end = threading.Event(), threading.Event()

    def write(self, language: str, *, passed: bool, failed: int) -> None:
        self.written.append((language, passed, failed))
        self.is_begun.set()
        assert self.may_end.wait(30)


@pytest.mark.req("ND10")
async def test_of_a_fleet_that_fails_at_once_and_then_hears_the_last_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table, source = SlowTable(), DatabaseSource(PoolRules())
    monkeypatch.setattr(pool_source, "note_found", table.write)

    first = asyncio.create_task(source.note_probe("en", passed=False, failed=1))
    await asyncio.to_thread(table.is_begun.wait, 30)
    for failed in range(2, 101):
        await source.note_probe("en", passed=False, failed=failed)
    await source.note_probe("de", passed=False, failed=7)
    await source.note_probe("en", passed=True, failed=100)
    table.may_end.set()
    await first

    assert table.written[0] == ("en", False, 1)
    assert sorted(table.written[1:]) == [("de", False, 7), ("en", True, 100)]


@pytest.mark.req("ND10")
async def test_after_a_write_that_failed_the_next_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise pool_source.DatabaseError("it is away")

    table, source = SlowTable(), DatabaseSource(PoolRules())
    table.may_end.set()
    monkeypatch.setattr(pool_source, "note_found", fail)
    await source.note_probe("en", passed=False, failed=1)
    monkeypatch.setattr(pool_source, "note_found", table.write)

    await source.note_probe("en", passed=True, failed=1)

    assert table.written == [("en", True, 1)]
