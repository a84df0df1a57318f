"""What nginx and HAProxy, as deploy/ ships them, tell Lingua of how they were asked."""

import http.client
import http.server
import subprocess
import threading
from collections.abc import Iterator

import pytest

from lingua.settings.embedded_redis import find_free_port
from tests.deploy.test_proxies import DEPLOY, find_program
from tests.waiting import wait_until

PROXIES = ("nginx", "haproxy")
# The files know one address of loopback as a hop of ours, and no other.
HOP, STRANGER = "127.0.0.1", "127.0.0.9"
_NGINX = """\
daemon off; pid {0}/pid; error_log {0}/log; events {{}}
http {{
    access_log off; client_body_temp_path {0}/body; proxy_temp_path {0}/proxy;
    fastcgi_temp_path {0}/fastcgi; uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;
    include {0}/lingua.conf;
}}
"""

pytestmark = pytest.mark.req("ED14")


class Telling(http.server.BaseHTTPRequestHandler):
    """Answers with the scheme that it was told; is ready."""

    def do_GET(self) -> None:
        told = ",".join(self.headers.get_all("X-Forwarded-Proto") or ()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def instance() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer((HOP, 0), Telling)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def doors(instance: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    root = tmp_path_factory.mktemp("proxies")
    doors = {name: find_free_port() for name in PROXIES}
    for name, file in zip(PROXIES, ("lingua.conf", "haproxy.cfg"), strict=True):
        text = (DEPLOY / name / file).read_text()
        for port in ("5010", "5011", "5012"):
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{instance}")
        text = text.replace("listen 8080;", f"listen 127.0.0.1:{doors[name]};")
        (root / file).write_text(text.replace("bind :8080", f"bind 127.0.0.1:{doors[name]}"))
    (root / "nginx.conf").write_text(_NGINX.format(root))
    running = [
        subprocess.Popen([find_program("nginx"), "-p", root, "-c", root / "nginx.conf"]),
        subprocess.Popen([find_program("haproxy"), "-f", root / "haproxy.cfg"]),
    ]
    try:
        for port in doors.values():
            wait_until(lambda port=port: answers(port), within_s=60)
        yield doors
    finally:
        for process in running:
            process.terminate()
            process.wait(timeout=60)


def answers(port: int) -> bool:
    try:
        return ask(port, came_from=HOP)[0] == http.client.OK
    except OSError:
        return False


def ask(port: int, *said: str, came_from: str) -> tuple[int, str]:
    asked = http.client.HTTPConnection(HOP, port, timeout=60, source_address=(came_from, 0))
    try:
        asked.putrequest("GET", "/admin/")
        for scheme in said:
            asked.putheader("X-Forwarded-Proto", scheme)
        asked.endheaders()
        answer = asked.getresponse()
        return answer.status, answer.read().decode()
    finally:
        asked.close()


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.parametrize(("said", "passed_on"), [("https", "https"), ("http", "http")])
def test_how_a_hop_of_ours_was_asked_is_passed_on(
    doors: dict[str, int], name: str, said: str, passed_on: str
):
    assert ask(doors[name], said, came_from=HOP)[1] == passed_on


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.parametrize("said", [("https",), ("http", "https"), ("wss",)])
def test_what_a_stranger_says_of_it_does_not_count(
    doors: dict[str, int], name: str, said: tuple[str, ...]
):
    assert ask(doors[name], *said, came_from=STRANGER)[1] == "http"


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.parametrize("said", [(), ("",), ("ftp",), ("https, https",)])
def test_who_says_nothing_that_is_one_was_asked_as_the_proxy_was(
    doors: dict[str, int], name: str, said: tuple[str, ...]
):
    assert ask(doors[name], *said, came_from=HOP)[1] == "http"


def test_the_gateway_of_compose_is_a_hop_of_ours():
    text = (DEPLOY / "compose.yaml").read_text()
    (gateway,) = (part.split("}")[0] for part in text.split("gateway: ")[1:])
    trusted = text.split("LINGUA_TRUSTED_PROXIES: ")[1].splitlines()[0]

    assert f"    {gateway}  1;" in (DEPLOY / "nginx" / "lingua.conf").read_text()
    assert gateway in trusted.split(",")
