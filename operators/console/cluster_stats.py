"""How every instance stands: this one says so, and reads what the others said (D4, D6)."""

import asyncio
import collections
import dataclasses
from collections.abc import Awaitable, Callable, Iterable

from channels_streams.standing import InboxStanding

from scheduling.model.delivery import Delivery
from scheduling.model.demand import Demand
from scheduling.model.errors import DependencyDown
from scheduling.model.instances import InstanceFigures, InstanceRecord, SessionRow
from scheduling.model.languages import AUTO
from scheduling.placement.wait_queue import WaitQueue
from scheduling.store.instances import InstanceStore

_LIVES = 6
_SHORTEST_LIFE_MS = 15_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GatheredStats:
    """How this instance and every other that lives stand; `total_dlq` counts the dead's, too."""

    own: InstanceFigures = InstanceFigures()  # noqa: RUF009 - frozen
    others: tuple[tuple[InstanceRecord, InstanceFigures], ...] = ()
    total_dlq: int = 0


class ClusterStats:
    """Publishes figures and sessions of this instance; only what changed since the last time."""

    def __init__(
        self,
        *,
        instance_id: str,
        store: InstanceStore,
        list_others: Callable[[], list[InstanceRecord]],
        measure_inbox: Callable[[], Awaitable[InboxStanding]],
        count_dead_letters: Callable[[], Awaitable[int]],
        delivery: Delivery,
        waiting: WaitQueue,
        measure_demand: Callable[[], Demand],
        interval_s: float,
    ) -> None:
        self._instance_id = instance_id
        self._store = store
        self._list_others = list_others
        self._measure_inbox = measure_inbox
        self._count_dead_letters = count_dead_letters
        self._delivery = delivery
        self._waiting = waiting
        self._measure_demand = measure_demand
        self._life_ms = max(round(interval_s * 1000 * _LIVES), _SHORTEST_LIFE_MS)
        self._told: dict[str, SessionRow] = {}
        self._is_told = False
        self._last = GatheredStats()

    async def run_once(self) -> GatheredStats:
        """Publish, then gather; while Redis does not answer others stay as they were last seen."""
        try:
            inbox = await self._measure_inbox()
            own = self._count(inbox)
            await self._publish(own)
            self._last = GatheredStats(
                own=own,
                others=await self._read_others(),
                total_dlq=await self._count_dead_letters(),
            )
        except DependencyDown:
            own = self._count(InboxStanding())
            self._last = dataclasses.replace(self._last, own=own)
        return self._last

    async def list_sessions(self) -> list[SessionRow]:
        """Return every session of every instance, the latest first.

        :raises DependencyDown: Redis did not answer
        """
        ids = [self._instance_id, *(record.instance_id for record in self._list_others())]
        found = await asyncio.gather(*(self._store.list_sessions(each) for each in ids))
        rows = {row.session_id: row for rows in found for row in rows}
        return sorted(rows.values(), key=lambda row: (-row.connected_at_ms, row.session_id))

    def _count(self, inbox: InboxStanding) -> InstanceFigures:
        held = self._delivery.local.held
        as_source, as_target = count_languages(self._delivery.local.list_languages())
        return InstanceFigures(
            nodes_owned=held.nodes,
            sessions_owned=held.sessions,
            waiting=len(self._waiting),
            inbox_length=inbox.length,
            inbox_pending=inbox.pending,
            dlq_length=inbox.dead_letters,
            as_source=as_source,
            as_target=as_target,
            demand=self._measure_demand(),
        )

    async def _publish(self, own: InstanceFigures) -> None:
        held = [
            mailbox.describe(instance_id=self._instance_id)
            for mailbox in self._delivery.local.list_sessions()
        ]
        rows = {row.session_id: row for row in held}
        told, anew = self._told if self._is_told else {}, not self._is_told
        self._is_told = False
        listed = await self._store.publish_standing(
            self._instance_id,
            figures=own,
            life_ms=self._life_ms,
            came=[row for session_id, row in rows.items() if told.get(session_id) != row],
            gone=[session_id for session_id in told if session_id not in rows],
            anew=anew,
        )
        # A Redis that lost its data lists fewer than were told: the next pass tells all.
        self._told, self._is_told = rows, listed == len(rows)

    async def _read_others(self) -> tuple[tuple[InstanceRecord, InstanceFigures], ...]:
        records = self._list_others()
        found = await asyncio.gather(
            *(self._store.find_figures(record.instance_id) for record in records)
        )
        return tuple(
            (record, figures or InstanceFigures())
            for record, figures in zip(records, found, strict=True)
        )


def count_languages(
    sessions: Iterable[tuple[tuple[str, str], ...]],
) -> tuple[dict[str, int], dict[str, int]]:
    """Count sources and targets; a two-way session speaks and hears both of its own."""
    as_source: collections.Counter[str] = collections.Counter()
    as_target: collections.Counter[str] = collections.Counter()
    for pairs in sessions:
        as_source.update({src for src, _ in pairs if src != AUTO})
        as_target.update({tgt for _, tgt in pairs})
    return dict(as_source), dict(as_target)
