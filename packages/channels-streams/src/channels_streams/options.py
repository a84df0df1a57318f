"""Everything a StreamsChannelLayer can be told, with its units and defaults."""

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The CONFIG of one layer; docs/channel-layer.md says what changes with each."""

    # Where Redis is. `cluster_urls` wins: any masters of a Redis Cluster, the rest is discovered.
    url: str = "redis://127.0.0.1:6379/0"
    cluster_urls: tuple[str, ...] = ()
    redis_options: Mapping[str, Any] = field(default_factory=dict)
    # Or the Sentinels' addresses; then `url` has the name they know the master by for a host.
    sentinel_urls: tuple[str, ...] = ()
    # As channels_redis has it: the Sentinels, the name they know it by, what they are told.
    sentinels: tuple[tuple[str, int], ...] = ()
    master_name: str = ""
    sentinel_options: Mapping[str, Any] = field(default_factory=dict)
    max_connections: int = 32
    socket_timeout_s: float = 3.0
    # Every key begins with it; two layers with different prefixes never meet.
    prefix: str = "channels"
    # A message nobody read is dropped after `expiry_s`; a group membership after `group_expiry_s`.
    expiry_s: float = 60.0
    group_expiry_s: float = 86_400.0
    max_message_bytes: int = 4 * 1024 * 1024
    # MessageFormatter in Redis are encrypted with the first key, and read with any.
    symmetric_encryption_keys: tuple[str | bytes, ...] = ()
    # Called when Redis is lost and when it is back: functions, or coroutine functions.
    on_disconnect: Callable[[], Any] | None = None
    on_reconnect: Callable[[], Any] | None = None
    # What one process may hold: undelivered in Redis (count, bytes), waiting for consumers (bytes).
    inbox_capacity: int = 10_000
    inbox_bytes: int = 256 * 1024 * 1024
    mailbox_bytes: int = 64 * 1024 * 1024
    # The blocking read and the delay over which acknowledgements are gathered.
    read_count: int = 256
    block_ms: int = 1000
    ack_delay_ms: int = 10
    # A process whose presence ended is dead: its inbox goes to its dead letters.
    presence_ttl_s: float = 15.0
    takeover_interval_s: float = 5.0
    # Normal channels, by glob, whose messages come again until a consumer asks for the next one.
    at_least_once: tuple[str, ...] = ()
    redeliver_after_ms: int = 60_000
    # Dead letters: when a message becomes one, how many are kept and how long.
    dlq_max_deliveries: int = 10
    dlq_min_idle_ms: int = 60_000
    dlq_scan_interval_ms: int = 5000
    dlq_scan_count: int = 100
    dlq_maxlen: int = 10_000
    dlq_ttl_s: float = 7 * 86_400.0
    # True: a message of a `!` channel counts as handled when its channel is asked for the next one,
    # and one whose consumer never asks becomes a dead letter. False: when it was received.
    finish_on_next_receive: bool = False
    # Keys of the message that become fields of its dead letter, beside its type.
    dead_letter_fields: tuple[str, ...] = ()

    def is_at_least_once(self, channel: str) -> bool:
        """Say whether messages of this normal channel come again until they are finished."""
        return any(fnmatch.fnmatchcase(channel, glob) for glob in self.at_least_once)

    @property
    def presence_ttl_ms(self) -> int:
        return int(self.presence_ttl_s * 1000)

    @property
    def expiry_ms(self) -> int:
        return int(self.expiry_s * 1000)
