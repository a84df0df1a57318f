"""What one instance is composed from: values, nested by subject, that nobody changes.

`lingua.composition.settings_reader` fills them from the settings. Who wants another value takes
`dataclasses.replace`. What has a default here has that of the setting, and is enough for a core
without the parts around it.
"""

import dataclasses
from pathlib import Path

from lingua.composition.redis_configuration import RedisConfiguration
from operators.db.history_table import TableConfiguration
from operators.db.login_provider import LoginProvider
from scheduling.access.access import AccessLimits
from scheduling.model.limits import JobLimits, NodeLimits, PlacementRules, RoomLimits
from scheduling.model.probes import ProbeRules
from scheduling.model.standing import StandingRules
from scheduling.placement.pool_config import PoolRules
from sessions_app.session_limits import SessionLimits
from sockets.outbound import OutboundLimits


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HookConfiguration:
    """How often and how long web hooks are tried."""

    most_tries: int = 8
    most_each: int = 8
    timeout_ms: int = 10_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CoreConfiguration:
    """What takes a job in, places it, watches it and ends it goes by."""

    jobs: JobLimits = dataclasses.field(default_factory=JobLimits)
    nodes: NodeLimits = dataclasses.field(default_factory=NodeLimits)
    placement: PlacementRules = dataclasses.field(default_factory=PlacementRules)
    standing: StandingRules = dataclasses.field(default_factory=StandingRules)
    probes: ProbeRules = dataclasses.field(default_factory=ProbeRules)
    hooks: HookConfiguration = dataclasses.field(default_factory=HookConfiguration)
    rooms: RoomLimits = dataclasses.field(default_factory=RoomLimits)
    hedge_share: float = 0.02
    require_gpu: bool = False
    send_cancel: bool = True
    keep_history: bool = True
    timer_shards: int = 16
    timer_tick_s: float = 0.2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfiguration:
    """How one instance is one of many; without an `instance_id` it draws one."""

    instance_id: str
    must_be_alone: bool
    presence_ms: int
    presence_interval_s: float
    refresh_s: float
    reconcile_interval_s: float
    stats_interval_s: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UnavailableServiceConfiguration:
    """How what nodes say they cannot run is marked, and how much of it is heard."""

    most_queued: int
    mark_ms: int
    debounce_ms: int
    window_ms: int
    most_per_window: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfiguration:
    """The switches of pools, and how they are led and followed."""

    rules: PoolRules
    fresh_ms: int
    check_ms: int
    lease_ms: int
    cleanup_ms: int
    unavailable_services: UnavailableServiceConfiguration


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccessConfiguration:
    """Who must show what, and how much each may do.

    `frame_rate` is frames a second, and at once; what cannot be read over HTTP counts as such.
    """

    limits: AccessLimits
    frame_rate: tuple[float, int]
    guards_nodes: bool
    guards_sessions: bool
    proxies: tuple[str, ...]
    scrapers: tuple[str, ...]
    ticket_ms: int
    listen_ticket_ms: int
    credential_ms: int
    check_ms: int
    pairing_code_ms: int
    single_sign_on: LoginProvider | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfiguration:
    """What the sockets of speakers go by; `rate` is frames a second, and at once.

    `principal_rate` is that of all sockets of one principal together; `most_sessions` is of one.
    """

    limits: SessionLimits
    outbound: OutboundLimits
    rate: tuple[float, int]
    principal_rate: tuple[float, int]
    most_sessions: int
    most_frame_bytes: int
    use_binary_frames: bool
    grace_s: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ListenerConfiguration:
    """What those who listen in rooms go by."""

    outbound: OutboundLimits


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfiguration:
    """What the sockets of nodes go by, and nodes that come over HTTP."""

    outbound: OutboundLimits
    most_frame_bytes: int
    idle_ms: int
    heartbeat_ms: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfiguration:
    """What work over HTTP goes by."""

    most_body_bytes: int
    recording_ms: int
    most_kept_bytes: int
    most_jobs: int
    hook_hosts: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleConfiguration:
    """What operators' pages go by."""

    model_hub_url: str
    model_hub_path: Path
    catalog_refresh_s: float
    scaling_wait_ms: int
    scaling_down_s: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MirrorConfiguration:
    """Which copies are kept for older tools; a life of 0 is for ever."""

    node_caps: bool
    node_caps_ms: int
    session_bind: bool
    session_bind_ms: int
    stats: bool
    stats_ms: int
    stats_interval_s: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HistoryConfiguration:
    """How long the history of jobs goes back; 0 days keep none. `root` is where the program is."""

    days: int
    most_waiting: int
    log_level: str
    root: Path
    database: TableConfiguration


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WatchConfiguration:
    """What counts as slow, and where spans go."""

    wait_warn_ms: float
    path_warn_ms: float
    traces: str
    traces_file: Path | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything an instance is composed from."""

    redis: RedisConfiguration
    core: CoreConfiguration
    network: NetworkConfiguration
    pools: PoolConfiguration
    access: AccessConfiguration
    sessions: SessionConfiguration
    listeners: ListenerConfiguration
    nodes: NodeConfiguration
    http: HttpConfiguration
    console: ConsoleConfiguration
    mirrors: MirrorConfiguration
    history: HistoryConfiguration
    watch: WatchConfiguration

    def for_instance(self, instance_id: str) -> "Configuration":
        """Return the configuration of the instance with this id, which prefers its own nodes."""
        placement = dataclasses.replace(self.core.placement, near_instance_id=instance_id)
        return dataclasses.replace(
            self,
            core=dataclasses.replace(self.core, placement=placement),
            network=dataclasses.replace(self.network, instance_id=instance_id),
        )
