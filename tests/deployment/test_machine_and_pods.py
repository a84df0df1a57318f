"""The unit behind HAProxy, and a pod, as their files say: on one Redis and one PostgreSQL."""

import contextlib
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lingua.settings.embedded_redis import EmbeddedRedis, find_free_port
from tests.deployment import image as images
from tests.deployment import use
from tests.deployment.manifests import (
    DEPLOY,
    read_environment_example,
    read_image,
    read_kubernetes,
    read_secret_of_the_pods,
    read_unit,
)
from tests.deployment.stack import SYSTEM_PATH, find_program
from tests.deployment.tls import ending_tls
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.postgres import server as postgres
from tests.waiting import wait_until

KEY, PASSWORD = "c0de7b91f3a2e864" * 4, "a pass phrase of some length"
_READY_WITHIN_S = 90.0

pytestmark = pytest.mark.req("ED14")


@pytest.fixture(scope="module")
def code() -> Path:
    return images.build(read_image())


@pytest.fixture(scope="module")
def backing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start what operators bring; yield the variables that lead there."""
    redis = EmbeddedRedis(directory=tmp_path_factory.mktemp("redis"))
    redis.start()
    try:
        with postgres.running(password="secret") as url:  # noqa: S106 - of this test's own server
            postgres.make_database(url, "lingua")
            yield {"REDIS_URL": redis.url, "DATABASE_URL": f"{url}/lingua", "SECRET_KEY": KEY}
    finally:
        redis.stop()


def run(
    words: list[str], code: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command of a file to its end."""
    return subprocess.run(
        [str(images.find_python()) if word == "python" else word for word in words],
        cwd=code,
        env={"PATH": f"{images.find_python().parent}:{SYSTEM_PATH}"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@contextlib.contextmanager
def serving(words: list[str], code: Path, environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run a server until the block ends, and see that a signal ends it in order."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(images.find_python()) if word == "python" else word for word in words],
            cwd=code,
            env={"PATH": SYSTEM_PATH} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(
            lambda: process.poll() is not None or "http://" in log.read_text(),
            within_s=_READY_WITHIN_S,
        )
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        ended = process.wait(timeout=40)
    assert ended == 0, log.read_text()[-3000:]
    assert "no setting has that name" not in log.read_text()


@pytest.fixture(scope="module")
def migrated(code: Path, backing: dict[str, str]) -> dict[str, str]:
    """Let the pods' job migrate the database; return the variables that lead to it."""
    job = read_kubernetes("Job")["spec"]["template"]["spec"]["containers"][0]
    waiting = read_kubernetes("Deployment")["spec"]["template"]["spec"]["initContainers"][0]
    before = run(["python", "manage.py", "migrate", "--check"], code, backing)
    assert before.returncode == 1, "the pods wait"
    done = run(job["args"], code, backing)
    assert done.returncode == 0, done.stderr
    assert run(waiting["args"], code, backing).returncode == 0, "and wait no longer"
    made = run(
        [
            *("python", "manage.py", "createsuperuser", "--noinput"),
            *("--username", "operator", "--email", "operator@example.org"),
        ],
        code,
        backing | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD},
    )
    assert made.returncode == 0, made.stderr
    return backing


def test_the_secret_of_the_pods_is_what_an_installation_needs() -> None:
    told = read_secret_of_the_pods()

    assert {"SECRET_KEY", "DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS"} <= told.keys()
    assert read_environment_example().keys() >= told.keys()


def test_a_pod_is_probed_and_scraped_by_its_address(
    code: Path, migrated: dict[str, str], tmp_path: Path
) -> None:
    pod = read_kubernetes("Deployment")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    port = find_free_port()
    words = [
        {"0.0.0.0": "127.0.0.1", "5010": str(port)}.get(word, word)  # noqa: S104 - replaced
        for word in container["args"]
    ]
    environment = read_secret_of_the_pods() | migrated
    environment |= {"LINGUA_METRICS_ALLOW": "127.0.0.1", "LINGUA_VAR_DIR": str(tmp_path)}
    for variable in container["env"]:
        environment[variable["name"]] = variable.get("value", "lingua-5d8f-x2k9q")
    if pod.get("enableServiceLinks", True):
        environment["LINGUA_PORT"] = "tcp://10.96.0.7:80"

    with serving(words, code, environment, tmp_path / "log"):
        # Kubernetes and Prometheus know pods by their addresses, and name these.
        by_address = {"Host": "10.244.1.17:5010"}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            path = container[probe]["httpGet"]["path"]
            wait_until(
                lambda path=path: use.ask(f"http://127.0.0.1:{port}{path}", **by_address)[0] == 200,
                f"{probe} fails",
                within_s=30,
            )
        status, text = use.ask(f"http://127.0.0.1:{port}/metrics", **by_address)
        foreign, _ = use.ask(f"http://127.0.0.1:{port}/admin/login/", **by_address)
        # As an ingress asks that has ended TLS.
        through = {"Host": use.NAME, "X-Forwarded-Proto": "https"}
        shown, _ = use.ask(f"http://127.0.0.1:{port}/admin/login/", **through)
        led = use.ask_plainly(f"127.0.0.1:{port}", "/admin/login/")

    assert (status, "scheduler_" in text) == (200, True)
    assert (shown, led) == (200, (301, f"https://{use.NAME}/admin/login/"))
    assert foreign == 400


@pytest.fixture(scope="module")
def machine(
    code: Path, migrated: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[use.Door, str]]:
    """Start three units, HAProxy, what ends TLS; yield its door, and the first unit's address."""
    directory = tmp_path_factory.mktemp("machine")
    ports = [find_free_port() for _ in range(3)]
    door = find_free_port()
    text = (DEPLOY / "haproxy" / "haproxy.cfg").read_text().replace(":8080", f"127.0.0.1:{door}")
    for written, port in zip(("5010", "5011", "5012"), ports, strict=True):
        text = text.replace(f":{written}\n", f":{port}\n")
    (directory / "haproxy.cfg").write_text(text)
    with contextlib.ExitStack() as running:
        for port in ports:
            unit = read_unit(str(port))
            name, _, value = unit["Environment"].partition("=")
            environment = read_environment_example() | migrated | {name: value}
            environment |= {"LINGUA_VAR_DIR": str(directory)}
            words = shlex.split(unit["ExecStart"].replace("/srv/lingua/.venv/bin/", ""))
            running.enter_context(serving(words, code, environment, directory / f"{port}.log"))
        proxy = subprocess.Popen([find_program("haproxy"), "-f", str(directory / "haproxy.cfg")])
        running.callback(proxy.wait)
        running.callback(proxy.terminate)
        wait_until(lambda: _answers(f"http://127.0.0.1:{door}/ready"), within_s=30)
        outside = running.enter_context(
            ending_tls(tmp_path_factory.mktemp("tls"), before=f"127.0.0.1:{door}")
        )
        yield outside, f"127.0.0.1:{ports[0]}"


def test_an_operator_logs_in_through_haproxy(machine: tuple[use.Door, str]) -> None:
    browser = use.Browser(machine[0])

    status, page = browser.log_in("operator", PASSWORD)

    assert (status, "Log out" in page) == (200, True), page[:2000]
    assert [browser.get("/admin/operators/")[0] for _ in range(6)] == [200] * 6


async def test_a_sentence_is_translated_through_haproxy(
    machine: tuple[use.Door, str], code: Path, migrated: dict[str, str]
) -> None:
    node_token, api_token = [
        run(["python", "manage.py", "token", "create", kind, "unit"], code, migrated).stdout.strip()
        for kind in ("node", "api")
    ]
    async with (
        machine[0].connected(FakeNode, "/ws/node", node_token) as node,
        machine[0].connected(Speaker, "/ws/session", api_token) as speaker,
    ):
        await node.register(use.LANGUAGES)
        await node.make_ready()
        await speaker.init(use.LANGUAGES)

        assert await use.translate(speaker, node)


def test_metrics_are_scraped_from_each_and_from_nobody_through_haproxy(
    machine: tuple[use.Door, str],
) -> None:
    through = use.Browser(machine[0]).get("/metrics")[0]
    direct = use.ask(f"http://{machine[1]}/metrics")[0]

    assert (through, direct) == (404, 200)


def test_the_unit_gives_a_drain_its_time_and_never_gives_up() -> None:
    unit = read_unit("5010")

    assert int(unit["TimeoutStopSec"]) > 20 + 5
    assert (unit["Restart"], unit["UMask"]) == ("always", "0077")
    assert "StartLimitIntervalSec=0" in (DEPLOY / "systemd" / "lingua@.service").read_text()


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError):
        return use.ask(url)[0] == 200
    return False
