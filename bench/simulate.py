"""Simulate a fleet in virtual time and compare policies of placement side by side.

The product's own core decides: dispatcher, chooser, wait queue, tenants, retries, timers and
stores, several instances of it. Simulated are the network, the nodes, the speakers, and Redis: a
model of its scripts that `--compare` runs beside the real ones on a real Redis, refusing any
difference. CPU of instances costs no virtual time; what it costs is measured by `make bench`.

  python -m bench.simulate                        the big setting, all policies, a few minutes
  python -m bench.simulate --nodes 200 --sessions 2000 --rate 200 --policies k=2 k=20
  python -m bench.simulate --record day.jsonl     write the arrivals that would be simulated
  python -m bench.simulate --arrivals day.jsonl   simulate recorded arrivals instead
  python -m bench.simulate --compare --nodes 50 --sessions 200 --rate 50 --seconds 10

A line of arrivals is one JSON object: at_ms, session (a number), src, tgt, tenant, service_ms and,
for a part of a longer speech, turn_id. The same seed gives the same figures.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import logging
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench import plots
from bench.machine import describe_run
from bench.processes import ROOT, start_redis
from bench.simulation import virtual_time, workload
from bench.simulation.fleets import Policy
from bench.simulation.redis_model import LONGEST_SPAN_S
from bench.simulation.routes import ComparedExecutor, Executor, ModelExecutor
from bench.simulation.tables import print_policies
from bench.simulation.tally import SHARES, Figures
from bench.simulation.workload import Arrival, Setting
from bench.simulation.world import World
from scheduling.placement.pool_config import PoolRules, TenantRule

_RESULTS = ROOT / "bench" / "results"
_SLOTS_A_NODE = 3.4
NAMES = ("k=1", "k=2", "k=5", "k=20", "k=100", "no pools", "load", "spread", "affinity", "tenants")


def make_policy(name: str, setting: Setting) -> Policy:
    """Return the policy of a name; ``tenants`` takes its limits from the size of the fleet.

    All but the named switch are the defaults of the product, whose ``k`` is 20.
    """
    match name:
        case "no pools":
            return Policy(name=name, rules=PoolRules(enabled=False))
        case "load":
            return Policy(name=name, ranks_by_speed=False)
        case "spread":
            return Policy(name=name, rules=PoolRules(spread=True))
        case "affinity":
            return Policy(name=name, rules=PoolRules(session_affinity=True))
        case "tenants":
            slots = setting.nodes * _SLOTS_A_NODE
            limited = TenantRule(tenant_id="large", max_jobs=round(slots * 0.4))
            guaranteed = TenantRule(tenant_id="tiny", min_slots=round(slots * 0.05))
            return Policy(name=name, tenants=(limited, guaranteed))
        case _:
            return Policy(name=name, sample_size=int(name.removeprefix("k=")))


def simulate(
    setting: Setting, policy: Policy, arrivals: Sequence[Arrival], executor: Executor
) -> Figures:
    """Simulate one policy and return its figures."""

    async def live() -> Figures:
        return await World(setting, policy, executor).live(arrivals)

    began = time.perf_counter()
    figures = virtual_time.run(live())
    return msgspec.structs.replace(figures, took_s=time.perf_counter() - began)


def _simulate_alone(setting: Setting, policy: Policy, recorded: Path | None) -> Figures:
    """Simulate one policy in a process of its own, on the model of Redis."""
    logging.disable(logging.ERROR)  # the core says of every deadline that it passed
    return simulate(setting, policy, _list_arrivals(setting, recorded), ModelExecutor())


def _list_arrivals(setting: Setting, recorded: Path | None) -> list[Arrival]:
    return workload.read_arrivals(recorded) if recorded else workload.generate_arrivals(setting)


def _simulate_all(
    setting: Setting, policies: Sequence[Policy], recorded: Path | None, *, at_once: int
) -> list[Figures]:
    """Simulate each policy in a process of its own; progress goes to the screen."""
    found: dict[str, Figures] = {}
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(at_once, mp_context=context) as pool:
        futures = [pool.submit(_simulate_alone, setting, policy, recorded) for policy in policies]
        for future in concurrent.futures.as_completed(futures):
            figures = future.result()
            found[figures.policy] = figures
            print(f"… {figures.policy}: {figures.took_s:.0f} s", flush=True)
    return [found[policy.name] for policy in policies]


def _compare(setting: Setting, policies: Sequence[Policy], recorded: Path | None) -> list[Figures]:
    """Simulate on a real Redis of our own, every reply compared with the model's."""
    arrivals, figures = _list_arrivals(setting, recorded), []
    for policy in policies:
        with (
            tempfile.TemporaryDirectory() as directory,
            start_redis(Path(directory), append_only=False) as redis,
        ):
            executor = ComparedExecutor(redis.url)
            figures.append(simulate(setting, policy, arrivals, executor))
            executor.close()
        print(f"… {policy.name}: {executor.compared.total():,} replies agree", flush=True)
    return figures


def _write(setting: Setting, figures: Sequence[Figures]) -> None:
    document = {
        **describe_run(),
        "setting": dataclasses.asdict(setting),
        "policies": msgspec.to_builtins(figures),
    }
    _RESULTS.mkdir(exist_ok=True)
    (_RESULTS / "simulation.json").write_text(json.dumps(document, indent=1) + "\n")
    plots.draw(
        _RESULTS / "simulation.svg",
        title="Utterance → job_assign by policy, the burst included",
        x_title="share of utterances that waited no longer, %",
        y_title="ms",
        lines={
            one.policy: [(share * 100, one.wait_ms[name]) for name, share in SHARES.items()]
            for one in figures
        },
        tenfold=True,
    )


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual = Setting()
    world = parser.add_argument_group("the world")
    world.add_argument("--nodes", type=int, default=usual.nodes)
    world.add_argument("--sessions", type=int, default=usual.sessions)
    world.add_argument(
        "--rate",
        type=float,
        default=usual.rate_per_s,
        help=f"utterances a second, outside the burst ({usual.rate_per_s:,.0f})",
    )
    world.add_argument(
        "--burst",
        type=float,
        default=usual.burst,
        help=f"how many times as many come in the middle third ({usual.burst})",
    )
    world.add_argument(
        "--seconds", type=float, default=usual.seconds, help="virtual seconds in which they come"
    )
    world.add_argument(
        "--service-ms", type=float, default=usual.service_ms, help="mean work of a job on a node"
    )
    world.add_argument(
        "--silent", type=float, default=usual.silent, help="share of nodes that fall silent"
    )
    world.add_argument(
        "--failing", type=float, default=usual.failing, help="share of jobs that a node fails"
    )
    world.add_argument(
        "--slow", type=float, default=usual.slow, help="share of nodes that are 13 times slower"
    )
    world.add_argument("--instances", type=int, default=usual.instances)
    world.add_argument("--masters", type=int, default=usual.masters, help="masters of Redis")
    world.add_argument(
        "--command-us", type=float, default=usual.command_us, help="what a command costs a master"
    )
    world.add_argument("--network-ms", type=float, default=usual.network_ms, help="one way")
    world.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--policies", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--arrivals", type=Path, metavar="FILE", help="recorded arrivals")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write arrivals and stop")
    parser.add_argument("--compare", action="store_true", help="on a real Redis beside the model")
    parser.add_argument("--at-once", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--keep", action="store_true", help="write bench/results/simulation.*")
    return parser.parse_args()


def _read_setting(options: argparse.Namespace) -> Setting:
    if options.seconds > LONGEST_SPAN_S / 2:
        raise SystemExit(f"--seconds is at most {LONGEST_SPAN_S // 2}: in the model no key expires")
    return Setting(
        nodes=options.nodes,
        sessions=options.sessions,
        rate_per_s=options.rate,
        burst=options.burst,
        seconds=options.seconds,
        service_ms=options.service_ms,
        silent=options.silent,
        failing=options.failing,
        slow=options.slow,
        instances=options.instances,
        masters=options.masters,
        command_us=options.command_us,
        network_ms=options.network_ms,
        seed=options.seed,
    )


def main() -> None:
    """Simulate what the command line says and print one table."""
    options = _read_options()
    setting = _read_setting(options)
    if options.record:
        workload.write_arrivals(options.record, workload.generate_arrivals(setting))
        return
    policies = [make_policy(name, setting) for name in options.policies]
    if options.compare:
        logging.disable(logging.ERROR)
        figures = _compare(setting, policies, options.arrivals)
    else:
        figures = _simulate_all(setting, policies, options.arrivals, at_once=options.at_once)
    print(print_policies(figures))
    if options.keep:
        _write(setting, figures)


if __name__ == "__main__":
    main()
