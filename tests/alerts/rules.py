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
_GROUPED_BY = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_SELECTED_BY = re.compile(r"(\w+)\s*(?:=|!=|=~|!~)\s*\"")
# Not ours: Prometheus says where a figure was read, and a histogram where its buckets end.
_LABELS_OF_OTHERS = frozenset({"instance", "job", "le"})


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


def list_unknown_labels(expression: str) -> set[str]:
    """Return the labels in an expression that none of the metrics it names has."""
    grouped = (
        label.strip() for list_ in _GROUPED_BY.findall(expression) for label in list_.split(",")
    )
    asked_for = {*grouped, *_SELECTED_BY.findall(expression)}
    known = {
        label
        for name, metric in METRICS.items()
        if re.search(rf"\b{PREFIX}{name}(?:_bucket|_sum|_count)?\b", expression)
        for label in metric.labels
    }
    return asked_for - known - _LABELS_OF_OTHERS


def _is_exported(name: str) -> bool:
    plain = name.removeprefix(PREFIX)
    for suffix in ("_bucket", "_sum", "_count"):
        stem = plain.removesuffix(suffix)
        if stem != plain and stem in METRICS and METRICS[stem].kind == "histogram":
            return True
    return plain in METRICS and METRICS[plain].kind != "histogram"
