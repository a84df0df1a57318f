"""The console: what operators' pages may ask of the instance that serves them.

`lingua` builds it once and hands it to every HTTP request in its ASGI scope, under `SCOPE_KEY`.
"""

import asyncio
import concurrent.futures
from collections.abc import Coroutine
from typing import Any, TypeVar

from operators.console.catalog import Catalog
from operators.console.dead_letters import DeadLetterService
from operators.console.erasure import ErasureService
from operators.console.fleet import FleetService
from operators.console.instance_metrics import InstanceMetrics
from operators.console.job_commands import JobControl
from operators.console.job_queries import JobQueries
from operators.console.rooms import RoomQueries
from operators.console.scaling import ScalingService
from operators.console.sessions import SessionQueries
from operators.console.stats_cache import StatsCache
from operators.live.feed import LiveFeed
from scheduling.model.errors import DependencyDown

SCOPE_KEY = "lingua.console"
# Under this key the scope of a probe or scraper says how it named us, where by no name of ours:
# "address", "bare name" (one without a dot, as containers have) or "foreign name".
NAMED_BY = "lingua.named_by"

T = TypeVar("T")
_ASK_REDIS_S = 3.0


class Console:
    """What can be asked of the running instance; its coroutines run on the instance's event loop.

    `sessions`, `rooms`, `job_commands`, `fleet_service` and `erasure` are None where an instance
    has none to show, `dead_letters` where the channel layer keeps none.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        stats_cache: StatsCache,
        live: LiveFeed,
        jobs: JobQueries,
        job_commands: JobControl | None,
        rooms: RoomQueries | None,
        metrics: InstanceMetrics,
        sessions: SessionQueries | None,
        dead_letters: DeadLetterService | None,
        fleet_service: FleetService | None,
        scaling: ScalingService,
        erasure: ErasureService | None = None,
        needs_login: bool,
    ) -> None:
        self._event_loop = asyncio.get_running_loop()
        self.catalog = catalog
        self.stats_cache = stats_cache
        self.live = live
        self.jobs = jobs
        self.job_commands = job_commands
        self.rooms = rooms
        self.metrics = metrics
        self.sessions = sessions
        self.dead_letters = dead_letters
        self.fleet_service = fleet_service
        self.scaling = scaling
        self.erasure = erasure
        self.needs_login = needs_login

    def ask(self, question: Coroutine[Any, Any, T], *, within_s: float = _ASK_REDIS_S) -> T:
        """Return what the event loop answers. From any other thread.

        :raises DependencyDown: Redis did not answer
        """
        asked = asyncio.run_coroutine_threadsafe(question, self._event_loop)
        try:
            return asked.result(timeout=within_s)
        except concurrent.futures.TimeoutError as late:
            asked.cancel()
            raise DependencyDown from late

    def note_request(self, *, took_ms: float) -> None:
        """Count a request for statistics, from any thread; the first one begins to make them."""
        self._event_loop.call_soon_threadsafe(
            lambda: self.stats_cache.note_request(took_ms=took_ms)
        )
