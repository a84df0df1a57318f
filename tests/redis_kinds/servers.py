"""Redis servers as operators have them: behind a password, a user, TLS or a socket."""

import contextlib
import dataclasses
import datetime as dt
import ipaddress
import shutil
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lingua.settings.embedded_redis import EmbeddedRedis, find_free_port
from scripts.redis_cluster import EmbeddedCluster
from tests.older_redis import list_older_redis
from tests.redis_under_test import look_into

SECRET = "s:e@c/r#e%t"  # noqa: S105 - of these tests alone
IN_URL = "s%3Ae%40c%2Fr%23e%25t"
# The rights that docs/operations.md names.
RIGHTS = [
    "~lingua:*",
    "resetchannels",
    "&lingua:*",
    "+@all",
    "-@admin",
    "-@dangerous",
    "+info",
    "+role",
]
# Debian's package of the tools has the server's program under this name.
_DEBIAN = "redis-check-rdb"


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a Redis is, as our settings take it."""

    variables: dict[str, str]
    version: str


def find_program(maker: str) -> str:
    """Return a server's program: ``""`` for what `serve` would start."""
    if maker == "redis-6.2":
        return list_older_redis()[0]
    if maker == "redis-debian":
        found = shutil.which("redis-server") or shutil.which(_DEBIAN)
        assert found, "make test-redis-kinds installs it"
        return found
    return ""


@contextlib.contextmanager
def start(kind: str, maker: str, directory: Path) -> Iterator[Address]:
    """Start a Redis of a kind."""
    if kind == "cluster":
        with _start_cluster(maker, directory) as address:
            yield address
        return
    program = find_program(maker)
    if maker == "redis-debian":
        # It is what it is called.
        (directory / "redis-server").symlink_to(program)
        program = str(directory / "redis-server")
    path = directory / "redis.sock" if kind == "socket" else None
    port, options = find_free_port(), ()
    if kind == "tls":
        options = _list_tls(directory, port)
    server = EmbeddedRedis(
        directory=directory / "redis", program=program, unix_socket=path, options=options
    )
    server.start()
    try:
        with look_into(server.url) as client:
            version = client.info()["redis_version"]
            user = ""
            if kind == "user":
                client.execute_command("ACL SETUSER", "speech", "on", f">{SECRET}", *RIGHTS)
                client.execute_command("ACL SETUSER", "default", "off")
                user = "speech"
            else:
                client.config_set("requirepass", SECRET)
        place = {
            "tls": f"rediss://:{IN_URL}@127.0.0.1:{port}/0?ssl_ca_certs={directory}/ca.pem",
            "socket": f"unix://:{IN_URL}@{path}?db=0",
        }.get(kind, f"redis://{user}:{IN_URL}@127.0.0.1:{server.port}/0")
        yield Address(variables={"REDIS_URL": place, "REDIS_CLUSTER_URLS": ""}, version=version)
    finally:
        server.stop()


@contextlib.contextmanager
def _start_cluster(maker: str, directory: Path) -> Iterator[Address]:
    cluster = EmbeddedCluster(directory=directory / "redis", program=find_program(maker))
    cluster.start()
    try:
        version = ""
        for url in cluster.urls:
            with look_into(url) as client:
                version = client.info()["redis_version"]
                client.config_set("masterauth", SECRET)
                client.config_set("requirepass", SECRET)
        urls = ",".join(url.replace("//", f"//:{IN_URL}@") for url in cluster.urls)
        yield Address(variables={"REDIS_URL": "", "REDIS_CLUSTER_URLS": urls}, version=version)
    finally:
        cluster.stop()


def _list_tls(directory: Path, port: int) -> tuple[str, ...]:
    _write_certificate(directory)
    return (
        *("--tls-port", str(port), "--tls-cert-file", str(directory / "ca.pem")),
        *("--tls-key-file", str(directory / "key.pem"), "--tls-auth-clients", "no"),
        *("--tls-ca-cert-file", str(directory / "ca.pem")),
    )


def _write_certificate(directory: Path) -> None:
    """Write a key and a certificate that it signed itself, for this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a Redis of these tests")])
    now = dt.datetime.now(dt.UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
