"""The settings of how large a fleet should be: a part of `lingua.settings`."""

from lingua.settings.env import env_float, env_int

# How long a job may wait for a slot: 95 of 100 wait less in a fleet of the target's size.
LINGUA_SCALING_WAIT_MS = env_int("LINGUA_SCALING_WAIT_MS", default=500, minimum=1)
# A target goes down once less was asked for so long; nobody is stopped before that was watched.
LINGUA_SCALING_DOWN_S = env_float("LINGUA_SCALING_DOWN_S", default=300, minimum=1)
