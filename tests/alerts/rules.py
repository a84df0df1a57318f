"""The shipped rules and panels, and the metrics each of them names."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from operators.console.metric_names import METRICS, PREFIX

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
PANELS = DEPLOY / "grafana" / "lingua.json"
_NAME = re.compile(rf"\b{PREFIX}\w+")


def list_rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(RULES.read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def list_expressions() -> Iterator[str]:
    """Yield what every rule and every panel asks Prometheus."""
    for rule in list_rules():
        yield rule["expr"]
    for panel in json.loads(PANELS.read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def list_unknown_names(expression: str) -> set[str]:
    """Return the names of ours in an expression that no instance exports."""
    return {name for name in _NAME.findall(expression) if not _is_exported(name)}


def _is_exported(name: str) -> bool:
    plain = name.removeprefix(PREFIX)
    for suffix in ("_bucket", "_sum", "_count"):
        stem = plain.removesuffix(suffix)
        if stem != plain and stem in METRICS and METRICS[stem].kind == "histogram":
            return True
    return plain in METRICS and METRICS[plain].kind != "histogram"
