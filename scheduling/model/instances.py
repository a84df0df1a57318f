"""An instance as its peers know it, and how it says it stands."""

import msgspec

from scheduling.model.demand import Demand


class InstanceRecord(msgspec.Struct, frozen=True):
    """One process that serves sockets; `channel` is where its inbox listens.

    `boot_id` is drawn at each start: the same id under another boot is another process.
    One that is exclusive shares its Redis with nobody. `payload_keys` names the keys that open what
    it finds sealed, the one that it seals with first.
    """

    instance_id: str
    boot_id: str
    channel: str
    hostname: str
    pid: int
    version: str
    started_at_ms: int
    is_exclusive: bool = False
    payload_keys: tuple[str, ...] = ()

    def understands(self, other: "InstanceRecord") -> bool:
        """Say whether it can read what another one seals, or leaves readable, and be read by it."""
        own, others = self.payload_keys, other.payload_keys
        return bool(own) == bool(others) and (not own or (own[0] in others and others[0] in own))


class SessionRow(msgspec.Struct, frozen=True):
    """A session as lists show it; `languages` are the directed pairs it may speak."""

    session_id: str
    instance_id: str
    tenant_id: str
    languages: tuple[tuple[str, str], ...]
    connected_at_ms: int


class InstanceFigures(msgspec.Struct, frozen=True):
    """How one instance stands: counts of what it holds, and of languages its sessions use.

    `inbox_length` counts what waits in its inbox, `inbox_pending` what it took and did not finish.
    `demand` is what it was asked for of late.
    """

    nodes_owned: int = 0
    sessions_owned: int = 0
    waiting: int = 0
    inbox_length: int = 0
    inbox_pending: int = 0
    dlq_length: int = 0
    as_source: dict[str, int] = {}
    as_target: dict[str, int] = {}
    demand: Demand = Demand()
