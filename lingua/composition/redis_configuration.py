"""Where Redis is: a module of its own, for programs that need no more of the configuration."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RedisConfiguration:
    """Where Redis is, how long it may take, and what the keys begin with.

    With `payload_keys` what was said is sealed there: by the first, and opened by any of them.
    """

    url: str
    cluster_urls: tuple[str, ...]
    sentinel_urls: tuple[str, ...]
    timeout_s: float
    connect_timeout_s: float
    overdue_s: float
    key_prefix: str
    payload_keys: tuple[str, ...] = ()
