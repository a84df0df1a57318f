"""The settings of pools, tenants and affinity: the rest of `lingua.settings`, read with it.

What is here are defaults of an installation; `docs/pools.md` tells how the switches work together.
"""

from lingua.settings.env import env_bool, env_float, env_int, env_str

# Place jobs by pools; off, all nodes are one pool and only tenants' own pools count.
LINGUA_POOLS_ENABLED = env_bool("LINGUA_POOLS_ENABLED", default=True)
# two_level looks into pools and then at nodes; single looks at nodes alone.
LINGUA_POOLS_MODE = env_str(
    "LINGUA_POOLS_MODE", default="two_level", choices=("two_level", "single")
)
# Members as Redis has them; off, each instance computes them from what nodes declared.
LINGUA_POOLS_READ_MEMBERS = env_bool("LINGUA_POOLS_READ_MEMBERS", default=True)
# Make pools of languages by themselves; off, configured capability pools count, else hash buckets.
LINGUA_POOLS_AUTO_LANGUAGE = env_bool("LINGUA_POOLS_AUTO_LANGUAGE", default=True)
# Make a pool for each language pair that most nodes serve, beside the sets nodes declare.
LINGUA_POOLS_GENERATE_PAIRS = env_bool("LINGUA_POOLS_GENERATE_PAIRS", default=False)
# Whether a generated pair serves one direction or both.
LINGUA_POOLS_NAMING = env_str(
    "LINGUA_POOLS_NAMING", default="pair", choices=("pair", "bidirectional")
)
# Nodes a generated pair needs.
LINGUA_POOLS_MIN_NODES = env_int("LINGUA_POOLS_MIN_NODES", default=1, minimum=1)
# Most generated pairs, and most sets.
LINGUA_POOLS_MAX = env_int("LINGUA_POOLS_MAX", default=50, minimum=1)
# Nodes without semantic repair of a language are in none of its pools.
LINGUA_POOLS_REQUIRE_SEMANTIC = env_bool("LINGUA_POOLS_REQUIRE_SEMANTIC", default=True)
# Make pools for speakers whose language is not known.
LINGUA_POOLS_ENABLE_MIXED = env_bool("LINGUA_POOLS_ENABLE_MIXED", default=True)
# Hash buckets when no pool is configured; a change moves nodes between them.
LINGUA_POOLS_BUCKETS = env_int("LINGUA_POOLS_BUCKETS", default=16, minimum=1, maximum=1024)
# Another seed spreads keys over pools and buckets in another way.
LINGUA_POOLS_HASH_SEED = env_int("LINGUA_POOLS_HASH_SEED", default=0)
# Which of a job's services a capability pool must offer: asr, nmt and tts, or all.
LINGUA_POOLS_MATCH_SCOPE = env_str(
    "LINGUA_POOLS_MATCH_SCOPE", default="core_only", choices=("core_only", "all_required")
)
# Whether a capability pool may offer more than a job needs.
LINGUA_POOLS_MATCH_MODE = env_str(
    "LINGUA_POOLS_MATCH_MODE", default="contains", choices=("contains", "exact")
)
# Refuse a job without an eligible pool at once; off, it is tried wherever it can be served.
LINGUA_POOLS_STRICT = env_bool("LINGUA_POOLS_STRICT", default=False)
# Try the other eligible pools when the first has no room.
LINGUA_POOLS_FALLBACK_SCAN_ALL = env_bool("LINGUA_POOLS_FALLBACK_SCAN_ALL", default=True)
# Choose pools by the hash of tenant or session and look at every member, as before sampling.
LINGUA_SESSION_AFFINITY = env_bool("LINGUA_SESSION_AFFINITY", default=False)
# Let a tenant whose own pool is missing go where everyone goes; off keeps tenants apart.
LINGUA_TENANT_FALLBACK = env_bool("LINGUA_TENANT_FALLBACK", default=False)
# Refuse a job whose designated node cannot take it; off, another node may.
LINGUA_STRICT_PREFERRED_NODE = env_bool("LINGUA_STRICT_PREFERRED_NODE", default=False)
# How long later parts of one turn go to the node that has the earlier ones.
LINGUA_TURN_AFFINITY_S = env_int("LINGUA_TURN_AFFINITY_S", default=300, minimum=1)
# How long the members of a pool are believed when no event said they changed.
LINGUA_POOL_MEMBERS_FRESH_MS = env_int("LINGUA_POOL_MEMBERS_FRESH_MS", default=5000, minimum=100)
# How late the pool configuration can be followed when no event said it changed.
LINGUA_POOL_CHECK_MS = env_int("LINGUA_POOL_CHECK_MS", default=10_000, minimum=100)
# How long the leader of pools may be silent before another instance leads.
LINGUA_POOL_LEADER_TTL_S = env_float("LINGUA_POOL_LEADER_TTL_S", default=15, minimum=3)
# How often empty pools and nodes that are gone are cleared away.
LINGUA_POOL_CLEANUP_S = env_float("LINGUA_POOL_CLEANUP_S", default=60, minimum=1)
# Reports of missing models that may wait to be handled; more are dropped and counted.
LINGUA_ABSENCE_QUEUE_MAX = env_int("LINGUA_ABSENCE_QUEUE_MAX", default=10_000, minimum=1)
# How long the same missing model is not looked into again.
LINGUA_ABSENCE_DEBOUNCE_S = env_int("LINGUA_ABSENCE_DEBOUNCE_S", default=5, minimum=1, maximum=60)
# Window in which one node's reports of missing models are counted.
LINGUA_ABSENCE_WINDOW_S = env_int("LINGUA_ABSENCE_WINDOW_S", default=10, minimum=1, maximum=300)
# Reports one node may make in a window; more change nothing.
LINGUA_ABSENCE_MAX_PER_WINDOW = env_int("LINGUA_ABSENCE_MAX_PER_WINDOW", default=30, minimum=1)
# Avoid the node a session used last.
LINGUA_SPREAD_ENABLED = env_bool("LINGUA_SPREAD_ENABLED", default=False)
# How long a session's last node is avoided.
LINGUA_SPREAD_WINDOW_S = env_float("LINGUA_SPREAD_WINDOW_S", default=30)
