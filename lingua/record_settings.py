"""The settings of what is written down, a part of `lingua.settings`: the history of jobs."""

from lingua.env import env_int

# Days a job stays in the history after it ended; 0 keeps no history.
LINGUA_HISTORY_DAYS = env_int("LINGUA_HISTORY_DAYS", default=30, maximum=36_500)
# Jobs whose record outlives LINGUA_JOB_RETENTION_S in Redis while the database is away.
LINGUA_HISTORY_MAX_WAITING = env_int("LINGUA_HISTORY_MAX_WAITING", default=1_000_000)
