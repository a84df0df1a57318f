"""A real Redis in each state in which it refuses, and the first words it then says."""

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.manage import NO_REDIS
from tests.waiting import wait_until

# What opens a Redis in a state below a directory, and gives its address.
OpenState = Callable[[Path], contextlib.AbstractContextManager[str]]


@contextlib.contextmanager
def _started(directory: Path, *options: str, append_only: bool = False) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(directory=directory, append_only=append_only, options=options)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def _with_password(directory: Path, *, given: str) -> Iterator[str]:
    with _started(directory) as server:
        with redis.Redis.from_url(server.url) as client:
            client.config_set("requirepass", "right")
        yield f"redis://{given}127.0.0.1:{server.port}/0"


def no_password(directory: Path) -> contextlib.AbstractContextManager[str]:
    return _with_password(directory, given="")


def wrong_password(directory: Path) -> contextlib.AbstractContextManager[str]:
    return _with_password(directory, given=":wrong@")


@contextlib.contextmanager
def no_permission(directory: Path) -> Iterator[str]:
    with _started(directory) as server:
        with redis.Redis.from_url(server.url) as client:
            client.acl_setuser(
                "reader",
                enabled=True,
                passwords=["+r"],
                keys=["*"],
                categories=["+@read", "+@connection"],
                commands=["+info"],
            )
        yield f"redis://reader:r@127.0.0.1:{server.port}/0"


@contextlib.contextmanager
def replica(directory: Path) -> Iterator[str]:
    with _started(directory / "master") as master:
        follows = ("--replicaof", "127.0.0.1", str(master.port))
        with _started(directory / "replica", *follows) as server:
            yield server.url


@contextlib.contextmanager
def full_memory(directory: Path) -> Iterator[str]:
    with _started(directory, "--maxmemory", "1", "--maxmemory-policy", "noeviction") as server:
        yield server.url


@contextlib.contextmanager
def full_disk(directory: Path) -> Iterator[str]:
    """Every write to its append-only file ends as on a full disk: it is one that is always full."""
    (directory / "appendonlydir").mkdir(parents=True)
    # It begins a file of a new number where it made another of what there was.
    for number in range(1, 10):
        file = directory / "appendonlydir" / f"appendonly.aof.{number}.incr.aof"
        file.symlink_to("/dev/full")
    with _started(directory, append_only=True) as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("what", "fills it")

            def has_noticed() -> bool:
                return client.info("persistence")["aof_last_write_status"] == "err"

            wait_until(has_noticed, "the disk is not full", within_s=60)
        yield server.url


@contextlib.contextmanager
def nobody_there(_directory: Path) -> Iterator[str]:
    yield NO_REDIS


@contextlib.contextmanager
def wrong_certificate(directory: Path) -> Iterator[str]:
    """Something that speaks TLS, with a certificate that nobody signed but itself."""
    directory.mkdir(parents=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_write_certificate(directory / "own.pem"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_shake_hands, args=(listener, context), daemon=True).start()
        yield f"rediss://127.0.0.1:{listener.getsockname()[1]}/0"
        listener.shutdown(socket.SHUT_RDWR)


def _shake_hands(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True):
            pass


def _write_certificate(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


STATES: dict[str, tuple[OpenState, str]] = {
    "no password": (no_password, "NOAUTH Authentication required"),
    "a wrong password": (wrong_password, "WRONGPASS invalid username-password pair"),
    "a user without rights": (no_permission, "NOPERM "),
    "a replica": (replica, "READONLY You can't write against a read only replica"),
    "full memory": (full_memory, "OOM command not allowed when used memory > 'maxmemory'"),
    "a full disk": (full_disk, "MISCONF Errors writing to the AOF file: No space left on device"),
    "nobody there": (nobody_there, "Connection refused"),
    "a wrong certificate": (
        wrong_certificate,
        "certificate verify failed: self-signed certificate",
    ),
}
