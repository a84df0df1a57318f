"""Hosts, origins and addresses from the environment: one that nothing could ever match is refused.

A value that may hold a password is not repeated.
"""

import contextlib
import ipaddress
import re
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ImproperlyConfigured

from lingua.settings.env import env_list, env_str, refuse

_NAME = r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?"
_BRACKETED = r"\[[0-9a-f:.]+\]"
_HOST = re.compile(rf"\*|\.?{_NAME}|{_BRACKETED}", re.IGNORECASE)
_RECEIVER = re.compile(rf"(?:{_NAME}|{_BRACKETED})(?::\d{{1,5}})?", re.IGNORECASE)
_LISTENING = re.compile(rf"{_NAME}|{_BRACKETED}|[0-9a-f:.]+", re.IGNORECASE)
_ORIGIN = re.compile(
    rf"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>(?:\*\.)?{_NAME}|{_BRACKETED})(?::(?P<port>\d{{1,5}}))?"
)
_MASTER = re.compile(r"[A-Za-z0-9._-]+")
_USUAL_PORTS = {"http": "80", "https": "443"}
_REDIS_SCHEMES = frozenset({"redis", "rediss", "unix"})


def env_hosts(name: str, *, default: tuple[str, ...]) -> list[str]:
    """Return names that we are asked by, as Django's ALLOWED_HOSTS has them.

    :raises ImproperlyConfigured: one has a scheme, a port, a path, or letters no browser sends
    """
    allowed = (
        "names without scheme, port and path, such as talk.example.org, .example.org or [::1] "
        "(a name in other letters as browsers send it: xn--…)"
    )
    return _read_all(name, _HOST, allowed, default=default)


def env_receivers(name: str) -> list[str]:
    """Return hosts that we may connect to, each with its port or without.

    :raises ImproperlyConfigured: one has a scheme or a path
    """
    return _read_all(name, _RECEIVER, "host or host:port, without scheme and path")


def env_origins(name: str, *, with_subdomains: bool = False) -> list[str]:
    """Return origins of pages as browsers spell them: in small letters, without the usual port.

    `with_subdomains` takes https://*.example.org for all of them.

    :raises ImproperlyConfigured: one has no scheme, or more than scheme, host and port
    """
    origins = []
    for text in env_list(name):
        found = _ORIGIN.fullmatch(text.lower().removesuffix("/"))
        if found is None or ("*" in found["host"] and not with_subdomains):
            raise refuse(name, text, "origins of pages, such as https://talk.example.org")
        is_usual = found["port"] in {None, _USUAL_PORTS.get(found["scheme"])}
        port = "" if is_usual else f":{found['port']}"
        origins.append(f"{found['scheme']}://{found['host']}{port}")
    return origins


def env_listening_host(name: str, *, default: str) -> str:
    """Return an address to listen on.

    :raises ImproperlyConfigured: it has a scheme, a port or a path
    """
    text = env_str(name, default=default)
    is_one = _LISTENING.fullmatch(text) is not None
    if is_one and ":" in text:
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(text.strip("[]"))
            return text
        is_one = False
    if not is_one:
        raise refuse(name, text, "an address or a name, such as 127.0.0.1; its port is LINGUA_PORT")
    return text


def env_http_url(name: str) -> str:
    """Return the address of a web server, ``""`` where the variable is not set.

    :raises ImproperlyConfigured: it is none
    """
    return _read_url(
        name,
        lambda url: url.scheme in _USUAL_PORTS and bool(url.hostname) and url.port != 0,
        "https://host or http://host:port",
    )


def env_redis_url(name: str) -> str:
    """Return the address of one Redis, ``""`` where the variable is not set.

    :raises ImproperlyConfigured: it is none
    """
    return _read_url(name, _is_redis, "redis://host:port/0")


def env_redis_masters(name: str) -> list[str]:
    """Return the addresses of some masters of a cluster.

    :raises ImproperlyConfigured: one has no host or no port, or names a database
    """
    urls = env_list(name)
    for url in urls:
        with contextlib.suppress(ValueError):
            parts = urlsplit(url)
            if _is_redis(parts) and parts.hostname and parts.port and parts.path in {"", "/", "/0"}:
                continue
        raise refuse_secret(name, "redis://host:port, with commas between masters")
    return urls


def env_redis_sentinels(name: str) -> list[str]:
    """Return the addresses of Sentinels, each with its port or on the usual one.

    :raises ImproperlyConfigured: one has no host, or a database
    """
    urls = env_list(name)
    for url in urls:
        with contextlib.suppress(ValueError):
            parts = urlsplit(url)
            if _is_redis(parts) and parts.hostname and parts.path in {"", "/"}:
                continue
        raise refuse_secret(name, "redis://host:26379, with commas between Sentinels")
    return urls


def env_redis_behind_sentinels(name: str) -> str:
    """Return what says which master Sentinels are asked for: its name stands in place of a host.

    :raises ImproperlyConfigured: it is not set, or names a port or a socket
    """
    url = env_redis_url(name)
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme != "unix" and _MASTER.fullmatch(parts.netloc.rpartition("@")[2]):
            return url
    raise refuse_secret(
        name,
        "redis://:password@mymaster/0 where REDIS_SENTINEL_URLS is set: the name by which "
        "Sentinels know the master, without a port",
    )


def refuse_secret(name: str, allowed: str) -> ImproperlyConfigured:
    """Return what to raise for a value that must not be shown."""
    return ImproperlyConfigured(
        f"{name} is not allowed: it must be {allowed}; in a password, @ : / ? # [ ] and % are "
        "written as %40 %3A %2F %3F %23 %5B %5D %25"
    )


def is_whole(url: SplitResult) -> bool:
    """Say whether no part of a password got behind its host, where it would be told as a name."""
    return "@" not in f"{url.path}{url.query}" and not url.fragment


def _is_redis(url: SplitResult) -> bool:
    if url.scheme not in _REDIS_SCHEMES or not is_whole(url):
        return False
    # Whoever asks for the port is told of one that is none.
    database = url.path.removeprefix("/")
    return url.scheme == "unix" or (url.port != 0 and (not database or database.isdecimal()))


def _read_url(name: str, is_one: Callable[[SplitResult], bool], allowed: str) -> str:
    url = env_str(name, default="")
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if not url or (is_one(parts) and is_whole(parts)):
            return url
    raise refuse_secret(name, allowed)


def _read_all(
    name: str, pattern: re.Pattern[str], allowed: str, *, default: tuple[str, ...] = ()
) -> list[str]:
    texts = env_list(name, default=default)
    for text in texts:
        if pattern.fullmatch(text) is None:
            raise refuse(name, text, allowed)
    return texts
