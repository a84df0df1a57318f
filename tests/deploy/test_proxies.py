"""What deploy/ holds is taken by the programs it is for, and names what we really have."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
SERVE = ["python", "manage.py", "serve"]


def find_program(name: str) -> str:
    found = shutil.which(name, path=SYSTEM_PATH)
    assert found, f"{name} is missing: scripts/setup-system proxies"
    return found


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


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


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes/lingua.yaml"])
def test_the_manifests_are_yaml_and_ask_for_ready(name: str):
    text = (DEPLOY / name).read_text()

    assert all(list(yaml.safe_load_all(text)))


def test_three_instances_are_deployed_and_each_has_time_to_drain():
    deployment = next(yaml.safe_load_all((DEPLOY / "kubernetes" / "lingua.yaml").read_text()))
    pod = deployment["spec"]["template"]["spec"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    unit = (DEPLOY / "systemd" / "lingua@.service").read_text()

    assert deployment["spec"]["replicas"] == 3
    assert pod["containers"][0]["args"][:3] == SERVE
    assert pod["containers"][0]["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert pod["terminationGracePeriodSeconds"] > 20 + 5
    assert {"one", "two", "three"} <= compose["services"].keys()
    assert int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]) > 20 + 5
