"""The load of a simulation: nodes, sessions, and who says what when; generated or recorded."""

import dataclasses
import itertools
import json
import math
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from bench import fixtures
from bench.simulation.virtual_time import START_MS
from scheduling.model.jobs import Request
from scheduling.model.nodes import Node, NodeDescription

# The most spoken first: a language's share falls with its place, as word counts do.
_LANGUAGES = ("en", "es", "zh", "de", "fr", "pt", "ja", "ar")
_SLOTS = {1: 0.2, 2: 0.3, 4: 0.35, 8: 0.15}
_TENANTS = {"large": 0.5, "middle": 0.3, "small": 0.15, "tiny": 0.05}
_KNOWS_ALL = 0.4
_PART_OF_TURN = 0.25
_TIMES_SLOWER = 13


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """One simulated world; spans are virtual. `burst` multiplies the rate in the middle third.

    A share of `slow` nodes takes thirteen times as long as it would. For a share of
    `stalls` of its jobs the first node takes `stall_ms` more. Nodes that are `alike` know all
    languages, have two slots and one speed.
    """

    nodes: int = 5_000
    sessions: int = 50_000
    rate_per_s: float = 5_000.0
    seconds: float = 12.0
    instances: int = 4
    masters: int = 3
    command_us: float = 15.0
    network_ms: float = 0.3
    service_ms: float = 2_400.0
    burst: float = 1.6
    silent: float = 0.005
    failing: float = 0.005
    slow: float = 0.0
    alike: bool = False
    stalls: float = 0.0
    stall_ms: float = 5_000.0
    gossip_ms: float = 20.0
    seed: int = 1


class Arrival(msgspec.Struct, frozen=True):
    """One utterance: when, by whom, and what it takes on a node of ordinary speed.

    `turn_id` names the longer speech it is a part of, ``""`` where it is whole.
    """

    at_ms: int
    session: int
    src: str
    tgt: str
    tenant: str
    service_ms: int
    turn_id: str = ""


class Machine(msgspec.Struct, frozen=True):
    """A node and how it behaves: how fast it works, and when, if ever, it falls silent."""

    node: Node
    speed: float
    instance: int
    silent_from_ms: float
    stalls: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class _Speaker:
    src: str
    tgt: str
    tenant: str


def generate_arrivals(setting: Setting) -> list[Arrival]:
    """Draw utterances: moments at random, faster in the middle third, services long-tailed."""
    rng = random.Random(f"{setting.seed} arrivals")
    speakers = [_draw_speaker(rng) for _ in range(setting.sessions)]
    in_turn: dict[int, str] = {}
    arrivals: list[Arrival] = []
    at_s, numbers = 0.0, itertools.count()
    # Log-normal: the median lies below the mean by the factor that this spread makes.
    spread = 0.5
    middle = math.log(setting.service_ms) - spread * spread / 2
    while True:
        bursts = setting.seconds / 3 <= at_s < setting.seconds * 2 / 3
        at_s += rng.expovariate(setting.rate_per_s * (setting.burst if bursts else 1.0))
        if at_s >= setting.seconds:
            return arrivals
        session = rng.randrange(setting.sessions)
        turn_id = in_turn.pop(session, "")
        if rng.random() < _PART_OF_TURN:
            turn_id = turn_id or f"turn-{next(numbers)}"
            in_turn[session] = turn_id
        speaker = speakers[session]
        arrivals.append(
            Arrival(
                at_ms=int(at_s * 1000),
                session=session,
                src=speaker.src,
                tgt=speaker.tgt,
                tenant=speaker.tenant,
                service_ms=max(int(rng.lognormvariate(middle, spread)), 50),
                turn_id=turn_id,
            )
        )


def read_arrivals(path: Path) -> list[Arrival]:
    """Return recorded arrivals, one JSON object a line, in the order of their moments.

    :raises msgspec.ValidationError: a line has other fields than an arrival
    """
    lines = path.read_text().splitlines()
    arrivals = [msgspec.json.decode(line, type=Arrival) for line in lines if line.strip()]
    return sorted(arrivals, key=lambda arrival: arrival.at_ms)


def write_arrivals(path: Path, arrivals: Iterable[Arrival]) -> None:
    """Write arrivals as `read_arrivals` takes them."""
    path.write_text(
        "".join(json.dumps(msgspec.to_builtins(arrival)) + "\n" for arrival in arrivals)
    )


def draw_machines(setting: Setting) -> list[Machine]:
    """Draw nodes of a few sizes and speeds; some know all languages, others two to four."""
    rng = random.Random(f"{setting.seed} nodes")
    sick = random.Random(f"{setting.seed} slow nodes")
    descriptions = list(_list_descriptions(rng))
    machines = []
    for number in range(setting.nodes):
        knows_all = rng.random() < _KNOWS_ALL or setting.alike
        node = fixtures.build_node(
            number,
            # Heartbeats are not simulated: nodes are taken as heard of until the end.
            heard_at_ms=START_MS + 3_600_000,
            instance_id=f"instance-{number % setting.instances}",
            max_jobs=2
            if setting.alike
            else rng.choices(list(_SLOTS), weights=list(_SLOTS.values()))[0],
            description=descriptions[0] if knows_all else rng.choice(descriptions[1:]),
        )
        falls_silent = rng.random() < setting.silent
        silent_from_ms = rng.random() * setting.seconds * 1000 if falls_silent else math.inf
        speed = 1.0 if setting.alike else rng.uniform(0.7, 1.5)
        if sick.random() < setting.slow:
            speed /= _TIMES_SLOWER
        machines.append(
            Machine(
                node=node,
                speed=speed,
                instance=number % setting.instances,
                silent_from_ms=silent_from_ms,
                stalls=setting.stalls > 0 and number == 0,
            )
        )
    return machines


def state_request(arrival: Arrival, *, number: int) -> Request:
    """Return what the session asks its instance for; ids follow from its number and `number`."""
    return fixtures.build_request(
        arrival.session,
        number,
        src=arrival.src,
        tgt=arrival.tgt,
        tenant_id=arrival.tenant,
        turn_id=arrival.turn_id,
    )


def _draw_speaker(rng: random.Random) -> _Speaker:
    weights = [1 / (place + 1) for place in range(len(_LANGUAGES))]
    src, tgt = "", ""
    while src == tgt:
        src, tgt = rng.choices(_LANGUAGES, weights=weights, k=2)
    tenant = rng.choices(list(_TENANTS), weights=list(_TENANTS.values()))[0]
    return _Speaker(src, tgt, tenant)


def _list_descriptions(rng: random.Random) -> Iterator[NodeDescription]:
    """Yield what nodes declare: all languages, then twenty different sets of two to four."""
    yield fixtures.describe(frozenset(_LANGUAGES))
    weights = [1 / (place + 1) for place in range(len(_LANGUAGES))]
    seen: set[frozenset[str]] = set()
    while len(seen) < 20:
        known = frozenset(rng.choices(_LANGUAGES, weights=weights, k=rng.randint(3, 5)))
        if len(known) > 1 and known not in seen:
            seen.add(known)
            yield fixtures.describe(known)
