"""A node's leases: the keys they live under, and how an attempt is named among them."""

from collections.abc import Sequence

from scheduling.store.keys import Keys

Attempt = tuple[str, int]


def list_lease_keys(keys: Keys, node_id: str) -> list[str]:
    """Return a node's record, its reservations, its runs and its counters, as scripts take them."""
    return [
        keys.node.info(node_id),
        keys.node.resv(node_id),
        keys.node.run(node_id),
        keys.node.cap(node_id),
    ]


def name_attempt(job_id: str, attempt: int) -> str:
    """Return the member under which an attempt holds a slot."""
    return f"{job_id}:{attempt}"


def read_attempts(members: Sequence[str]) -> tuple[Attempt, ...]:
    """Return the attempts that members of a lease set name."""
    pairs = (member.rpartition(":") for member in members)
    return tuple((job_id, int(attempt)) for job_id, _, attempt in pairs)
