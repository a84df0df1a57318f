"""Composition of what places a job: who is chosen, the slot at a node, the line of who waits."""

import dataclasses

from lingua.composition.configuration import CoreConfiguration
from lingua.composition.stores import Infrastructure
from nodes.job_frames import encode_assignment
from scheduling.jobs.deadlines import Deadlines
from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.outlook import Outlook
from scheduling.jobs.queue_notices import QueueNotices
from scheduling.jobs.reservation import Reservation
from scheduling.jobs.settlement import Settlement
from scheduling.jobs.standings import Standings
from scheduling.jobs.tenants import Tenants
from scheduling.jobs.waiting_line import WaitingLine
from scheduling.model.delivery import Delivery
from scheduling.placement.chooser import Chooser
from scheduling.placement.last_chances import LastChances
from scheduling.placement.lines import Lines
from scheduling.placement.session_memory import SessionMemory
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import WaitQueue
from scheduling.store.stores import Stores

_NEWS_UNDER_WAY_MS = 5_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What a job meets on its way to a node, and at its end; the rest of the core stands on it."""

    fleet: Fleet
    delivery: Delivery
    tenants: Tenants
    standings: Standings
    settlement: Settlement
    chooser: Chooser
    reservation: Reservation
    dispatcher: Dispatcher
    lines: Lines
    outlook: Outlook
    notices: QueueNotices


def build_placement(
    infrastructure: Infrastructure, configuration: CoreConfiguration, *, stores: Stores
) -> Placement:
    """Build it over its stores; starts nothing."""
    fleet, delivery = Fleet(require_gpu=configuration.require_gpu), Delivery()
    tenants = Tenants(fleet=fleet, store=stores.tenants)
    standings = Standings(
        stores=stores,
        fleet=fleet,
        metrics=infrastructure.metrics,
        quarantine_ms=configuration.standing.most_quarantine_ms,
    )
    settlement = Settlement(
        stores=stores,
        fleet=fleet,
        delivery=delivery,
        tenants=tenants,
        standings=standings,
        deadlines=Deadlines(margin_ms=configuration.jobs.deadline_margin_ms),
    )
    chooser = Chooser(
        fleet=fleet,
        rules=configuration.placement,
        memory=SessionMemory(),
        rng=infrastructure.rng,
    )
    reservation = Reservation(
        stores=stores,
        fleet=fleet,
        delivery=delivery,
        chooser=chooser,
        standings=standings,
        limits=configuration.jobs,
        last_chances=LastChances(
            fleet=fleet,
            margin_ms=configuration.jobs.deadline_margin_ms,
            rng=infrastructure.rng,
        ),
        encode_assignment=encode_assignment,
    )
    line = _build_line(
        configuration,
        fleet=fleet,
        delivery=delivery,
        tenants=tenants,
        chooser=chooser,
        reservation=reservation,
    )
    dispatcher = infrastructure.make_dispatcher(
        stores=stores,
        fleet=fleet,
        chooser=chooser,
        reservation=reservation,
        settlement=settlement,
        tenants=tenants,
        waiting=line.waiting,
        line=line.waiting_line,
        metrics=infrastructure.metrics,
    )
    return Placement(
        fleet=fleet,
        delivery=delivery,
        tenants=tenants,
        standings=standings,
        settlement=settlement,
        chooser=chooser,
        reservation=reservation,
        dispatcher=dispatcher,
        lines=line.lines,
        outlook=line.outlook,
        notices=line.notices,
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """The line of jobs that wait for a slot, and what those in it are told."""

    waiting: WaitQueue
    lines: Lines
    outlook: Outlook
    notices: QueueNotices
    waiting_line: WaitingLine


def _build_line(
    configuration: CoreConfiguration,
    *,
    fleet: Fleet,
    delivery: Delivery,
    tenants: Tenants,
    chooser: Chooser,
    reservation: Reservation,
) -> _Line:
    patience_ms = configuration.jobs.pending_timeout_ms
    waiting = WaitQueue(
        most=configuration.jobs.waiting_max, priority=tenants.priority, patience_ms=patience_ms
    )
    lines = Lines(news_last_ms=patience_ms + _NEWS_UNDER_WAY_MS)
    outlook = Outlook(fleet=fleet, waiting=waiting, lines=lines, retry_after_ms=patience_ms // 2)
    notices = QueueNotices(waiting=waiting, outlook=outlook, delivery=delivery)
    waiting_line = WaitingLine(
        fleet=fleet,
        chooser=chooser,
        reservation=reservation,
        tenants=tenants,
        waiting=waiting,
        outlook=outlook,
        notices=notices,
    )
    return _Line(
        waiting=waiting, lines=lines, outlook=outlook, notices=notices, waiting_line=waiting_line
    )
