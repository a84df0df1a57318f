"""Where Redis is, as channels_redis' `hosts` says it, and whether an address can be one."""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from redis.asyncio.connection import (
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)

from channels_streams.options import Options
from channels_streams.redis.sentinels import read_master_name

_SCHEMES = ("redis", "rediss", "unix")
_PAIR = 2
_LAST_PORT = 65_535
# As Sentinel takes them.
_NAME = re.compile(r"[A-Za-z0-9._-]+")
# The layer reads replies itself.
_NOT_OURS = {
    "decode_responses": "leave it out: messages are bytes",
    "protocol": "leave it out: the layer speaks RESP2",
    "connection_class": "leave it out: the layer makes its connections",
}


class RefusedHosts(Exception):
    """These hosts are nothing the layer can use; the words say what to write."""


def read_hosts(given: Any) -> dict[str, Any]:
    """Return the options that say the same as `hosts`.

    :raises RefusedHosts: it is nothing this layer can use
    """
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Sequence):
        raise RefusedHosts(f'a list, even of one: write "hosts": [{show(given)}]')
    if len(given) != 1:
        raise RefusedHosts(
            "several of them divide channels by a hash in channels_redis; here it is one, "
            'or a Redis Cluster: write "cluster_urls": ["redis://…", …]'
        )
    (entry,) = given
    if isinstance(entry, Mapping):
        return _read_mapping(dict(entry))
    if isinstance(entry, str):
        return {"url": entry}
    if isinstance(entry, list | tuple):
        return {"url": _spell(*_read_pair(entry))}
    raise RefusedHosts(f'"redis://host:6379/0", ("host", 6379) or a dictionary, not {show(entry)}')


def show(value: Any) -> str:
    """Return a value as somebody wrote it, but for passwords."""
    hidden = re.sub(r"//[^'\"\s]*@", "//…@", repr(value))
    return re.sub(r"(passw\w*['\"]:\s*)(['\"]).*?\2", r"\1'…'", hidden)


def find_faults(options: Options) -> list[str]:
    """List what is wrong with the address and with what the client is told."""
    if options.cluster_urls:
        faults = [fault for url in options.cluster_urls for fault in _check_cluster_url(url)]
        if options.sentinel_urls:
            faults.append("sentinel_urls: a cluster promotes its own replicas; leave them out")
    elif options.sentinel_urls:
        faults = [*_check_sentinel_urls(options)]
    elif options.sentinels:
        faults = []
    else:
        faults = [f"url: {fault}" for fault in _check_url(options.url)]
    secure = (*options.cluster_urls, options.url)[0].startswith("rediss:")
    faults += _check_options(options, secure=secure)
    return faults


def _read_mapping(entry: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    if "max_connections" in entry:
        read["max_connections"] = entry.pop("max_connections")
    if "sentinels" in entry or "master_name" in entry:
        return read | _read_sentinels(entry)
    if "address" in entry:
        return read | {"url": entry.pop("address"), "redis_options": entry}
    if isinstance(entry.get("path"), str):
        return read | {"url": f"unix://{entry.pop('path')}", "redis_options": entry}
    if "host" not in entry and "port" not in entry:
        raise RefusedHosts('a dictionary has "address", or "host" and "port", or "sentinels"')
    host, port = _read_pair((entry.pop("host", "localhost"), entry.pop("port", 6379)))
    secure, db = entry.pop("ssl", False), entry.pop("db", 0)
    return read | {"url": _spell(host, port, db=db, secure=bool(secure)), "redis_options": entry}


def _read_sentinels(entry: dict[str, Any]) -> dict[str, Any]:
    sentinels, master = entry.pop("sentinels", None), entry.pop("master_name", None)
    if not isinstance(master, str) or not master:
        raise RefusedHosts('sentinels need "master_name": "mymaster"')
    if isinstance(sentinels, str | bytes) or not isinstance(sentinels, Sequence) or not sentinels:
        raise RefusedHosts('"sentinels": [("host", 26379), …], a list of pairs')
    told = entry.pop("sentinel_kwargs", None) or {}
    if not isinstance(told, Mapping):
        raise RefusedHosts(f'"sentinel_kwargs": a dictionary, not {show(told)}')
    return {
        "sentinels": tuple(_read_pair(each) for each in sentinels),
        "master_name": master,
        "sentinel_options": dict(told),
        "redis_options": entry,
    }


def _read_pair(pair: Any) -> tuple[str, int]:
    if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != _PAIR:
        raise RefusedHosts(f'a pair as ("host", 6379), not {show(pair)}')
    host, port = pair
    if isinstance(port, str) and port.isdigit():
        port = int(port)
    if not isinstance(host, str) or not host or "://" in host:
        raise RefusedHosts(f'the host of a pair is a name as "redis.example", not {show(host)}')
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port <= _LAST_PORT:
        raise RefusedHosts(f"the port of {host!r} is a number up to 65535, not {port!r}")
    return host, port


def _spell(host: str, port: int, *, db: Any = 0, secure: bool = False) -> str:
    name = f"[{host}]" if ":" in host else quote(host)
    return f"{'rediss' if secure else 'redis'}://{name}:{port}/{db}"


def _check_url(url: Any) -> list[str]:
    if not isinstance(url, str) or not url:
        return [f'a text as "redis://host:6379/0", not {show(url)}']
    shown = _hide_password(url)
    if not url.startswith(tuple(f"{scheme}://" for scheme in _SCHEMES)):
        return [f"{shown!r} begins with none of redis://, rediss:// and unix://"]
    try:
        parts, told = urlsplit(url), dict(parse_url(url))
    except ValueError as error:
        return [f"{shown!r} is no address: {error}"]
    database = parts.path.strip("/")
    wrong = ""
    if parts.scheme == "unix":
        wrong = "" if told.get("path") else ' names no socket: "unix:///run/redis.sock"'
    elif not parts.hostname:
        wrong = " names no host"
    elif parts.port == 0:
        wrong = " names no port that can be"
    elif database and not database.isdecimal():
        wrong = f": behind the last / stands a database's number, not {database!r}"
    return [f"{shown!r}{wrong}"] if wrong else []


def _check_cluster_url(url: str) -> list[str]:
    faults = [f"cluster_urls: {fault}" for fault in _check_url(url)]
    if faults:
        return faults
    parts = urlsplit(url)
    if parts.path.strip("/") not in ("", "0"):
        return [f"cluster_urls: {_hide_password(url)!r}: a cluster has no database but 0"]
    if parts.query:
        return [f'cluster_urls: write "redis_options": {{…}} in place of ?{parts.query}']
    return []


def _check_sentinel_urls(options: Options) -> Iterator[str]:
    """Yield what is wrong with the name of the master and with the addresses of its Sentinels."""
    if faults := [f"url: {fault}" for fault in _check_url(options.url)]:
        yield from faults
    elif not _NAME.fullmatch(read_master_name(options.url)):
        yield (
            f"url: {_hide_password(options.url)!r}: beside sentinel_urls it has the name that "
            'they know the master by, without a port: "redis://:password@mymaster/0"'
        )
    for url in options.sentinel_urls:
        if faults := _check_url(url):
            yield from (f"sentinel_urls: {fault}" for fault in faults)
        elif url.startswith("unix:") or urlsplit(url).path.strip("/"):
            yield (
                f"sentinel_urls: {_hide_password(url)!r}: a Sentinel has a host and no database: "
                '"redis://:password@host:26379"'
            )


def _check_options(options: Options, *, secure: bool) -> list[str]:
    faults = [
        f"redis_options[{name!r}]: {words}"
        for name, words in _NOT_OURS.items()
        if name in options.redis_options
    ]
    told = {**options.redis_options}
    if not options.cluster_urls and not options.sentinels:
        query = dict(parse_url(options.url)) if not _check_url(options.url) else {}
        told |= {name: value for name, value in query.items() if name != "connection_class"}
    known = _list_parameters(secure=secure or bool(options.sentinels))
    known |= {"host", "port", "path", *_NOT_OURS}
    faults += [
        f"redis_options[{name!r}]: redis-py's connections do not know it; they take "
        f"username, password, db, socket_timeout, ssl_ca_certs and others"
        for name in told
        if name not in known
    ]
    return faults


def _list_parameters(*, secure: bool) -> set[str]:
    classes = [Connection, UnixDomainSocketConnection, *([SSLConnection] if secure else [])]
    return {
        name
        for each in classes
        for base in each.__mro__
        if "__init__" in vars(base)
        for name in inspect.signature(base).parameters
        if name not in ("self", "args", "kwargs")
    } | ({"ssl"} if secure else set())


def _hide_password(url: str) -> str:
    before, mark, after = url.rpartition("@")
    return f"…@{after}" if mark and before else url
