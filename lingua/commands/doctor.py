"""The checks of `manage.py doctor`: each looks at one thing and says what to do about it."""

import contextlib
import http.client
import importlib.util
import shutil
import socket
import sys
from collections.abc import Callable, Iterator

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

from lingua import settings
from lingua.commands.findings import Finding, judge_files
from lingua.commands.redis_findings import examine_redis
from lingua.serving.pending_migrations import count_missing_migrations
from lingua.settings.addresses import is_loopback
from lingua.settings.env import explain_unknown, is_set, list_unknown
from lingua.settings.private_files import list_open, list_written
from operators.db.token_models import ApiToken, NodeToken, Token
from scheduling.store.keys import Keys

_FEW_FILES = 4_096
_LITTLE_DISK_BYTES = 500 * 2**20


def examine(*, host: str, port: int) -> Iterator[Finding]:
    """Yield findings in the order in which they should be mended."""
    yield from _look_at_settings()
    yield from _look_at_authentication(host)
    yield from _look_at_redis()
    yield from _look_at_layer()
    yield from _look_at_database()
    yield _look_at_port(host, port)
    var = settings.LINGUA_VAR_DIR
    yield judge_files(var, open_to_others=list_open([var, *list_written(var)]))
    yield from _look_at_process()
    yield _look_at_disk()
    yield from _look_at_speech()


def _look_at_settings() -> Iterator[Finding]:
    unknown = list_unknown()
    if unknown:
        yield Finding(
            check="settings",
            level="warn",
            seen="; ".join(explain_unknown(name) for name in unknown),
            advice="Correct the name (docs/operations.md has all of them) or remove it.",
        )
    else:
        seen = "every variable that looks like a setting is one"
        yield Finding(check="settings", level="ok", seen=seen)
    if settings.DEBUG:
        yield Finding(
            check="debug",
            level="fail",
            seen="DEBUG is on",
            advice="Unset DEBUG: tracebacks with settings are shown to whoever asks.",
        )
    if not settings.LINGUA_REDIS_EMBEDDED and not is_set("SECRET_KEY"):
        yield Finding(
            check="secret key",
            level="warn",
            seen="SECRET_KEY is this directory's own",
            advice="Set the same SECRET_KEY on every instance, or logins end between them.",
        )


def _look_at_authentication(host: str) -> Iterator[Finding]:
    sides = (
        ("LINGUA_NODE_AUTH", settings.LINGUA_NODE_AUTH),
        ("LINGUA_SESSION_AUTH", settings.LINGUA_SESSION_AUTH),
    )
    off = [name for name, is_on in sides if not is_on]
    if not off:
        yield Finding(check="authentication", level="ok", seen="on for nodes and sessions")
        yield from _look_at_tokens()
    elif is_loopback(host):
        seen = f"{' and '.join(off)} off, on {host} alone"
        yield Finding(check="authentication", level="ok", seen=seen)
    else:
        yield Finding(
            check="authentication",
            level="fail",
            seen=f"{' and '.join(off)} off on {host}",
            advice="Set both to on, or LINGUA_HOST to 127.0.0.1: serve refuses to start like this.",
        )
    if settings.LINGUA_HTTPS:
        return
    secure = [each for each in settings.CSRF_TRUSTED_ORIGINS if each.startswith("https:")]
    if secure or not is_loopback(host):
        why = f"though pages come from {secure[0]}" if secure else f"on {host}"
        yield Finding(
            check="https",
            level="warn",
            seen=f"LINGUA_HTTPS is off {why}",
            advice="End TLS at a proxy (deploy/nginx) and set LINGUA_HTTPS=on.",
        )


def _look_at_tokens() -> Iterator[Finding]:
    kinds: tuple[tuple[type[Token], str], ...] = ((NodeToken, "node"), (ApiToken, "api"))
    for model, kind in kinds:
        try:
            valid = sum(token.state == "valid" for token in model._default_manager.all())  # noqa: SLF001 - Django's public name for it is this one
        except DatabaseError:
            continue
        if not valid:
            yield Finding(
                check=f"{kind} tokens",
                level="warn",
                seen="none is valid, so nobody gets in",
                advice=f"python manage.py token create {kind} NAME",
            )


def _look_at_redis() -> Iterator[Finding]:
    yield from examine_redis(
        settings.LINGUA_REDIS_CLUSTER_URLS or [settings.LINGUA_REDIS_URL],
        sentinel_urls=settings.LINGUA_REDIS_SENTINEL_URLS,
        is_embedded=settings.LINGUA_REDIS_EMBEDDED,
        timeout_s=settings.LINGUA_REDIS_CONNECT_TIMEOUT_S,
        probe_key=Keys(settings.LINGUA_KEY_PREFIX).probe(),
    )


def _look_at_layer() -> Iterator[Finding]:
    layer, is_cluster = settings.LINGUA_CHANNEL_LAYER, bool(settings.LINGUA_REDIS_CLUSTER_URLS)
    if is_cluster and layer in {"core", "pubsub"}:
        yield Finding(
            check="channel layer",
            level="fail",
            seen=f"{layer} does not run on a cluster",
            advice="Unset LINGUA_CHANNEL_LAYER: streams does.",
        )
    elif layer == "memory" and not settings.LINGUA_REDIS_EMBEDDED:
        yield Finding(
            check="channel layer",
            level="warn",
            seen="memory joins the sockets of one process only",
            advice="Unset LINGUA_CHANNEL_LAYER where several instances share a Redis.",
        )
    else:
        yield Finding(check="channel layer", level="ok", seen=layer)


def _look_at_database() -> Iterator[Finding]:
    try:
        missing = count_missing_migrations()
    except (DatabaseError, ImproperlyConfigured) as error:
        yield Finding(
            check="database",
            level="fail",
            seen=str(error).splitlines()[0],
            advice="Correct DATABASE_URL or start it: jobs go on, the admin and the history wait.",
        )
        return
    if missing and settings.DATABASE_URL:
        yield Finding(
            check="database",
            level="fail",
            seen=f"{missing} migrations are not applied",
            advice="python manage.py migrate",
        )
    elif missing:
        seen = f"{missing} migrations to apply: serve does"
        yield Finding(check="database", level="ok", seen=seen)
    else:
        yield Finding(check="database", level="ok", seen=f"{connection.vendor}, migrated")


def _look_at_port(host: str, port: int) -> Finding:
    if port == 0:
        return Finding(check="port", level="ok", seen="a free one is taken")
    target = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((target, port)) != 0:
            return Finding(check="port", level="ok", seen=f"{port} is free")
    asked = http.client.HTTPConnection(target, port, timeout=2)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(asked):
        asked.request("GET", "/health")
        if asked.getresponse().read().startswith(b"OK"):
            return Finding(check="port", level="ok", seen=f"Lingua answers on {port}")
    return Finding(
        check="port",
        level="fail",
        seen=f"another program has {port}",
        advice="End it, or choose another LINGUA_PORT.",
    )


def _look_at_disk() -> Finding:
    """Look where the database, logs and an embedded Redis write."""
    directory = settings.LINGUA_VAR_DIR
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    free = shutil.disk_usage(directory).free
    little = free < _LITTLE_DISK_BYTES
    return Finding(
        check="disk",
        level="warn" if little else "ok",
        seen=f"{free // 2**20} MiB free for LINGUA_VAR_DIR",
        advice="Make room: database, logs and an embedded Redis write there." if little else "",
    )


def _look_at_process() -> Iterator[Finding]:
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - Windows has no such module

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = files != resource.RLIM_INFINITY and files < _FEW_FILES
    yield Finding(
        check="open files",
        level="warn" if few else "ok",
        seen=f"{files} allowed",
        advice=f"ulimit -n 65536: about {files - 100} sockets fit now." if few else "",
    )


def _look_at_speech() -> Iterator[Finding]:
    """Only the reference node and the demo need these."""
    there: tuple[tuple[str, Callable[[], object]], ...] = (
        (
            "moonshine-voice or pocketsphinx",
            lambda: (
                importlib.util.find_spec("moonshine_voice")
                or importlib.util.find_spec("pocketsphinx")
            ),
        ),
        ("apertium", lambda: shutil.which("apertium")),
        ("espeak-ng", lambda: shutil.which("espeak-ng")),
    )
    missing = [name for name, find in there if not find()]
    if not missing:
        yield Finding(check="speech", level="ok", seen="the reference node can run here")
        return
    yield Finding(
        check="speech",
        level="warn",
        seen=f"{', '.join(missing)} missing",
        advice="make setup, or apt-get install apertium apertium-eng-spa espeak-ng: only the "
        "reference node and make demo need it.",
    )
