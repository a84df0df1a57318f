"""What `manage.py doctor` finds of Redis: its Sentinels, itself, each master of a cluster."""

import dataclasses
from collections.abc import Iterator, Sequence

from lingua.commands.findings import Finding, Level
from scheduling.store.inspection import RedisState, inspect
from scheduling.store.redis.sentinel_states import inspect_sentinels

_OLDEST_REDIS = (6, 2)
_SLOW_PING_MS = 5.0
_SKEW_MS = 500
_ALL_SLOTS = 16_384
_LITTLE_PERCENT = 10.0
_ADVICE = (
    ("NOAUTH", "Put its password into REDIS_URL: redis://:PASSWORD@HOST:PORT/0"),
    ("WRONGPASS", "Correct user and password in REDIS_URL."),
    ("NOPERM", "Allow it to this user: ACL SETUSER … ~PREFIX:* &PREFIX:* +@all -@dangerous +info"),
    ("READONLY", "Point REDIS_URL at its master: a replica takes no writes."),
    ("OOM", "CONFIG SET maxmemory to more: a full Redis refuses every utterance."),
    ("MISCONF", "Make room on its disk, and look into its log: until then it takes no writes."),
    ("NOREPLICAS", "Bring its replicas back, or lower min-replicas-to-write."),
    ("LOADING", "Wait until it has read its files."),
    ("no Sentinel", "Look at the Sentinels above: without them nobody knows where Redis is."),
    ("certificate", "Let it be trusted: rediss://…?ssl_ca_certs=FILE, and a name it is made for."),
    ("TLS", "Say rediss:// where Redis speaks TLS, and redis:// where it does not."),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """What must hold of a Redis; `level` is how bad it is where it does not."""

    what: str
    holds: bool
    level: Level
    seen: str
    advice: str


def examine_redis(
    urls: Sequence[str],
    *,
    sentinel_urls: Sequence[str],
    is_embedded: bool,
    timeout_s: float,
    probe_key: str,
) -> Iterator[Finding]:
    """Yield findings of each Redis, after those of the Sentinels that know it."""
    if sentinel_urls:
        yield from _look_at_sentinels(urls[0], sentinel_urls, timeout_s)
    states = inspect(urls, sentinel_urls=sentinel_urls, timeout_s=timeout_s, probe_key=probe_key)
    for state in states:
        name = f"redis {state.address}"
        if state.problem and is_embedded:
            yield Finding(check=name, level="ok", seen="not running: serve starts and stops it")
        elif state.problem:
            yield Finding(
                check=name,
                level="fail",
                seen=state.problem,
                advice=_advise(state.problem),
            )
        else:
            yield from _judge_redis(name, state)


def _look_at_sentinels(
    url: str, sentinel_urls: Sequence[str], timeout_s: float
) -> Iterator[Finding]:
    """Look whether each knows the master, and another that can take its place."""
    for state in inspect_sentinels(url, sentinel_urls, timeout_s=timeout_s):
        level: Level = "ok" if state.replicas else "warn"
        advice = "" if state.replicas else "Add a replica that takes the place of a lost master."
        seen = f"master at {state.master}, {state.replicas} replicas"
        if state.problem:
            level, seen = "fail", state.problem
            advice = "Start it, or correct REDIS_SENTINEL_URLS and the master's name in REDIS_URL."
        yield Finding(check=f"sentinel {state.address}", level=level, seen=seen, advice=advice)


def _judge_redis(name: str, state: RedisState) -> Iterator[Finding]:
    rules = [*_list_rules(state), *(_list_cluster_rules(state) if state.cluster_state else ())]
    for rule in rules:
        yield Finding(
            check=f"{name} {rule.what}",
            level="ok" if rule.holds else rule.level,
            seen=rule.seen,
            advice="" if rule.holds else rule.advice,
        )


def _advise(words: str) -> str:
    """Return what to do about what Redis, or the way to it, said."""
    for beginning, advice in _ADVICE:
        if words.startswith(beginning):
            return advice
    return "Start it, or correct REDIS_URL: without it every utterance is refused."


def _list_rules(state: RedisState) -> Iterator[_Rule]:
    """Yield what must hold of every server."""
    version = tuple(int(part) for part in state.version.split(".")[:2])
    yield _Rule(
        what="version",
        holds=version >= _OLDEST_REDIS,
        level="fail",
        seen=state.version,
        advice="Upgrade to 6.2 or newer.",
    )
    yield _Rule(
        what="role",
        holds=state.role in {"", "master"},
        level="fail",
        seen="replica" if state.role == "slave" else state.role or "master",
        advice="Point REDIS_URL at its master: a replica takes no writes, or loses them.",
    )
    yield _Rule(
        what="writes",
        holds=not state.write_refusal,
        level="fail",
        seen=state.write_refusal or "a key was written and deleted",
        advice=_advise(state.write_refusal),
    )
    yield _Rule(
        what="disk",
        holds=not state.disk_trouble,
        level="fail",
        seen=state.disk_trouble or "its last writes to disk went well",
        advice="Look into its log: a full disk ends all writes, or loses jobs at a restart.",
    )
    yield _Rule(
        what="memory",
        holds=state.memory_left_percent >= _LITTLE_PERCENT,
        level="warn",
        seen=f"{state.memory_left_percent:.0f} % of maxmemory left"
        if state.has_memory_limit
        else "no limit",
        advice="CONFIG SET maxmemory to more: a full Redis refuses every utterance.",
    )
    yield _Rule(
        what="eviction",
        holds=state.eviction in {"", "noeviction"} or not state.has_memory_limit,
        level="fail",
        seen=f"maxmemory-policy {state.eviction}",
        advice="CONFIG SET maxmemory-policy noeviction: an evicted key is a lost job.",
    )
    yield _Rule(
        what="persistence",
        holds=state.is_kept_on_disk,
        level="warn",
        seen="on disk" if state.is_kept_on_disk else "in memory alone",
        advice="CONFIG SET appendonly yes: a restart would end the jobs under way.",
    )
    yield _Rule(
        what="latency",
        holds=state.slowest_ping_ms < _SLOW_PING_MS,
        level="warn",
        seen=f"slowest round trip {state.slowest_ping_ms:.1f} ms",
        advice="Put it nearer, or find what blocks it (SLOWLOG GET): a dispatch waits once for it.",
    )
    yield _Rule(
        what="clock",
        holds=abs(state.ahead_ms) < _SKEW_MS,
        level="warn",
        seen=f"{state.ahead_ms} ms ahead of this host",
        advice="Run an NTP client on both: moments in logs and pages will not fit.",
    )
    refused = ", ".join(state.refused_scripts)
    yield _Rule(
        what="scripts",
        holds=not refused,
        level="fail",
        seen=f"refused: {refused}" if refused else "all load",
        advice="Allow EVAL, EVALSHA and SCRIPT to this user (ACL SETUSER … +@scripting).",
    )


def _list_cluster_rules(state: RedisState) -> Iterator[_Rule]:
    """Yield what must hold of a master besides."""
    yield _Rule(
        what="cluster",
        holds=state.cluster_state == "ok" and state.slots_served == _ALL_SLOTS,
        level="fail",
        seen=f"{state.cluster_state}, {state.slots_served} of {_ALL_SLOTS} slots",
        advice="redis-cli --cluster fix: jobs of the other slots are refused.",
    )
