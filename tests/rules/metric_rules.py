"""The rule of metrics: each is counted under a known name, in its kind, with exactly its labels."""

import ast
from collections.abc import Iterator
from pathlib import Path

from operators.console.metric_names import METRICS, PREFIX, Metric
from tests.rules.python_rules import PACKAGES, PROJECTS, list_modules, name_module

_KINDS = {"count": "counter", "gauge": "gauge", "observe": "histogram"}
# `gauge` and `observe` take a value between the name and the labels.
_FIRST_LABEL = {"count": 1, "gauge": 2, "observe": 2}

# Packages of their own count nothing in our table.
_FOLDERS = tuple(package for package in PACKAGES if package not in PROJECTS)

# Where the name of a metric is not written in the call, and where it comes from.
COMPUTED = {
    "lingua/composition/inbox_meter.py": "the names are those of `LayerFigures.count_moved`",
    "lingua/composition/process_messages.py": "what another process counted by these rules",
    "scheduling/fleet/unavailable_services.py": "the names are those of its table `_BY`",
}


def metrics_have_exactly_their_labels(root: Path) -> Iterator[str]:
    """Yield each use of a metric that the table of metrics does not know in this form."""
    for path in list_modules(root, folders=_FOLDERS):
        name = name_module(root, path)
        for node in ast.walk(ast.parse(path.read_text())):
            for fault in _find_faults(node, name):
                yield f"{name}:{getattr(node, 'lineno', 0)} {fault}"


def _find_faults(node: ast.AST, name: str) -> Iterator[str]:
    if isinstance(node, ast.Call):
        yield from _find_faults_of_call(node, name)
    elif isinstance(node, ast.FunctionDef) and node.returns and _is_gauges(node.returns):
        for inner in ast.walk(node):
            keys = inner.keys if isinstance(inner, ast.Dict) else []
            for key in keys:
                if isinstance(key, ast.Tuple) and key.elts:
                    yield from _judge(key.elts[0], key.elts[1:], kind="gauge")


def _find_faults_of_call(call: ast.Call, name: str) -> Iterator[str]:
    verb, receiver = _read_call(call)
    if verb not in _KINDS or not call.args:
        return
    first = call.args[0]
    if _is_text(first) and not isinstance(receiver, ast.Constant):
        yield from _judge(first, call.args[_FIRST_LABEL[verb] :], kind=_KINDS[verb])
    elif name not in COMPUTED and receiver and ast.unparse(receiver).endswith("metrics"):
        yield f"computes the name of a metric: {ast.unparse(first)}"


def _read_call(call: ast.Call) -> tuple[str, ast.expr | None]:
    """Return what is called, and on what; nothing where it was taken from its object before."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr, call.func.value
    return (call.func.id, None) if isinstance(call.func, ast.Name) else ("", None)


def _judge(named: ast.expr, labels: list[ast.expr], *, kind: str) -> Iterator[str]:
    text = named.value if isinstance(named, ast.Constant) else ""
    metric: Metric | None = METRICS.get(str(text))
    if metric is None:
        yield f"uses the metric {text!r}, which operators/console/metric_names.py does not have"
        return
    if metric.kind != kind:
        yield f"uses {PREFIX}{text} as a {kind}; it is a {metric.kind}"
    if any(isinstance(label, ast.Starred) for label in labels):
        yield f"unpacks the labels of {PREFIX}{text}; write each of {metric.labels}"
    elif len(labels) != len(metric.labels):
        yield f"gives {PREFIX}{text} {len(labels)} labels; it has {metric.labels}"


def _is_gauges(annotation: ast.expr) -> bool:
    return ast.unparse(annotation) == "Gauges"


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
