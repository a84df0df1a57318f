"""What deploy/ holds is taken by the programs it is for, and names what we really have."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lingua.settings.version import VERSION

DEPLOY = Path(__file__).parents[2] / "deploy"
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
MANIFESTS = ("compose.yaml", "kubernetes/lingua.yaml")
SERVE = ["python", "manage.py", "serve"]


def find_program(name: str) -> str:
    found = shutil.which(name, path=SYSTEM_PATH)
    assert found, f"{name} is missing: scripts/setup-system proxies"
    return found


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def read_deployment() -> dict[str, Any]:
    manifests = yaml.safe_load_all((DEPLOY / "kubernetes" / "lingua.yaml").read_text())
    return next(each for each in manifests if each["kind"] == "Deployment")


def read_pod() -> dict[str, Any]:
    pod: dict[str, Any] = read_deployment()["spec"]["template"]["spec"]
    return pod


def test_nginx_takes_its_configuration(tmp_path: Path):
    whole = tmp_path / "nginx.conf"
    whole.write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}}\n"
        f"http {{ access_log off; include {DEPLOY}/nginx/lingua.conf; }}\n"
    )

    told = run(find_program("nginx"), "-t", "-p", str(tmp_path), "-c", str(whole))

    assert "test is successful" in told


def test_haproxy_takes_its_configuration():
    told = run(find_program("haproxy"), "-c", "-f", str(DEPLOY / "haproxy" / "haproxy.cfg"))

    assert "ALERT" not in told
    assert "WARNING" not in told


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_manifests_are_yaml_and_ask_for_ready(name: str):
    text = (DEPLOY / name).read_text()

    assert all(list(yaml.safe_load_all(text)))


@pytest.mark.req("ED14")
def test_every_image_has_a_version_and_ours_is_this_one():
    text = "".join((DEPLOY / name).read_text() for name in MANIFESTS)
    images = set(re.findall(r"image: (\S+)", text))
    base = re.search(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)[1]

    assert f"lingua:{VERSION}" in images
    assert [name for name in (*images, base) if not re.search(r":v?\d+\.\d+(\.\d+)?", name)] == []


@pytest.mark.req("ED14")
def test_no_process_of_the_image_is_root_and_no_key_gets_into_it():
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    pod = read_pod()
    kept_out = (DEPLOY.parent / ".dockerignore").read_text().split()

    assert re.search(r"^USER [1-9]\d*$", dockerfile, re.MULTILINE), "by number, for orchestrators"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert {".git", ".venv", "var"} <= set(kept_out)


@pytest.mark.req("ED14")
def test_no_service_of_the_cluster_names_a_setting_of_a_pod():
    assert read_pod()["enableServiceLinks"] is False, "LINGUA_PORT would be tcp://…"


def test_three_instances_are_deployed_and_each_has_time_to_drain():
    deployment, pod = read_deployment(), read_pod()
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    unit = (DEPLOY / "systemd" / "lingua@.service").read_text()

    assert deployment["spec"]["replicas"] == 3
    assert pod["containers"][0]["args"][:3] == SERVE
    assert pod["containers"][0]["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert pod["terminationGracePeriodSeconds"] > 20 + 5
    assert {"one", "two", "three"} <= compose["services"].keys()
    assert int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]) > 20 + 5
