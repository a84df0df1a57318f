"""Settings of single sign-on: who tells who an operator is, and what that makes of one.

A part of `lingua.settings`, which takes all of it over; read by nobody else.
"""

import importlib.util
import re

from django.core.exceptions import ImproperlyConfigured

from lingua.settings.addresses import is_loopback
from lingua.settings.env import env_int, env_list, env_str, refuse
from lingua.settings.env_addresses import env_http_url

_ROLES = ("viewer", "operator", "admin")
_TENANT = re.compile(r"tenant:[A-Za-z0-9._-]{1,64}")

# The provider of OpenID Connect that operators log in at; empty: names and passwords alone. It
# needs requirements-oidc.txt, and is asked over https, on loopback over http as well.
LINGUA_OIDC_ISSUER = env_http_url("LINGUA_OIDC_ISSUER")
# What the provider calls us.
LINGUA_OIDC_CLIENT_ID = env_str("LINGUA_OIDC_CLIENT_ID", default="")
# What we show the provider; told nobody else.
LINGUA_OIDC_CLIENT_SECRET = env_str("LINGUA_OIDC_CLIENT_SECRET", default="")
# The claim of an identity token that lists groups.
LINGUA_OIDC_CLAIM = env_str("LINGUA_OIDC_CLAIM", default="groups")
# Which group has which role: group=viewer, group=operator, group=admin, or group=tenant:acme for
# who reads what is that tenant's alone; comma-separated.
LINGUA_OIDC_ROLES = env_list("LINGUA_OIDC_ROLES")
# How long such a login lasts, whatever is done meanwhile; then the provider is asked again, and who
# lost a group there has lost its role here.
LINGUA_OIDC_SESSION_S = env_int("LINGUA_OIDC_SESSION_S", default=28_800, minimum=60)


def _read_roles(pairs: list[str]) -> dict[str, str]:
    roles = {}
    for pair in pairs:
        group, _, role = pair.rpartition("=")
        if not group or not (role in _ROLES or _TENANT.fullmatch(role)):
            allowed = f"group=role, with a role of {', '.join(_ROLES)} or tenant:name"
            raise refuse("LINGUA_OIDC_ROLES", pair, allowed)
        roles[group] = role
    return roles


def _check() -> None:
    """Refuse what would let nobody in, or anybody.

    :raises ImproperlyConfigured: it says what is missing
    """
    if not LINGUA_OIDC_ISSUER:
        return
    host = LINGUA_OIDC_ISSUER.partition("://")[2].partition("/")[0]
    if LINGUA_OIDC_ISSUER.startswith("http:") and not is_loopback(host.rpartition(":")[0] or host):
        raise ImproperlyConfigured("LINGUA_OIDC_ISSUER is not allowed: it must begin with https://")
    needed = {
        "LINGUA_OIDC_CLIENT_ID": LINGUA_OIDC_CLIENT_ID,
        "LINGUA_OIDC_CLIENT_SECRET": LINGUA_OIDC_CLIENT_SECRET,
        "LINGUA_OIDC_ROLES": LINGUA_OIDC_ROLES,
    }
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise ImproperlyConfigured(f"With LINGUA_OIDC_ISSUER set {' and '.join(missing)}, too.")
    if importlib.util.find_spec("authlib") is None or importlib.util.find_spec("requests") is None:
        raise ImproperlyConfigured(
            "LINGUA_OIDC_ISSUER needs more: pip install -r requirements-oidc.txt"
        )


OIDC_ROLES_BY_GROUP = _read_roles(LINGUA_OIDC_ROLES)
_check()
