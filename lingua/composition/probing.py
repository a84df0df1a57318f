"""Composition of what probes nodes."""

from lingua.composition.pools import PoolParts
from lingua.composition.services import Services
from lingua.composition.stores import Infrastructure
from operators.db.pool_source import DatabaseSource
from scheduling.jobs.probe_jobs import ProbeJobs
from scheduling.jobs.probing import Prober
from scheduling.model.background import Background

_SLACK_S = 5.0


def build_prober(
    infrastructure: Infrastructure, services: Services, *, pools: PoolParts, source: DatabaseSource
) -> Prober:
    """Build what probes nodes while this instance leads; it runs by what the fleet tells."""
    jobs, background = services.configuration.jobs, Background()
    longest_s = (jobs.ack_timeout_ms + jobs.run_timeout_ms) / 1000 + _SLACK_S

    def tell(language: str, *, passed: bool, failed: int) -> None:
        noted = source.note_probe(language, passed=passed, failed=failed)
        background.run(noted, name="keeping what came of a probe")

    prober = Prober(
        fleet=services.fleet,
        slots=services.stores.slots,
        standings=services.standings,
        waiting=services.dispatcher.waiting,
        jobs=ProbeJobs(
            instance_id=infrastructure.instance_id,
            sessions=services.sessions,
            delivery=services.delivery,
            reservation=services.reservation,
            settlement=services.settlement,
            longest_s=longest_s,
        ),
        source=pools.leader,
        tell=tell,
        rules=services.configuration.probes,
        rng=infrastructure.rng,
        metrics=infrastructure.metrics,
    )
    pools.leader.on_probes.append(prober.take_probes)
    return prober
