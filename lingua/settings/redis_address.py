"""Where Redis is: one server, a master behind Sentinels, or a cluster.

A part of `lingua.settings`, which takes it over; read by nobody else.
"""

from lingua.settings.env import is_set
from lingua.settings.env_addresses import (
    env_redis_behind_sentinels,
    env_redis_masters,
    env_redis_sentinels,
    env_redis_url,
    refuse_secret,
)

# One standalone Redis. Empty, and no cluster either: `serve` starts its own.
REDIS_URL = env_redis_url("REDIS_URL")
# Masters of a Redis Cluster, comma-separated; wins over REDIS_URL.
LINGUA_REDIS_CLUSTER_URLS = env_redis_masters("REDIS_CLUSTER_URLS")
# Sentinels, comma-separated; then REDIS_URL has the name of their master in place of a host.
LINGUA_REDIS_SENTINEL_URLS = env_redis_sentinels("REDIS_SENTINEL_URLS")
if LINGUA_REDIS_SENTINEL_URLS:
    if is_set("REDIS_CLUSTER_URLS"):
        raise refuse_secret(
            "REDIS_SENTINEL_URLS", "empty beside REDIS_CLUSTER_URLS, which needs no Sentinels"
        )
    REDIS_URL = env_redis_behind_sentinels("REDIS_URL")
