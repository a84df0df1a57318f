"""Metrics are counted as the table of metrics says, and a wrong use is seen."""

from pathlib import Path

import pytest

from tests.rules.metric_rules import COMPUTED, metrics_have_exactly_their_labels
from tests.rules.python_rules import locate

ROOT = Path(__file__).parents[2]
_GAUGES = "def read(self) -> Gauges:\n    return {{{}: 1}}\n"

FAULTS = [
    ("an unknown name", "metrics.count('jobs_totl', 'done')", "does not have"),
    ("a label too few", "self._metrics.count('jobs_total')", "0 labels"),
    ("a label too many", "metrics.count('spread_skips_total', 'en')", "1 labels"),
    ("a histogram's label too many", "metrics.observe('job_duration_seconds', 1, 'x')", "1 labels"),
    ("a gauge's label too few", "self.gauge('leader_state', 1)", "0 labels"),
    ("another kind", "metrics.gauge('jobs_total', 3, 'done')", "it is a counter"),
    ("unpacked labels", "metrics.count('jobs_total', *labels)", "unpacks"),
    ("a computed name", "metrics.count(name)", "computes"),
    ("a computed name of another name", "m = self._metrics\nm.observe(name, 1)", "computes"),
    ("a computed name of an argument", "def f(m: Metrics):\n    m.count(f'{x}_total')", "computes"),
    ("a chosen name", "metrics.count('jobs_total' if x else 'y', 'done')", "computes"),
    ("unpacked words", "metrics.count(**told)", "computes"),
    ("a method taken before", "count = metrics.count\ncount('jobs_total')", "takes a method"),
    ("a method kept", "self._tell = metrics.count\nself._tell('x', 'a', 'b')", "takes a method"),
    ("a method handed on", "tell(by=self._metrics.observe)", "takes a method"),
    ("a method by its name", "getattr(metrics, 'gauge')('x', 1)", "takes a method"),
    ("a read gauge without its label", _GAUGES.format("('nodes_total',)"), "0 labels"),
    ("a read gauge nobody knows", _GAUGES.format("('nodes',)"), "does not have"),
]
ALLOWED = [
    "metrics.count('jobs_total', state.lower(), by=2)",
    "metrics.observe('redis_op_duration_seconds', took_ms / 1000, 'pipeline')",
    "'a,b'.count('a')\nfields.count(letter)\nitertools.count(1)",
    _GAUGES.format("('sockets', 'node')"),
]


def _plant(tmp_path: Path, text: str) -> list[str]:
    path = locate(tmp_path, "nodes/planted.py")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return list(metrics_have_exactly_their_labels(tmp_path))


@pytest.mark.req("O1")
def test_the_tree_counts_each_metric_with_exactly_its_labels() -> None:
    assert list(metrics_have_exactly_their_labels(ROOT)) == []


@pytest.mark.parametrize(
    ("text", "message"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_a_wrong_use_is_found(text: str, message: str, tmp_path: Path) -> None:
    found = _plant(tmp_path, text)

    assert len(found) == 1
    assert message in found[0]
    assert found[0].startswith("nodes/planted.py:")


@pytest.mark.parametrize("text", ALLOWED)
def test_a_right_use_is_no_fault(text: str, tmp_path: Path) -> None:
    assert _plant(tmp_path, text) == []


def test_names_are_computed_only_where_it_is_said_why() -> None:
    assert all(locate(ROOT, name).is_file() for name in COMPUTED)
