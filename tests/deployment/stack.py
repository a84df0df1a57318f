"""Starts the services of compose.yaml as processes, in the order that the file asks for.

What Docker would bring is done here and nothing else: each container's name and fixed address
becomes an address of loopback, its files a directory, what its image starts by itself a command.
"""

import contextlib
import itertools
import random
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from lingua.settings.embedded_redis import find_free_port
from tests.deployment import image as images
from tests.deployment.manifests import DEPLOY, Service, read_compose, read_image, read_subnet
from tests.postgres import server as postgres
from tests.waiting import wait_until

SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_HEALTHY_WITHIN_S = 120.0
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - in a container, and here it is replaced
NGINX = """\
pid {root}/nginx.pid; error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
    include {root}/etc/nginx/conf.d/*.conf;
}}
"""


def find_program(name: str) -> str:
    """Return a program of the system."""
    found = shutil.which(name, path=SYSTEM_PATH)
    assert found, f"{name} is missing: scripts/setup-system deploy"
    return found


class Stack:
    """The services, started and stopped one by one."""

    def __init__(self, directory: Path, variables: Mapping[str, str]) -> None:
        self._directory = directory
        self._net = f"127.{random.randrange(2, 255)}.{random.randrange(255)}."
        self.services = read_compose(variables)
        self._code = images.build(read_image())
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._closing = contextlib.ExitStack()
        self._bin = self._link_programs()
        self._hosts = itertools.count(128)
        # Where whoever asks for a published port comes from.
        self.gateway = f"{self._net}1"
        # What compose publishes, on a port that is free.
        self.door = f"127.0.0.1:{find_free_port()}"
        self.addresses = {name: self._place(one) for name, one in self.services.items()}

    def start(self) -> None:
        """Start all, each after those it needs."""
        for name in self.services:
            self._start_after_needs(name)

    def start_one(self, name: str) -> None:
        """Start a service and wait until it is as healthy as its file asks for."""
        service = self.services[name]
        if service.kind == "postgres":
            self._start_postgres(service)
            return
        with self._log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                self._list_words(service),
                cwd=self._code if service.kind == "lingua" else self._root(service),
                env=self._describe(service),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if service.healthcheck:
            self._await_health(service)

    def stop_one(self, name: str) -> int:
        """Stop a service as Docker does; return its code."""
        process = self._running.pop(name)
        is_nginx = self.services[name].kind == "nginx"
        process.send_signal(signal.SIGQUIT if is_nginx else signal.SIGTERM)
        return process.wait(timeout=self.services[name].stop_after_s)

    def run_in(self, name: str, *words: str, **variables: str) -> str:
        """Run a command as `docker compose exec` does; return what it printed."""
        service = self.services[name]
        done = subprocess.run(
            [str(images.find_python()) if word == "python" else word for word in words],
            cwd=self._code,
            env=self._describe(service) | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def read_log(self, name: str) -> str:
        return self._log(name).read_text(errors="replace")

    def end(self) -> None:
        """Stop everything, PostgreSQL last."""
        for name in reversed(list(self._running)):
            process = self._running[name]
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._closing.close()

    def _start_after_needs(self, name: str) -> None:
        if name in self._running or self._log(name).exists():
            return
        for other, condition in self.services[name].needs.items():
            self._start_after_needs(other)
            if condition == "service_completed_successfully" and other in self._running:
                code = self._running.pop(other).wait(timeout=_HEALTHY_WITHIN_S)
                assert code == 0, f"{other} ended with {code}: {self.read_log(other)[-3000:]}"
        self.start_one(name)

    def _await_health(self, service: Service) -> None:
        words = self._list_check(service)
        words = self._localize(words, service)

        def is_healthy() -> bool:
            process = self._running[service.name]
            assert process.poll() is None, self.read_log(service.name)[-3000:]
            done = subprocess.run(
                words, env=self._describe(service), capture_output=True, check=False, timeout=30
            )
            return done.returncode == 0

        wait_until(is_healthy, within_s=_HEALTHY_WITHIN_S)

    def _list_check(self, service: Service) -> list[str]:
        address = self.addresses[service.name]
        return [word.replace("127.0.0.1", address) for word in service.healthcheck]

    def _list_words(self, service: Service) -> list[str]:
        """Return the command of a container; what its image would add is here."""
        words = self._localize(service.command, service)
        address, root = self.addresses[service.name], self._root(service)
        match service.kind:
            case "redis" if words[0] == "redis-server":
                # In its container it goes out from its own address, too.
                words += ["--bind", address, "--bind-source-addr", address]
                words += ["--protected-mode", "no", "--dir", str(root)]
            case "prometheus":
                words = [
                    find_program("prometheus"),
                    f"--config.file={root}/etc/prometheus/prometheus.yml",
                    f"--storage.tsdb.path={root}/prometheus",
                    f"--web.listen-address={address}:9090",
                ]
            case "nginx":
                (root / "etc/nginx/conf.d").mkdir(parents=True, exist_ok=True)
                (root / "nginx.conf").write_text(NGINX.format(root=root))
                words = [
                    word.replace("/etc/nginx/", f"{root}/etc/nginx/").replace(
                        "nginx -g 'daemon off;'",
                        f"{find_program('nginx')} -p {root} -c {root}/nginx.conf -g 'daemon off;'",
                    )
                    for word in words
                ]
            case _:
                pass
        return words

    def _localize(self, words: list[str], service: Service) -> list[str]:
        """Put this machine's addresses, files and programs for those of the container."""
        root = self._root(service)
        for target, source in service.mounts.items():
            copy = root / target.removeprefix("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            text = self._translate((DEPLOY / source).read_text())
            copy.write_text(text.replace("listen 8080;", f"listen {self.door};"))
        told = [self._translate(word) for word in words]
        told = [word.replace(_EVERYWHERE, self.addresses[service.name]) for word in told]
        for target in service.mounts:
            told = [re.sub(rf"(?<![\w/.]){target}\b", f"{root}{target}", word) for word in told]
        python = str(images.find_python())
        return [python if word == "python" else word for word in told]

    def _translate(self, text: str) -> str:
        """Put addresses of loopback for names of services and for the network's addresses."""
        names = "|".join(sorted(self.services, key=len, reverse=True))
        # A name before its port, after -h, or in the list of a shell's loop.
        named = rf"(?<![\w.-])(?:{names})(?=:\d)|(?<=-h )(?:{names})\b"
        listed = rf"(?<=\bin )(?:{names})(?: (?:{names}))*(?=;)"
        text = re.sub(
            f"{named}|{listed}",
            lambda found: " ".join(self.addresses[name] for name in found[0].split()),
            text,
        )
        return text.replace(read_subnet(), self._net)

    def _describe(self, service: Service) -> dict[str, str]:
        told = {name: self._translate(value) for name, value in service.environment.items()}
        if "LINGUA_METRICS_ALLOW" in told:
            # Whoever connects on loopback comes from there, Prometheus too.
            told["LINGUA_METRICS_ALLOW"] = "127.0.0.1"
        return {
            "PATH": f"{self._bin}:{SYSTEM_PATH}",
            "HOME": str(self._directory),
            "CONTAINER": self.addresses[service.name],
        } | told

    def _place(self, service: Service) -> str:
        fixed = service.address.removeprefix(read_subnet())
        return self._net + (fixed or str(next(self._hosts)))

    def _start_postgres(self, service: Service) -> None:
        told = service.environment
        assert told["POSTGRES_USER"] == postgres.OWNER
        url = self._closing.enter_context(
            postgres.running(
                password=told["POSTGRES_PASSWORD"], host=self.addresses[service.name], port=5432
            )
        )
        # The image makes a database of its user's name.
        postgres.make_database(url, told.get("POSTGRES_DB", told["POSTGRES_USER"]))
        self._log(service.name).write_text("")
        words = self._list_check(service)
        subprocess.run([find_program(words[0]), *words[1:]], check=True, capture_output=True)

    def _link_programs(self) -> Path:
        """Make the programs that Debian does not put on the path, or that mean their container."""
        place = self._directory / "bin"
        place.mkdir()
        # The program that checks dumps is the server; it goes by its name.
        server = shutil.which("redis-server", path=SYSTEM_PATH) or find_program("redis-check-rdb")
        (place / "redis-server").symlink_to(server)
        client = place / "redis-cli"
        client.write_text(
            f'#!/bin/sh\ncase "$1" in -h|--cluster) exec {find_program("redis-cli")} "$@";; esac\n'
            f'exec {find_program("redis-cli")} -h "$CONTAINER" "$@"\n'
        )
        client.chmod(0o755)
        return place

    def _root(self, service: Service) -> Path:
        root = self._directory / service.name
        root.mkdir(exist_ok=True)
        return root

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}.log"


@contextlib.contextmanager
def running(directory: Path, variables: Mapping[str, str]) -> Iterator[Stack]:
    """Yield everything that compose starts; it is ended with the block."""
    stack = Stack(directory, variables)
    try:
        stack.start()
        yield stack
    finally:
        stack.end()
