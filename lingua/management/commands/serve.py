"""manage.py serve: one instance of Lingua, with a Redis of its own unless told of another."""

import contextlib
import logging
import socket
import subprocess
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import OperationalError
from django.utils.module_loading import import_string

from lingua import settings
from lingua.serving.deadlines import Patience, Unfinished
from lingua.serving.frame_pieces import PieceLimits
from lingua.serving.logs import tell_instances_apart
from lingua.serving.pending_migrations import count_missing_migrations
from lingua.serving.redis_supervisor import RedisSupervisor
from lingua.serving.server import Adopted, CannotServe, ServerOptions
from lingua.serving.workers import WorkerOptions, run_workers
from lingua.settings.addresses import is_loopback, parse_port
from lingua.settings.embedded_redis import AlreadyServed, EmbeddedRedis, RedisServerMissing
from lingua.settings.env import copy_environment, explain_unknown, list_unknown
from lingua.settings.workers import parse_workers

logger = logging.getLogger(__name__)

_A_LITTLE_S = 5.0


class Command(BaseCommand):
    """Start one instance and serve until SIGTERM or Ctrl-C."""

    help = (
        "Serve speakers at /ws/session and nodes at /ws/node until SIGTERM or Ctrl-C. "
        "Starts a Redis of its own under var/ unless REDIS_URL or REDIS_CLUSTER_URLS is set. "
        "Prints one line when the port is open. A signal drains: no new sockets, jobs in flight "
        "may finish, then every socket is closed with 1012; a second signal does not wait. "
        "Settings are environment variables: see docs/operations.md."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--host",
            default=settings.LINGUA_HOST,
            help="address to listen on (default: %(default)s, from LINGUA_HOST); "
            "any but loopback needs LINGUA_NODE_AUTH and LINGUA_SESSION_AUTH on",
        )
        parser.add_argument(
            "--port",
            type=parse_port,
            default=settings.LINGUA_PORT,
            help="port to listen on, 0 for a free one (default: %(default)s, from LINGUA_PORT)",
        )
        parser.add_argument(
            "--server",
            choices=("daphne", "uvicorn"),
            default=settings.LINGUA_SERVER,
            help="daphne is the reference, uvicorn the faster one (default: %(default)s)",
        )
        parser.add_argument(
            "--workers",
            type=_parse_workers,
            default=settings.LINGUA_WORKERS,
            help="instances behind this port, each a process of its own; auto is one a core "
            "(default: %(default)s, from LINGUA_WORKERS). SIGHUP replaces one after the other",
        )
        parser.add_argument(
            "--worker-port",
            type=parse_port,
            default=settings.LINGUA_WORKER_PORT,
            help="a port of its own for each worker, for its /metrics: this one for the first, "
            "the next ones follow; 0 for none (default: %(default)s, from LINGUA_WORKER_PORT)",
        )
        # What a parent tells its workers: the descriptors of a listener and of a pipe.
        parser.add_argument("--adopt", type=_parse_adopted, help=SUPPRESS)

    def handle(self, *, host: str, port: int, server: str, **options: Any) -> None:
        """Check what can be checked, start Redis if it is ours, serve.

        :raises CommandError: why there is nothing to serve
        """
        # What Python warns of is a line like any other, where lines are JSON too.
        logging.captureWarnings(True)  # noqa: FBT003 - the standard library's
        if options["adopt"] is not None:
            tell_instances_apart()
            _serve(server, _server_options(host=host, port=port or None, adopted=options["adopt"]))
            return
        _refuse_without_authentication(host)
        if options["workers"] > 1 and settings.LINGUA_CHANNEL_LAYER == "memory":
            raise CommandError(
                "LINGUA_CHANNEL_LAYER=memory joins the sockets of one process only: "
                "choose another, or LINGUA_WORKERS=1"
            )
        for name in list_unknown():
            logger.warning("%s", explain_unknown(name))
        self._prepare_database()
        redis = _find_redis() if settings.LINGUA_REDIS_EMBEDDED else None
        supervisor = _start(redis) if redis else None
        try:
            if options["workers"] == 1:
                _serve(server, _server_options(host=host, port=port))
            else:
                _serve_with_workers(
                    redis,
                    host=host,
                    port=port,
                    server=server,
                    workers=options["workers"],
                    own_port=options["worker_port"] or None,
                )
        finally:
            if supervisor is not None:
                supervisor.stop()

    def _prepare_database(self) -> None:
        """Migrate our own SQLite file; of another database only say what it lacks.

        :raises CommandError: migrations are missing there
        """
        try:
            missing = count_missing_migrations()
        except OperationalError as error:
            # Jobs need no database: operators' pages wait for it, speakers do not.
            if not settings.DATABASE_URL:
                raise
            logger.warning("the database does not answer, serving without it: %s", error)
            return
        if missing and not settings.DATABASE_URL:
            _migrate()
        elif missing:
            raise CommandError(
                f"{missing} migrations are not applied: run python manage.py migrate"
            )


def _migrate() -> None:
    """Migrate in a process that ends: what that takes in memory is needed once.

    :raises CommandError: it failed, and said why on standard error
    """
    program = str(settings.BASE_DIR / "manage.py")
    command = (sys.executable, program, "migrate", "--verbosity", "0", "--no-input")
    if code := subprocess.run(command, check=False).returncode:
        raise CommandError(f"the database could not be migrated: that ended with {code}")


def _serve(server: str, options: ServerOptions) -> None:
    """Serve as one instance.

    :raises CommandError: why that cannot be
    """
    run = import_string(f"lingua.serving.{server}_server.run")
    router = import_string("lingua.asgi.application")
    try:
        run(router=router, options=options)
    except CannotServe as error:
        raise CommandError(str(error)) from error


def _serve_with_workers(
    redis: EmbeddedRedis | None,
    *,
    host: str,
    port: int,
    server: str,
    workers: int,
    own_port: int | None,
) -> None:
    """Start so many instances behind one port, on one Redis.

    :raises CommandError: why that cannot be
    """
    is_drawn = settings.LINGUA_INSTANCE_ID == "auto"
    options = WorkerOptions(
        workers=workers,
        host=host,
        port=port,
        server=server,
        command=(sys.executable, str(settings.BASE_DIR / "manage.py"), "serve", "--port", "0"),
        environment=copy_environment(**({"REDIS_URL": redis.url} if redis else {})),
        # The drain, its last sockets, what still runs then, the stop, and a little.
        end_within_s=settings.LINGUA_DRAIN_TIMEOUT_S * 1.1
        + settings.LINGUA_CLOSE_TIMEOUT_S * 2
        + _A_LITTLE_S,
        instance_id="" if is_drawn else settings.LINGUA_INSTANCE_ID,
        own_port=own_port,
    )
    try:
        run_workers(options)
    except CannotServe as error:
        raise CommandError(str(error)) from error


def _parse_workers(text: str) -> int:
    try:
        return parse_workers(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not allowed: it must be {error}") from None


def _parse_adopted(text: str) -> Adopted:
    listener, lifeline = text.split(",")
    return Adopted(listener=int(listener), lifeline=int(lifeline))


def _refuse_without_authentication(host: str) -> None:
    """Let nobody but this machine in while either kind of authentication is off.

    :raises CommandError: the address is reachable from elsewhere
    """
    off = [
        name
        for name, is_on in (
            ("LINGUA_NODE_AUTH", settings.LINGUA_NODE_AUTH),
            ("LINGUA_SESSION_AUTH", settings.LINGUA_SESSION_AUTH),
        )
        if not is_on
    ]
    if off and not is_loopback(host):
        raise CommandError(
            f"refusing to listen on {host} without authentication: set {' and '.join(off)} "
            "to on, or listen on 127.0.0.1"
        )


def _find_redis() -> EmbeddedRedis:
    """Return the Redis of this checkout, on its socket.

    :raises CommandError: an older one may be at work
    """
    directory = settings.LINGUA_REDIS_DIR
    _refuse_beside_older(directory / "port")
    return EmbeddedRedis(
        directory=directory,
        program=settings.LINGUA_REDIS_SERVER,
        unix_socket=settings.LINGUA_REDIS_SOCKET,
    )


def _start(redis: EmbeddedRedis) -> RedisSupervisor:
    """Start Redis and keep it running.

    :raises CommandError: another one serves, there is no program, or it does not start
    """
    supervisor = RedisSupervisor(redis)
    try:
        supervisor.start()
    except AlreadyServed:
        raise CommandError(
            "another instance serves from this directory: join it with "
            f"REDIS_URL='{redis.url}', or serve from another LINGUA_VAR_DIR"
        ) from None
    except (RedisServerMissing, RuntimeError) as error:
        raise CommandError(str(error)) from error
    return supervisor


def _refuse_beside_older(kept_port: Path) -> None:
    """Before there were sockets the embedded Redis had a port, which it kept in a file.

    :raises CommandError: it listens there
    """
    with contextlib.suppress(OSError, ValueError):
        port = int(kept_port.read_text())
        with socket.socket() as probe:
            probe.settimeout(1)
            is_taken = probe.connect_ex(("127.0.0.1", port)) == 0
        if is_taken:
            raise CommandError(
                f"an older Lingua serves from this directory, with a Redis on port {port}: stop it"
                f" first; if that is another program, remove {kept_port}"
            )
        kept_port.unlink()


def _server_options(
    *, host: str, port: int | None, adopted: Adopted | None = None
) -> ServerOptions:
    return ServerOptions(
        host=host,
        port=port,
        adopted=adopted,
        # The sockets share one port; each checks its own, smaller limit itself.
        max_frame_bytes=max(
            settings.LINGUA_SESSION_MAX_FRAME_BYTES, settings.LINGUA_NODE_MAX_FRAME_BYTES
        ),
        input_max_bytes=settings.LINGUA_INPUT_MAX_BYTES,
        input_max_messages=settings.LINGUA_INPUT_MAX_MESSAGES,
        http_max_body_bytes=settings.LINGUA_HTTP_MAX_BODY_BYTES,
        patience=Patience(
            head_s=settings.LINGUA_HANDSHAKE_TIMEOUT_S,
            stall_s=settings.LINGUA_STALL_TIMEOUT_S,
            unfinished=Unfinished(settings.LINGUA_MAX_UNFINISHED_BYTES),
        ),
        pieces=PieceLimits(
            socket=(settings.LINGUA_SESSION_RATE_PER_S, settings.LINGUA_SESSION_BURST),
            sender=(
                settings.LINGUA_PRINCIPAL_FRAME_RATE_PER_S,
                settings.LINGUA_PRINCIPAL_FRAME_BURST,
            ),
        ),
        ping_interval_s=settings.LINGUA_PING_INTERVAL_S,
        ping_timeout_s=settings.LINGUA_PING_TIMEOUT_S,
        drain_timeout_s=settings.LINGUA_DRAIN_TIMEOUT_S,
        close_timeout_s=settings.LINGUA_CLOSE_TIMEOUT_S,
    )
