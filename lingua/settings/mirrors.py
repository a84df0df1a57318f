"""Settings of the copies that older tools read; all are off.

A part of `lingua.settings`, which takes all of it over; read by nobody else.
"""

from lingua.settings.env import env_bool, env_int

# Write copies under the v1 keys at all; each kind has a switch of its own beside this one.
LINGUA_MIRRORS = env_bool("LINGUA_MIRRORS", default=False)
# Share the leader's statistics, so that all instances serve the same numbers.
LINGUA_MIRROR_STATS = env_bool("LINGUA_MIRROR_STATS", default=False)
# How long shared statistics outlive their last writer; then each instance serves its own.
LINGUA_MIRROR_STATS_TTL_S = env_int("LINGUA_MIRROR_STATS_TTL_S", default=60, minimum=1)
# How often statistics are shared, and taken over.
LINGUA_MIRROR_STATS_INTERVAL_MS = env_int(
    "LINGUA_MIRROR_STATS_INTERVAL_MS", default=5_000, minimum=100
)
# Copy each node's capability and usage, flat.
LINGUA_MIRROR_NODE_CAPS = env_bool("LINGUA_MIRROR_NODE_CAPS", default=False)
# How long such a copy outlives its node's instance; 0 for ever.
LINGUA_MIRROR_NODE_CAPS_TTL_S = env_int("LINGUA_MIRROR_NODE_CAPS_TTL_S", default=0)
# Copy at which node each session's latest job is.
LINGUA_MIRROR_SESSION_BIND = env_bool("LINGUA_MIRROR_SESSION_BIND", default=False)
# How long such a copy outlives the session's last job.
LINGUA_MIRROR_SESSION_BIND_TTL_S = env_int(
    "LINGUA_MIRROR_SESSION_BIND_TTL_S", default=3600, minimum=1
)
