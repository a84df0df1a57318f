"""The instances that live now: this one says so, and learns of the others (C1, I2, I3)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from scheduling.model import errors
from scheduling.model.instances import InstanceRecord
from scheduling.model.metrics import Metrics
from scheduling.store.instances import InstanceStore

logger = logging.getLogger(__name__)

_FAILURES_BORNE = 1
# Passes without a presence before an instance is dead: Redis may just have come back empty.
_PASSES_BORNE = 3


class Peers:
    """Keeps this instance's presence and the directory of the others; a loop.

    `on_lost` is called when our presence was gone although we live: Redis lost its data, or we
    slept too long. `on_dead` is called for each instance whose presence ended without saying so.
    """

    name = "presence"

    def __init__(
        self,
        *,
        record: InstanceRecord,
        store: InstanceStore,
        interval_s: float,
        metrics: Metrics,
        on_lost: Callable[[], Awaitable[None]],
        on_dead: Callable[[str], Awaitable[None]],
    ) -> None:
        self._metrics = metrics
        self.record = record
        self.interval_s = interval_s
        self._on_lost = on_lost
        self._on_dead = on_dead
        self._store = store
        self._others: dict[str, InstanceRecord] = {}
        self._failures = 0
        self._missed: dict[str, int] = {}
        self._claimed = False
        self._must_restore = False
        self.id_is_taken = False

    @property
    def is_alone(self) -> bool:
        """Say whether no other instance is known to live."""
        return not self._others

    @property
    def is_present(self) -> bool:
        """Say whether others see us: two failed writes in a row, and they soon may not."""
        return self._claimed and self._failures <= _FAILURES_BORNE and not self.id_is_taken

    def list_others(self) -> list[InstanceRecord]:
        """Return the other instances as last seen."""
        return list(self._others.values())

    async def join(self, *, is_gone: Callable[[InstanceRecord], bool]) -> None:
        """Take this instance's id before the first socket; `is_gone` knows processes that ended.

        :raises InstanceIdTaken: another process lives under this id (J-28)
        :raises DependencyDown: Redis did not answer
        """
        claimed = await self._store.claim(self.record)
        if claimed.taken_by is not None and is_gone(claimed.taken_by):
            claimed = await self._store.claim(self.record, gone_boot_id=claimed.taken_by.boot_id)
        if claimed.taken_by is not None:
            raise errors.InstanceIdTaken(details={"pid": claimed.taken_by.pid})
        self._claimed = True
        await self._look_around()

    async def leave(self) -> None:
        """Give the id back; others need not wait for it to expire."""
        await self._store.resign(self.record)
        await self._store.drop(self.record.instance_id, seen_at_ms=2**52)

    async def run_once(self) -> int:
        """Renew our presence and look who else lives; return how many others do."""
        try:
            claimed = await self._store.claim(self.record)
            self._metrics.count("phase2_presence_heartbeat_total")
            self.id_is_taken = claimed.taken_by is not None
            self._must_restore = self._must_restore or not (claimed.was_there or self.id_is_taken)
            if self._must_restore:
                logger.warning("our presence was lost; writing back what we know")
                await self._on_lost()
                self._must_restore = False
        except errors.DependencyDown:
            self._failures += 1
            # While Redis was down nobody could renew: all get the full time again.
            self._missed.clear()
            return 0
        self._failures = 0
        try:
            await self._look_around()
        except errors.DependencyDown:
            # The index alone may be out of reach: on a cluster it is another master's than we are.
            self._missed.clear()
        return len(self._others)

    async def find_channel(self, instance_id: str) -> str | None:
        """Return where a living instance's inbox listens."""
        record = self._others.get(instance_id)
        if record is None and (record := await self._store.find(instance_id)) is not None:
            self.note_came(record)
        return record.channel if record else None

    def note_came(self, record: InstanceRecord) -> None:
        """An instance said that it has started."""
        if record.instance_id != self.record.instance_id:
            self._others[record.instance_id] = record

    def note_left(self, instance_id: str) -> None:
        """An instance said that it ends, or turned out to be gone."""
        self._others.pop(instance_id, None)

    async def _look_around(self) -> None:
        own = self.record.instance_id
        await self._store.note_seen(own)
        seen = await self._store.list_seen()
        others = [other for other in seen if other != own]
        found = dict(zip(others, await asyncio.gather(*map(self._look_at, others)), strict=True))
        self._others = {other: record for other, record in found.items() if record}
        self._missed = {
            other: self._missed.get(other, 0) + 1
            for other, record in found.items()
            if record is None
        }
        for other, passes in self._missed.items():
            if passes >= _PASSES_BORNE:
                logger.warning("an instance is gone", extra={"instance": other})
                await self._on_dead(other)
                await self._store.drop(other, seen_at_ms=seen[other])

    async def _look_at(self, other: str) -> InstanceRecord | None:
        """Return another instance's presence; as last seen where its master is lost."""
        try:
            return await self._store.find(other)
        except errors.DependencyDown:
            if other not in self._others:
                raise
            return self._others[other]
