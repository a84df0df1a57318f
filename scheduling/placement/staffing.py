"""How many slots keep waits short: Erlang's formula, values in, values out (ND13)."""

import math

# Of a hundred jobs, so many may wait longer than the goal: the 95th percentile is held.
LATE_SHARE = 0.05


def chance_to_wait(*, slots: int, load: float) -> float:
    """Return the share of jobs that find no slot free, by Erlang's C formula.

    `load` is how many slots are busy on average: arrivals a second times seconds of work.
    """
    if load >= slots:
        return 1.0
    blocked = 1.0
    for count in range(1, slots + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked / (1 - load / slots * (1 - blocked))


def count_slots(*, arrivals_per_s: float, held_s: float, wait_s: float) -> int:
    """Return the fewest slots with which at most one job in twenty waits longer than `wait_s`."""
    load = arrivals_per_s * held_s
    if load <= 0:
        return 0
    blocked, slots = 1.0, 0
    while True:
        slots += 1
        blocked = load * blocked / (slots + load * blocked)
        if slots <= load:
            continue
        waits = blocked / (1 - load / slots * (1 - blocked))
        if waits * math.exp(-(slots - load) * wait_s / held_s) <= LATE_SHARE:
            return slots
