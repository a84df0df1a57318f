"""Reads what deploy/ ships: compose.yaml, the Dockerfile, the pods, the unit."""

import configparser
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<how>:\?|:-)(?P<default>[^}]*))?\})")


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service of compose, with the variables of its file filled in."""

    name: str
    image: str
    command: list[str]
    environment: dict[str, str]
    needs: dict[str, str]
    healthcheck: list[str]
    mounts: dict[str, str] = field(default_factory=dict)
    address: str = ""
    stop_after_s: float = 10.0

    @property
    def kind(self) -> str:
        """Return the image's name without registry and version."""
        return self.image.rpartition("/")[2].partition(":")[0]


@dataclass(frozen=True, kw_only=True)
class Image:
    """What the Dockerfile says."""

    installs: list[list[str]]
    environment: dict[str, str]
    command: list[str]
    healthcheck: list[str]
    left_out: list[str]


def read_compose(variables: Mapping[str, str]) -> dict[str, Service]:
    """Return the services by name.

    :raises KeyError: a variable that the file insists on is not given
    """
    told = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    image = read_image()
    services = {}
    for name, raw in told["services"].items():
        one = _fill(raw, variables)
        is_ours = "build" in one
        check = one.get("healthcheck", {})
        tested = [] if check.get("disable") else check.get("test", ["CMD"])[1:]
        services[name] = Service(
            name=name,
            image=one["image"],
            command=_words(one.get("command", image.command if is_ours else [])),
            environment=(image.environment if is_ours else {})
            | {key: str(value) for key, value in (one.get("environment") or {}).items()},
            needs={other: how["condition"] for other, how in _table(one.get("depends_on")).items()},
            healthcheck=tested or (image.healthcheck if is_ours and "disable" not in check else []),
            mounts={
                target: source
                for source, target in (
                    volume.split(":")[:2] for volume in one.get("volumes", ()) if volume[0] == "."
                )
            },
            address=(_table(one["networks"]).get("lingua") or {}).get("ipv4_address", ""),
            stop_after_s=float(str(one.get("stop_grace_period", "10s")).rstrip("s")),
        )
    return services


def read_subnet() -> str:
    """Return what the fixed addresses of compose begin with."""
    told = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    subnet: str = told["networks"]["lingua"]["ipam"]["config"][0]["subnet"]
    return subnet.rpartition(".")[0] + "."


def read_image() -> Image:
    """Return what the Dockerfile does and starts."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    steps = [line.split(maxsplit=1) for line in text.splitlines() if line and line[0] != "#"]
    runs = [rest for word, rest in steps if word == "RUN"]
    told = dict(steps)
    return Image(
        installs=[shlex.split(run) for run in runs if run.startswith("pip install")],
        environment=dict(pair.split("=", 1) for pair in shlex.split(told["ENV"])),
        command=yaml.safe_load(told["CMD"]),
        healthcheck=yaml.safe_load(told["HEALTHCHECK"].partition("CMD ")[2]),
        left_out=[
            line
            for line in (ROOT / ".dockerignore").read_text().splitlines()
            if line and line[0] != "#"
        ],
    )


def read_kubernetes(kind: str) -> dict[str, Any]:
    """Return the one manifest of a kind."""
    every = yaml.safe_load_all((DEPLOY / "kubernetes" / "lingua.yaml").read_text())
    (found,) = [each for each in every if each["kind"] == kind]
    return found


def read_secret_of_the_pods() -> dict[str, str]:
    """Return what the manifest's head tells to put into the secret."""
    text = (DEPLOY / "kubernetes" / "lingua.yaml").read_text().replace("\\\n#", " ")
    pairs = re.findall(r"--from-literal=(\w+)=(\S+)", text)
    return dict(pairs)


def read_unit(instance: str) -> dict[str, str]:
    """Return the unit's service part as systemd fills it in for one instance."""
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as its documentation says
    unit.read(DEPLOY / "systemd" / "lingua@.service")
    return {
        name: value.replace("%i", instance).replace("%H", "host")
        for name, value in unit["Service"].items()
    }


def read_environment_example() -> dict[str, str]:
    """Return the environment that the unit's instances start with, as the example has it."""
    lines = (DEPLOY / "systemd" / "environment.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and line[0] != "#")


def _fill(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _look_up(found, variables), value)
    if isinstance(value, list):
        return [_fill(each, variables) for each in value]
    if isinstance(value, dict):
        return {key: _fill(each, variables) for key, each in value.items()}
    return value


def _look_up(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found[0] == "$$":
        return "$"
    given = variables.get(found["name"], "")
    if not given and found["how"] == ":?":
        raise KeyError(found["name"])
    return given or found["default"] or ""


def _words(command: str | list[str]) -> list[str]:
    return shlex.split(command) if isinstance(command, str) else command


def _table(value: Any) -> dict[str, Any]:
    return dict.fromkeys(value) if isinstance(value, list) else value or {}
