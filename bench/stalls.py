"""Simulate ten nodes of which one stalls now and then, with and without hedging, side by side.

  python -m bench.stalls

What hedges is the product's own code, in virtual time, as in `bench.simulate`; on a real server
`make test-hedging` measures the same from outside. The same seed gives the same figures.
"""

import logging

from bench.simulate import simulate
from bench.simulation import workload
from bench.simulation.fleets import Policy
from bench.simulation.routes import ModelExecutor
from bench.simulation.tables import print_hedging
from bench.simulation.tally import Figures
from bench.simulation.workload import Setting

# Ten speakers who speak every half second; ranked by load, as in the test from outside.
STALLING = Setting(
    nodes=10,
    sessions=10,
    rate_per_s=20,
    burst=1,
    seconds=200,
    instances=1,
    masters=1,
    service_ms=400,
    silent=0,
    failing=0,
    alike=True,
    stalls=0.05,
)


def compare(setting: Setting = STALLING) -> list[Figures]:
    """Return the figures with hedging and without."""
    arrivals = workload.generate_arrivals(setting)
    policies = (
        Policy(name="hedged", ranks_by_speed=False),
        Policy(name="unhedged", ranks_by_speed=False, hedge_share=0.0),
    )
    return [simulate(setting, policy, arrivals, ModelExecutor()) for policy in policies]


def main() -> None:
    """Simulate both and print one table."""
    logging.disable(logging.ERROR)
    print(print_hedging(compare()))


if __name__ == "__main__":
    main()
