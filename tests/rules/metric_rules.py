"""The rule of metrics: each is counted under a known name, in its kind, with exactly its labels."""

import ast
from collections.abc import Collection, Iterator
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
        name, tree = name_module(root, path), ast.parse(path.read_text())
        receivers = _list_receivers(tree) if name not in COMPUTED else frozenset()
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node in ast.walk(tree):
            for fault in _find_faults(node, receivers):
                yield f"{name}:{getattr(node, 'lineno', 0)} {fault}"
            if _takes_method(node, called):
                yield f"{name}:{getattr(node, 'lineno', 0)} takes a method of metrics; call it"


def _find_faults(node: ast.AST, receivers: Collection[str]) -> Iterator[str]:
    if isinstance(node, ast.Call):
        yield from _find_faults_of_call(node, receivers)
    elif isinstance(node, ast.FunctionDef) and node.returns and _is_gauges(node.returns):
        for inner in ast.walk(node):
            keys = inner.keys if isinstance(inner, ast.Dict) else []
            for key in keys:
                if isinstance(key, ast.Tuple) and key.elts:
                    yield from _judge(key.elts[0], key.elts[1:], kind="gauge")


def _find_faults_of_call(call: ast.Call, receivers: Collection[str]) -> Iterator[str]:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _KINDS:
        return
    verb, receiver = call.func.attr, call.func.value
    named = [*call.args, *(word.value for word in call.keywords if word.arg in {None, "name"})]
    if not named:
        return
    if call.args and _is_text(named[0]) and not isinstance(receiver, ast.Constant):
        yield from _judge(named[0], call.args[_FIRST_LABEL[verb] :], kind=_KINDS[verb])
    elif ast.unparse(receiver) in receivers:
        yield f"computes the name of a metric: {ast.unparse(named[0])}"


def _list_receivers(tree: ast.Module) -> frozenset[str]:
    """Return the expressions of a module that are metrics, or were made the same as some."""
    expressions = [node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)]
    known = {text for node in expressions if (text := ast.unparse(node)).endswith("metrics")}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and ast.unparse(node.annotation or node).endswith("Metrics"):
            known.add(node.arg)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.value) in known:
            known |= {ast.unparse(target) for target in node.targets}
    return frozenset(known)


def _takes_method(node: ast.AST, called: Collection[int]) -> bool:
    """Say whether a way to count is named without the metric, so that nobody could judge it."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
        return any(isinstance(word, ast.Constant) and word.value in _KINDS for word in node.args)
    return isinstance(node, ast.Attribute) and node.attr in _KINDS and id(node) not in called


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
