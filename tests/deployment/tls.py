"""What ends TLS before a deployment: deploy/nginx/tls.conf with a certificate made for it."""

import contextlib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lingua.settings.embedded_redis import find_free_port
from tests.deployment.manifests import DEPLOY
from tests.deployment.stack import NGINX, find_program
from tests.deployment.use import NAME, Door
from tests.waiting import wait_until


@contextlib.contextmanager
def ending_tls(directory: Path, *, before: str, out_by: str = "127.0.0.1") -> Iterator[Door]:
    """Yield where people come in; requests go on to `before`, from the address `out_by`."""
    keys = directory / "tls"
    keys.mkdir()
    _make_certificate(keys)
    address = f"127.0.0.1:{find_free_port()}"
    place = directory / "etc/nginx/conf.d"
    place.mkdir(parents=True)
    text = (DEPLOY / "nginx" / "tls.conf").read_text()
    for written, here in (
        ("listen 80;", f"listen 127.0.0.1:{find_free_port()};"),
        ("listen 443 ssl;", f"listen {address} ssl;"),
        ("/etc/lingua/tls", str(keys)),
        ("proxy_pass http://127.0.0.1:8080;", f"proxy_pass http://{before}; proxy_bind {out_by};"),
    ):
        assert written in text, written
        text = text.replace(written, here)
    (place / "tls.conf").write_text(text)
    (directory / "nginx.conf").write_text(NGINX.format(root=directory))
    process = subprocess.Popen(
        [
            *(find_program("nginx"), "-p", str(directory), "-c", str(directory / "nginx.conf")),
            *("-g", "daemon off;"),
        ]
    )
    trust = ssl.create_default_context(cafile=keys / "fullchain.pem")
    door = Door(address=address, trust=trust)
    try:
        wait_until(door.is_open, within_s=30)
        yield door
    finally:
        process.terminate()
        process.wait(timeout=30)


def _make_certificate(directory: Path) -> None:
    subprocess.run(
        [
            *(find_program("openssl"), "req", "-x509", "-nodes", "-days", "2"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-keyout", directory / "privkey.pem", "-out", directory / "fullchain.pem"),
            *("-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
