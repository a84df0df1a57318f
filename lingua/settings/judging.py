"""The settings of how nodes are judged by their work: a part of `lingua.settings`."""

from lingua.settings.env import env_float, env_int, env_str

# How much of its own failures puts a node on probation; 0: nodes are not judged.
LINGUA_NODE_FAULTS = env_int("LINGUA_NODE_FAULTS", default=3, minimum=0)
# And how large their part of what it ended must be.
LINGUA_NODE_FAULTS_PERCENT = env_int(
    "LINGUA_NODE_FAULTS_PERCENT", default=50, minimum=1, maximum=100
)
# After so long an outcome counts half as much.
LINGUA_NODE_FAULTS_HALF_LIFE_S = env_float("LINGUA_NODE_FAULTS_HALF_LIFE_S", default=60, minimum=1)
# A node that just failed a job comes after all others for so long.
LINGUA_NODE_REST_MS = env_int("LINGUA_NODE_REST_MS", default=1_000, minimum=0)
# Good jobs in a row that end a probation.
LINGUA_NODE_PROBATION_JOBS = env_int("LINGUA_NODE_PROBATION_JOBS", default=3, minimum=1)
# A probation without a failure ends after so long.
LINGUA_NODE_PROBATION_S = env_float("LINGUA_NODE_PROBATION_S", default=60, minimum=0.1)
# A node's first quarantine; each further one in a row lasts twice as long.
LINGUA_NODE_QUARANTINE_S = env_float("LINGUA_NODE_QUARANTINE_S", default=30, minimum=0.1)
# The longest quarantine, and the one that operators give.
LINGUA_NODE_QUARANTINE_MAX_S = env_float("LINGUA_NODE_QUARANTINE_MAX_S", default=600, minimum=0.1)
# A node that is new, or back from quarantine, has its whole share after so long; 0: at once.
LINGUA_NODE_SLOW_START_S = env_float("LINGUA_NODE_SLOW_START_S", default=10, minimum=0)
# What nodes are ranked by: how long they take for a job, then load; or load alone.
LINGUA_RANK = env_str("LINGUA_RANK", default="speed", choices=("speed", "load"))
# An idle node is probed each so often, and when it joins; 0: never.
LINGUA_NODE_PROBE_INTERVAL_S = env_float("LINGUA_NODE_PROBE_INTERVAL_S", default=300, minimum=0)
# Jobs of a node that joined until a probe proves it, while others can serve; 0, or where nobody
# is probed: any number.
LINGUA_NODE_UNTRIED_JOBS = env_int("LINGUA_NODE_UNTRIED_JOBS", default=5, minimum=0)
# A node that failed a probe is probed again after so long.
LINGUA_NODE_PROBE_AGAIN_S = env_float("LINGUA_NODE_PROBE_AGAIN_S", default=1, minimum=0.05)
# A job with a deadline ends so much before it, that the answer arrives in time.
LINGUA_DEADLINE_MARGIN_MS = env_int("LINGUA_DEADLINE_MARGIN_MS", default=100, minimum=0)
# At most so many of a hundred jobs go to a second node, for their own takes long; 0: none.
LINGUA_HEDGE_PERCENT = env_float("LINGUA_HEDGE_PERCENT", default=2, minimum=0, maximum=100)
