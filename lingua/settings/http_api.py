"""Settings of work over HTTP: nodes and speakers without a socket, and web hooks.

A part of `lingua.settings`, which takes all of it over; read by nobody else.
"""

from lingua.settings.env import env_float, env_int
from lingua.settings.env_addresses import env_receivers

# Time without a request after which a node that works over HTTP is taken for gone.
LINGUA_NODE_POLL_IDLE_S = env_float("LINGUA_NODE_POLL_IDLE_S", default=10, minimum=0.1)
# How long audio is kept that was sent ahead of the utterances that name it.
LINGUA_AUDIO_REF_TTL_S = env_int("LINGUA_AUDIO_REF_TTL_S", default=300, minimum=1)
# Audio that one principal may send ahead within that time, on all instances together.
LINGUA_PRINCIPAL_KEPT_BYTES = env_int(
    "LINGUA_PRINCIPAL_KEPT_BYTES", default=64 * 1024 * 1024, minimum=1024
)
# Jobs that one principal may have under way over HTTP, on each instance.
LINGUA_PRINCIPAL_MAX_HTTP_JOBS = env_int("LINGUA_PRINCIPAL_MAX_HTTP_JOBS", default=500, minimum=1)
# Web hooks of one principal that one instance tells at once; further ones are told a little later.
LINGUA_PRINCIPAL_MAX_HOOKS = env_int("LINGUA_PRINCIPAL_MAX_HOOKS", default=8, minimum=1)
# Hosts, or host:port, that web hooks may go to over plain HTTP and at private addresses; to any
# other they go by https and to public addresses alone.
LINGUA_HOOK_HOSTS = env_receivers("LINGUA_HOOK_HOSTS")
# How long the receiver of a web hook may take to answer.
LINGUA_HOOK_TIMEOUT_S = env_float("LINGUA_HOOK_TIMEOUT_S", default=10, minimum=0.1)
# How often a web hook is tried, at waits that double from 1 s to 60 s, before it is given up.
LINGUA_HOOK_MAX_TRIES = env_int("LINGUA_HOOK_MAX_TRIES", default=8, minimum=1)
