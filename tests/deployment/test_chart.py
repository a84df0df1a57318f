"""The chart says what the plain manifests say, and refuses values that cannot be (RE8)."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.manifests import DEPLOY, ROOT

HELM, CHART = ROOT / "var" / "bin" / "helm", DEPLOY / "helm" / "lingua"
# What a chart adds to a pod, and its plain manifest leaves to Kubernetes.
_ADDED = "imagePullPolicy"
# A helm built from its module takes an unknown cluster for a very old one.
_ON = ("--kube-version", "1.30.0")

pytestmark = pytest.mark.req("RE8")


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(HELM), *words], capture_output=True, text=True, check=False, timeout=120
    )


def render(*words: str, name: str = "lingua") -> dict[str, Any]:
    """Return the objects of a release by kind."""
    told = helm("template", name, str(CHART), *_ON, *words)
    assert told.returncode == 0, told.stderr
    return {one["kind"]: one for one in yaml.safe_load_all(told.stdout) if one}


def refuse(*words: str) -> str:
    told = helm("template", "lingua", str(CHART), *_ON, *words)
    assert told.returncode != 0, told.stdout
    return told.stderr


def strip(told: Any) -> Any:
    """Return objects without what tells chart and manifest apart on purpose."""
    if isinstance(told, dict):
        return {name: strip(value) for name, value in told.items() if name != _ADDED}
    if isinstance(told, list):
        return [strip(each) for each in told]
    return told


def test_the_chart_is_sound() -> None:
    told = helm("lint", "--strict", str(CHART))

    assert told.returncode == 0, told.stdout + told.stderr


def test_without_values_it_is_the_plain_manifest() -> None:
    plain = (DEPLOY / "kubernetes" / "lingua.yaml").read_text()
    manifests = {one["kind"]: one for one in yaml.safe_load_all(plain)}
    chart = strip(render())
    # A job cannot be changed, so each revision has its own.
    assert chart["Job"]["metadata"].pop("name") == "lingua-migrate-1"
    del manifests["Job"]["metadata"]["name"]

    assert chart == manifests


def test_each_value_arrives_where_it_belongs(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(
        yaml.safe_dump(
            {
                "image": {"repository": "example.org/lingua", "tag": "1.2", "pullSecrets": ["r"]},
                "secretName": "own",
                "replicas": 5,
                "minAvailable": 4,
                "server": "daphne",
                "https": "off",
                "settings": {"LINGUA_CHANNEL_CAPACITY": "20000"},
                "nodeSelector": {"disk": "ssd"},
                "tolerations": [{"key": "k", "operator": "Exists"}],
                "affinity": {"nodeAffinity": {}},
                "ingress": {
                    "enabled": True,
                    "className": "nginx",
                    "host": "talk.example.org",
                    "tlsSecret": "tls",
                    "annotations": {"a": "b"},
                },
            }
        )
    )
    told = render("--values", str(values), name="speech")
    deployment = told["Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = {each["name"]: each.get("value") for each in container["env"]}
    assert deployment["spec"]["replicas"] == 5
    assert container["image"] == "example.org/lingua:1.2"
    assert container["envFrom"] == [{"secretRef": {"name": "own"}}]
    assert "daphne" in container["args"]
    assert environment["LINGUA_HTTPS"] == "off"
    assert environment["LINGUA_CHANNEL_CAPACITY"] == "20000"
    assert pod["imagePullSecrets"] == [{"name": "r"}]
    assert pod["nodeSelector"] == {"disk": "ssd"}
    assert told["Job"]["spec"]["template"]["spec"]["tolerations"] == pod["tolerations"]
    assert told["PodDisruptionBudget"]["spec"]["minAvailable"] == 4
    assert told["Service"]["spec"]["selector"] == {"app": "speech"}
    (rule,) = told["Ingress"]["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert rule["host"] == "talk.example.org"
    assert path["backend"]["service"]["name"] == told["Service"]["metadata"]["name"]


def test_one_instance_has_no_budget() -> None:
    assert "PodDisruptionBudget" not in render("--set", "replicas=1")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--set", "replica=3"), "replica"),
        (("--set", "replicas=many"), "replicas"),
        (("--set", "replicas=0"), "replicas"),
        (("--set", "replicas=2,minAvailable=2"), "minAvailable"),
        (("--set", "secretName="), "secretName"),
        (("--set", "server=gunicorn"), "server"),
        (("--set-string", "settings.SECRET_KEY=x"), "SECRET_KEY"),
        (("--set", "settings.LINGUA_PORT=5"), "LINGUA_PORT"),
        (("--set", "ingress.enabled=true"), "ingress.host"),
        (("--set", "ingress.hosts=x"), "hosts"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(words: tuple[str, ...], named: str) -> None:
    assert named in refuse(*words)
