"""Settings of security: who may come in, how much of what, and what HTTPS changes.

A part of `lingua.settings`, which takes all of it over; read by nobody else.
"""

from lingua.settings.env import env_bool, env_float, env_int, env_list, env_networks
from lingua.settings.env_addresses import env_origins

# Who may come in ---------------------------------------------------------------------------------

# Nodes must show a bearer token. Off only while LINGUA_HOST is loopback.
LINGUA_NODE_AUTH = env_bool("LINGUA_NODE_AUTH", default=False)
# Sessions must show an API token or a ticket. Off only while LINGUA_HOST is loopback.
LINGUA_SESSION_AUTH = env_bool("LINGUA_SESSION_AUTH", default=False)

# Web pages of elsewhere that may open a session socket: origins with scheme. Empty: pages served
# under a name of ALLOWED_HOSTS, whatever their port.
LINGUA_SESSION_ORIGINS = env_origins("LINGUA_SESSION_ORIGINS")
# How long a ticket from /api/v1/tickets may be used, once.
LINGUA_TICKET_TTL_S = env_int("LINGUA_TICKET_TTL_S", default=30, minimum=1, maximum=600)
# How long a ticket to listen in a room may be used, as often as anybody shows it.
LINGUA_LISTEN_TICKET_TTL_S = env_int(
    "LINGUA_LISTEN_TICKET_TTL_S", default=43_200, minimum=60, maximum=604_800
)
# How often open sockets are checked for a revoked credential: the most a revocation can be late.
LINGUA_REVOCATION_CHECK_MS = env_int(
    "LINGUA_REVOCATION_CHECK_MS", default=500, minimum=50, maximum=2000
)
# How long sockets go by a credential that was published when the database does not answer.
LINGUA_CREDENTIAL_TTL_S = env_int("LINGUA_CREDENTIAL_TTL_S", default=604_800, minimum=120)
# Sockets one principal may have open at once, on all instances together.
LINGUA_PRINCIPAL_MAX_CONNECTIONS = env_int(
    "LINGUA_PRINCIPAL_MAX_CONNECTIONS", default=1_000, minimum=1
)
# Sockets one principal may open a second over a longer while.
LINGUA_CONNECTS_PER_SECOND = env_float("LINGUA_CONNECTS_PER_SECOND", default=20, minimum=0.01)
# Sockets one principal may open at once before the rate counts.
LINGUA_CONNECT_BURST = env_int("LINGUA_CONNECT_BURST", default=200, minimum=1)
# Requests to pages and the API one principal, or one address without a credential, may send an
# instance a second.
LINGUA_REQUESTS_PER_SECOND = env_float("LINGUA_REQUESTS_PER_SECOND", default=20, minimum=0.01)
# Requests to pages and the API one principal may send an instance at once before the rate counts.
LINGUA_REQUEST_BURST = env_int("LINGUA_REQUEST_BURST", default=100, minimum=1)
# Requests under /v1/ that one principal may send a second: what speakers and nodes without a
# socket do.
LINGUA_WORK_REQUESTS_PER_SECOND = env_float(
    "LINGUA_WORK_REQUESTS_PER_SECOND", default=200, minimum=0.01
)
# Requests under /v1/ that one principal may send at once before the rate counts.
LINGUA_WORK_REQUEST_BURST = env_int("LINGUA_WORK_REQUEST_BURST", default=500, minimum=1)
# Node ids one principal whose token names none may hold at once, on all instances together; one is
# held while it is used, and for LINGUA_NODE_STALE_S after.
LINGUA_PRINCIPAL_MAX_NODE_IDS = env_int("LINGUA_PRINCIPAL_MAX_NODE_IDS", default=1_000, minimum=1)
# Frames a second all sockets of one principal may send an instance; a whole utterance counts as
# ten. Beyond, they are read no faster, and asked to slow down.
LINGUA_PRINCIPAL_FRAME_RATE_PER_S = env_float(
    "LINGUA_PRINCIPAL_FRAME_RATE_PER_S", default=5_000, minimum=1
)
# Frames they may send at once before the rate counts.
LINGUA_PRINCIPAL_FRAME_BURST = env_int("LINGUA_PRINCIPAL_FRAME_BURST", default=10_000, minimum=1)
# Sessions one socket may carry at once.
LINGUA_SOCKET_MAX_SESSIONS = env_int("LINGUA_SOCKET_MAX_SESSIONS", default=64, minimum=1)
# Wrong tokens and tickets one address may show a second; beyond, nothing it shows is looked up.
LINGUA_WRONG_CREDENTIALS_PER_SECOND = env_float(
    "LINGUA_WRONG_CREDENTIALS_PER_SECOND", default=1, minimum=0.001
)
# Wrong tokens and tickets, and logins, one address may show at once before the rate counts.
LINGUA_WRONG_CREDENTIAL_BURST = env_int("LINGUA_WRONG_CREDENTIAL_BURST", default=20, minimum=1)
# Wrong passwords of one name from one address before each costs a wait, which doubles from 1 s on.
LINGUA_LOGIN_FREE_TRIES = env_int("LINGUA_LOGIN_FREE_TRIES", default=3, minimum=1)
# The longest of those waits.
LINGUA_LOGIN_MAX_WAIT_S = env_int("LINGUA_LOGIN_MAX_WAIT_S", default=900, minimum=1)
# Networks of the proxies before us, such as 10.0.0.0/8: what they say in X-Forwarded-For of whom
# they speak for is believed. Without them every client of a proxy shares one address.
LINGUA_TRUSTED_PROXIES = env_networks("LINGUA_TRUSTED_PROXIES")
# How long a connection may take to send the head of a request, and an opening handshake to end.
LINGUA_HANDSHAKE_TIMEOUT_S = env_float("LINGUA_HANDSHAKE_TIMEOUT_S", default=10, minimum=0.1)
# How long the body of a request, a message on a socket, or the reading of an answer may stand
# still; over the whole it must come at 8 KiB a second.
LINGUA_STALL_TIMEOUT_S = env_float("LINGUA_STALL_TIMEOUT_S", default=20, minimum=0.1)
# What one instance keeps of bodies and messages that have not ended; beyond, the peer who began
# first is dropped.
LINGUA_MAX_UNFINISHED_BYTES = env_int(
    "LINGUA_MAX_UNFINISHED_BYTES", default=128 * 1024 * 1024, minimum=1024 * 1024
)

# Networks whose scrapers need no token while LINGUA_SESSION_AUTH is on, such as 10.0.0.0/8. A
# proxy's own address lets everybody in who comes through it.
LINGUA_METRICS_ALLOW = env_networks("LINGUA_METRICS_ALLOW")

# Keys that signed before SECRET_KEY was changed: what they signed stays good while they are here.
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")

# HTTPS -------------------------------------------------------------------------------------------

# On behind a proxy that ends TLS and sets X-Forwarded-Proto: plain HTTP is sent to HTTPS, cookies
# travel on HTTPS alone, browsers remember that. Off on a laptop, where nobody could log in.
LINGUA_HTTPS = env_bool("LINGUA_HTTPS", default=False)
# How long browsers remember to use HTTPS only, with all subdomains.
LINGUA_HSTS_S = env_int("LINGUA_HSTS_S", default=31_536_000, minimum=1)

SESSION_COOKIE_SECURE = LINGUA_HTTPS
CSRF_COOKIE_SECURE = LINGUA_HTTPS
LANGUAGE_COOKIE_SECURE = LINGUA_HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = LINGUA_HTTPS
# Probes and scrapers come from inside, without the proxy.
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$", r"^metrics$"]
# Only with HTTPS on: whoever reaches us past the proxy could send the header, too.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if LINGUA_HTTPS else None
SECURE_HSTS_SECONDS = LINGUA_HSTS_S if LINGUA_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = LINGUA_HTTPS
SECURE_HSTS_PRELOAD = LINGUA_HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# What Django's error pages show of settings: no password, not even one inside a URL.
DEFAULT_EXCEPTION_REPORTER_FILTER = "lingua.settings.redaction.SecretsFilter"
