"""Tell other instances how loads of nodes changed, gathered over some milliseconds."""

import asyncio
import contextlib

from scheduling.jobs.outlook import Outlook
from scheduling.model import errors
from scheduling.model.instance_messages import FleetNews
from scheduling.model.jobs import Need
from scheduling.network.peers import Peers
from scheduling.network.remote_delivery import RemoteDelivery
from scheduling.placement.snapshot import Fleet

# Further needs of the same moment are told by those that follow.
_MOST_WAITS = 64


class LoadBroadcast:
    """A loop that sends loads, which are hints: the script that takes a slot decides.

    How many wait here, and how fast they are served, goes along where that changed; what a job
    needs that begins to wait goes at once, for it may be a probe that has its slot.

    Every job changes loads twice, so they wait for each other up to `gather_s`; a full node that
    has a slot again is told at once, for somebody may wait for it. They go to instances known to
    live, without asking Redis who there is. One that is lost comes again with the node's next
    heartbeat, by the fleet broadcast.
    """

    name = "load broadcast"

    def __init__(
        self,
        *,
        fleet: Fleet,
        peers: Peers,
        remote_delivery: RemoteDelivery,
        outlook: Outlook,
        gather_s: float = 0.1,
        interval_s: float = 0.02,
    ) -> None:
        self.interval_s = interval_s
        self._fleet = fleet
        self._peers = peers
        self._remote_delivery = remote_delivery
        self._outlook = outlook
        self._gather_s = gather_s
        self._loads: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._is_line_another = False
        self._waits: dict[Need, None] = {}
        fleet.listeners.load.append(self._note)
        fleet.listeners.line.append(self._note_line)
        fleet.listeners.waits.append(self._note_waits)

    async def run_once(self) -> int:
        """Wait for loads, then tell them; return how many there were."""
        await self._wake.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._gather_s):
                await self._hurry.wait()
        self._wake.clear()
        self._hurry.clear()
        loads, self._loads = self._loads, {}
        waits, self._waits = tuple(self._waits), {}
        lines = self._outlook.describe() if self._is_line_another else None
        self._is_line_another = False
        if self._peers.is_alone:
            return 0
        try:
            await self._remote_delivery.hint(
                FleetNews(
                    sender=self._peers.record.instance_id, loads=loads, lines=lines, waits=waits
                )
            )
        except errors.DependencyDown:
            return 0
        return len(loads)

    def _note_line(self) -> None:
        self._is_line_another = True
        self._wake.set()

    def _note_waits(self, need: Need) -> None:
        if len(self._waits) < _MOST_WAITS:
            self._waits[need] = None
        self._wake.set()
        self._hurry.set()

    def _note(self, node_id: str, load: int) -> None:
        # Asked before the fleet takes the load: what it knew until now.
        candidate = self._fleet.views.get(node_id)
        if candidate is not None and candidate.load == load:
            return
        self._loads[node_id] = load
        self._wake.set()
        if candidate is not None and candidate.load >= candidate.max_jobs > load:
            self._hurry.set()
