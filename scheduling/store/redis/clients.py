"""Clients of Redis, wherever it is: one server, a master behind Sentinels, or a cluster."""

from collections.abc import Sequence
from typing import Any

import redis.asyncio
from channels_streams.redis.cluster import ClusterClient
from channels_streams.redis.sentinels import make_pool, read_address, read_credentials
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

_RETRY_AFTER_S = 0.05


def open_client(
    *,
    url: str,
    cluster_urls: Sequence[str],
    sentinel_urls: Sequence[str] = (),
    timeout_s: float,
    connect_timeout_s: float,
) -> "redis.asyncio.Redis | ClusterClient":
    """Return a client of one Redis, or of the cluster whose masters are named; nothing is sent yet.

    With Sentinels `url` has the name that they know the master by in place of a host. A command is
    sent a second time when its reply was lost, then given up.
    """
    shared: dict[str, Any] = {
        "decode_responses": True,
        "retry": Retry(ConstantBackoff(_RETRY_AFTER_S), 1),
        "socket_timeout": timeout_s,
        "socket_connect_timeout": connect_timeout_s,
    }
    if cluster_urls:
        masters: list[dict[str, Any]] = [dict(parse_url(address)) for address in cluster_urls]
        return ClusterClient(
            startup_nodes=[ClusterNode(each["host"], each["port"]) for each in masters],
            **_read_secrets(cluster_urls[0], masters[0]),
            **shared,
        )
    return _open_one(url, sentinel_urls, shared)


def open_listener(
    *,
    url: str,
    cluster_urls: Sequence[str],
    sentinel_urls: Sequence[str] = (),
    connect_timeout_s: float,
) -> "redis.asyncio.Redis":
    """Return a client whose connection may block for long; of a cluster any master will do."""
    shared = {"decode_responses": True, "socket_connect_timeout": connect_timeout_s}
    return _open_one(cluster_urls[0] if cluster_urls else url, sentinel_urls, shared)


def _open_one(
    url: str, sentinel_urls: Sequence[str], shared: dict[str, Any]
) -> "redis.asyncio.Redis":
    if not sentinel_urls:
        return redis.asyncio.Redis.from_url(url, **shared)
    # One that has gone with its master's machine holds nobody up for longer than a connect may.
    timeouts = dict.fromkeys(("timeout_s", "connect_timeout_s"), shared["socket_connect_timeout"])
    address = read_address(url, sentinel_urls)
    return redis.asyncio.Redis.from_pool(
        make_pool(address, **timeouts, **{**read_credentials(url), **shared})
    )


def _read_secrets(url: str, parsed: dict[str, Any]) -> dict[str, Any]:
    """Return who we are to every master, and whether it is asked over TLS: as the first is."""
    secrets = {
        name: value
        for name, value in parsed.items()
        if name in {"username", "password"} or name.startswith("ssl_")
    }
    return {**secrets, "ssl": True} if url.startswith("rediss:") else secrets
