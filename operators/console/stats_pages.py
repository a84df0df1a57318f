"""The answers about statistics and about the cluster, made anew from how everything stands."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from operators.console.catalog import Catalog
from operators.console.cluster import InstanceView, describe_cluster, show_instance
from operators.console.cluster_stats import GatheredStats
from operators.console.scaling import ScalingService
from operators.console.statistics import Facts, describe_statistics
from operators.console.stats_cache import Pages
from scheduling.model import clock
from scheduling.placement.snapshot import Fleet

_to_json = msgspec.json.encode


class StatsPages:
    """Makes the pages that `StatsCache` keeps; `gather` asks all instances how they stand."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        catalog: Catalog,
        gather: Callable[[], Awaitable[GatheredStats]],
        scaling: ScalingService,
        instance: InstanceView,
        key_prefix: str,
    ) -> None:
        self._fleet = fleet
        self._catalog = catalog
        self._gather = gather
        self._scaling = scaling
        self._instance = instance
        self._key_prefix = key_prefix

    async def make(self) -> Pages:
        """Copy what changes, then count in a thread: jobs do not wait for statistics (D9)."""
        gathered = await self._gather()
        await self._scaling.take(gathered)
        facts = Facts(
            nodes=tuple(self._fleet.list_known()),
            loads=self._fleet.loads.list_all(),
            figures=(gathered.own, *(figures for _, figures in gathered.others)),
            services=self._catalog.state.services,
        )
        instances = (
            self._instance.stand(gathered.own),
            *(show_instance(record).stand(figures) for record, figures in gathered.others),
        )
        return await asyncio.to_thread(
            self._encode,
            facts=facts,
            instances=instances,
            now_ms=clock.now_ms(),
            total_dlq=gathered.total_dlq,
        )

    def make_empty(self) -> Pages:
        """Return what is answered before anything was counted."""
        return self._encode(facts=Facts(), instances=(self._instance,), now_ms=0)

    def _encode(
        self, *, facts: Facts, instances: Sequence[InstanceView], now_ms: int, total_dlq: int = 0
    ) -> Pages:
        def encode_cluster() -> bytes:
            return _to_json(
                describe_cluster(
                    instances=instances,
                    nodes=facts.nodes,
                    loads=facts.loads,
                    key_prefix=self._key_prefix,
                    now_ms=now_ms,
                    total_dlq=total_dlq,
                )
            )

        return Pages(
            stats=_to_json(describe_statistics(facts)),
            encode_cluster=encode_cluster,
            made_at_ms=now_ms,
        )
