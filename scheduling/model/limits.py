"""How long each step of a job may take, and how often it may be tried."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JobLimits:
    """Spans in milliseconds; the acknowledgment must come before the reservation ends (J-4).

    `open_ms` is how long the speech of one job may last, longer than utterances do: it ends jobs
    whose speaker's process died.
    """

    reservation_ms: int = 5_000
    ack_timeout_ms: int = 4_000
    run_timeout_ms: int = 30_000
    pending_timeout_ms: int = 10_000
    open_ms: int = 53_350
    look_again_ms: int = 3_000
    failover_max_attempts: int = 3
    max_retry: int = 2
    binding_ms: int = 300_000
    outcome_ms: int = 300_000
    session_life_ms: int = 3_600_000
    live_record_ms: int = 86_400_000
    retention_ms: int = 3_600_000
    waiting_max: int = 1_000
    deadline_margin_ms: int = 100

    @property
    def run_lease_ms(self) -> int:
        """Return how long a run holds its slot without renewal: past the run timeout."""
        return self.run_timeout_ms + 10_000

    @property
    def stale_after_ms(self) -> int:
        """Return how long an attempt may be without an answer, from its request to its end."""
        return self.pending_timeout_ms + self.ack_timeout_ms + self.run_timeout_ms

    @property
    def first_look_ms(self) -> int:
        """Return when somebody looks at a waiting job for the first time."""
        return min(self.pending_timeout_ms, self.look_again_ms)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeLimits:
    """When a node is healthy, silent or gone (N5, N6)."""

    heartbeat_timeout_ms: int = 45_000
    good_heartbeats: int = 1
    window: int = 5
    window_failures: int = 3
    consecutive_failures: int = 3
    warmup_ms: int = 60_000
    default_max_jobs: int = 4
    most_max_jobs: int = 1_024
    grace_ms: int = 10_000
    forget_ms: int = 600_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlacementRules:
    """How a node is chosen.

    Among nodes that are equal in all else, in `near_share` (0 to 1) of the choices those whose
    connection `near_instance_id` holds go first. A node that is new, or came back, reaches its
    whole share within `slow_start_ms`. With `ranks_by_speed` faster nodes come before less loaded
    ones, but in `explore_share` of the choices those of whom little is known.
    """

    sample_size: int = 20
    resource_threshold_percent: float = 85.0
    heartbeat_timeout_ms: int = 45_000
    near_instance_id: str = ""
    near_share: float = 0.9
    ranks_by_speed: bool = True
    explore_share: float = 0.01
    slow_start_ms: int = 10_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RoomLimits:
    """How many may be in a room, for how long it may be idle, and what is kept of it.

    `creations` and `guesses` are rooms that one principal may open, and codes of no room that it
    may name, in a minute; `grace_ms` is for how long a seat is kept whose session may come back.
    """

    most_members: int = 50
    most_listeners: int = 2_000
    most_languages: int = 32
    idle_ms: int = 1_800_000
    captions_ms: int = 180_000
    most_captions: int = 500
    grace_ms: int = 30_000
    creations: float = 10.0
    guesses: float = 10.0
