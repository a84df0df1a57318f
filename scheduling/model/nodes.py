"""A node as placement sees it."""

import enum
from collections.abc import Iterable

import msgspec

from scheduling.model.languages import LanguageOffer
from scheduling.model.speeds import Speed
from scheduling.model.standing import GOOD_STANDING, Standing


class NodeStatus(enum.StrEnum):
    """Where a node is in its life (N6); only a ready one gets jobs."""

    REGISTERING = "registering"
    READY = "ready"
    DEGRADED = "degraded"
    DRAINING = "draining"
    OFFLINE = "offline"


class Hold(enum.StrEnum):
    """What an operator asked: nothing new until the node connects anew, or until it is resumed."""

    NONE = ""
    DRAIN = "drain"
    CORDON = "cordon"


class Usage(msgspec.Struct, frozen=True):
    """What the last heartbeat said, in percent of the machine; None where it said nothing."""

    cpu: float = 0.0
    memory: float = 0.0
    gpu: float | None = None
    gpu_memory: float | None = None


class Flaws(msgspec.Struct, frozen=True):
    """What operators should know of a connection: frames not as declared, jobs it failed.

    `repaired` and `dropped` frames were taken without what could not be read; `refused` ones not.
    `last` is what the last one had wrong, `last_failure` why the last job failed, in the node's own
    words, which nobody else is told.
    """

    repaired: int = 0
    dropped: int = 0
    refused: int = 0
    last: str = ""
    failures: int = 0
    last_failure: str = ""
    last_at_ms: int = 0


class Service(msgspec.Struct, frozen=True):
    """An installed service; unknown types are kept and never asked for."""

    service_id: str
    type: str


class Model(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model installed on a node, as the node names it."""

    model_id: str
    kind: str = ""
    version: str = ""
    enabled: bool = True


class Machine(msgspec.Struct, frozen=True, eq=False):
    """The machine below a node and the models on it, for operators.

    What placement needs is in the node's description.

    Two machines always compare equal: nodes that can do the same are judged once, whatever they
    run on.
    """

    cpu_cores: float = 0.0
    memory_gb: float = 0.0
    gpu_memory_gb: float = 0.0
    models: tuple[Model, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Machine)

    def __hash__(self) -> int:
        return 0


class NodeDescription(msgspec.Struct, frozen=True):
    """What a node declared when it registered, or changed with a later heartbeat.

    `ready_types` are the service types it can serve now; `finds_language` says that it finds out
    which of two languages was spoken; `features` are those it says it supports. Equal descriptions
    compare and hash equal: nodes that declared the same are judged once. `tenant_id` is the tenant
    that a private node serves: that of its credential, ``""`` of a public one.
    """

    version: str
    platform: str
    accepts_public_jobs: bool
    has_gpu: bool
    languages: LanguageOffer
    services: tuple[Service, ...]
    ready_types: frozenset[str]
    acknowledges: bool
    resumes: bool
    machine: Machine = Machine()
    finds_language: bool = True
    features: frozenset[str] = frozenset()
    tenant_id: str = ""

    def count_supported(self, features: Iterable[str]) -> int:
        """Return how many of `features` it supports: it says so, or that is a service that runs."""
        return sum(name in self.features or name in self.ready_types for name in features)

    def is_shown_as(self, other: "NodeDescription") -> bool:
        """Say whether operators see the same, too."""
        return self == other and self.machine.models == other.machine.models


class Node(msgspec.Struct, frozen=True):
    """One node at one moment; `conn_epoch` names the connection everything here was said on."""

    node_id: str
    instance_id: str
    conn_epoch: int
    status: NodeStatus
    max_jobs: int
    description: NodeDescription
    usage: Usage
    heartbeat_at_ms: int
    draining: bool = False
    held: Hold = Hold.NONE
    flaws: Flaws = Flaws()
    # How often a newer connection took this id while the older one lived.
    takeovers: int = 0
    standing: Standing = GOOD_STANDING
    # When its connection began, by Redis's clock; 0 where that is not known.
    registered_at_ms: int = 0
    speeds: tuple[Speed, ...] = ()

    @property
    def is_open(self) -> bool:
        """Say whether the node gets jobs while it has a slot."""
        return self.status is NodeStatus.READY and not self.draining

    @property
    def has_left(self) -> bool:
        """Say whether the node went in order: it had taken nothing new before it was gone."""
        return self.draining and self.status is NodeStatus.OFFLINE

    @property
    def shown_status(self) -> NodeStatus:
        """Return the status operators and the node itself are told."""
        if self.draining and self.status is NodeStatus.READY:
            return NodeStatus.DRAINING
        return self.status

    def list_service_ids(self, types: tuple[str, ...]) -> list[str]:
        """Return the ids of the installed services behind `types`."""
        return [
            service.service_id for service in self.description.services if service.type in types
        ]
