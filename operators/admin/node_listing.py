"""A list of nodes as the admin shows it: searched, filtered, sorted, one page of it."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

Json = dict[str, Any]
SEARCH, PAGE, ORDER = "q", "p", "o"
PAGE_SIZE = 100


def _say_standing(node: Json) -> str:
    return str(node.get("standing", {}).get("state", ""))


def _how_slow(node: Json) -> float:
    """Return how many times as long as the median it takes; who is not known comes last."""
    latest = next(iter(node.get("speeds", ())), None)
    return latest["ms_per_second"] / latest["median_ms_per_second"] if latest else math.inf


_FILTERS: Mapping[str, Callable[[Json], Iterable[str]]] = {
    "status": lambda node: [node["status"]],
    "standing": lambda node: [_say_standing(node)],
    "service": lambda node: sorted({row["service_type"] for row in node["services"]}),
    "language": lambda node: node["languages"],
    "instance": lambda node: [node["instance_id"]],
}
_COLUMNS: Mapping[str, Callable[[Json], Any]] = {
    "node": lambda node: node["node_id"],
    "status": lambda node: node["status"],
    "slots": lambda node: node["max_concurrent_jobs"] - node["current_jobs"],
    "standing": _say_standing,
    "speed": _how_slow,
    "heartbeat": lambda node: -node["last_heartbeat"],
}

_TITLES = {
    "status": _("Status"),
    "standing": _("Standing"),
    "service": _("Service"),
    "language": _("Language"),
    "instance": _("Instance"),
    "node": _("Node"),
    "slots": _("Slots"),
    "speed": _("Speed"),
    "heartbeat": _("Heartbeat"),
}

# What a node's status and standing are called; beside them there is nothing to be translated.
_STATES = {
    "Ready": _("Ready"),
    "Degraded": _("Degraded"),
    "Draining": _("Draining"),
    "Cordoned": _("Cordoned"),
    "Offline": _("Offline"),
    "Registering": _("Registering"),
    "good": _("good"),
    "probation": _("probation"),
    "quarantine": _("quarantine"),
    "trial": _("trial"),
}


class ListChoice(msgspec.Struct, frozen=True):
    """One link beside the list, or above it."""

    text: str
    query: str
    selected: bool


class NodeListing(msgspec.Struct, frozen=True):
    """What the page shows; `matching` counts the nodes of all its pages."""

    rows: list[Json]
    total: int
    matching: int
    search: str
    filters: list[tuple[str, list[ListChoice]]]
    columns: dict[str, ListChoice]
    pages: list[ListChoice]
    kept: list[tuple[str, str]]


def list_nodes(nodes: Sequence[Json], asked: QueryDict) -> NodeListing:
    """Return the part of `nodes` a query string asks for; what it does not know it ignores."""
    chosen = {name: value for name in _FILTERS if (value := asked.get(name))}
    found = [node for node in nodes if _fits(node, chosen) and _has(node, asked.get(SEARCH, ""))]
    order = asked.get(ORDER, "")
    column = order.removeprefix("-")
    if column in _COLUMNS:
        found.sort(key=_COLUMNS[column], reverse=order.startswith("-"))
    count = max(math.ceil(len(found) / PAGE_SIZE), 1)
    number = asked.get(PAGE, "")
    page = min(max(int(number), 1), count) if number.isascii() and number.isdigit() else 1
    return NodeListing(
        rows=found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE],
        total=len(nodes),
        matching=len(found),
        search=asked.get(SEARCH, ""),
        filters=[(str(_TITLES[name]), _list_choices(name, nodes, asked)) for name in _FILTERS],
        columns={name: _sort_by(name, order, asked) for name in _COLUMNS},
        pages=[
            ListChoice(text=str(each), query=_query(asked, PAGE, str(each)), selected=each == page)
            for each in range(1, count + 1)
        ],
        kept=[(name, asked.get(name, "")) for name in asked if name not in {SEARCH, PAGE}],
    )


def _fits(node: Json, chosen: Mapping[str, str]) -> bool:
    return all(wanted in _FILTERS[name](node) for name, wanted in chosen.items())


def _has(node: Json, search: str) -> bool:
    """Say whether every word that is searched for is somewhere in the row."""
    services = (row["service_id"] for row in node["services"])
    told = [node["node_id"], node["status"], node["platform"], *node["languages"], *services]
    text = " ".join(told).lower()
    return all(word in text for word in search.lower().split())


def _list_choices(name: str, nodes: Sequence[Json], asked: QueryDict) -> list[ListChoice]:
    values = sorted({value for node in nodes for value in _FILTERS[name](node)})
    chosen = asked.get(name, "")
    return [
        ListChoice(
            text=str(_STATES.get(value, value) or _("All")),
            query=_query(asked, name, value),
            selected=value == chosen,
        )
        for value in ("", *values)
    ]


def _sort_by(name: str, order: str, asked: QueryDict) -> ListChoice:
    turned = f"-{name}" if order == name else name
    return ListChoice(
        text=str(_TITLES[name]),
        query=_query(asked, ORDER, turned),
        selected=order.removeprefix("-") == name,
    )


def _query(asked: QueryDict, name: str, value: str) -> str:
    """Return the query string with one thing changed; any change begins at the first page."""
    changed = asked.copy()
    changed.pop(PAGE, None)
    changed.pop(name, None)
    if value:
        changed[name] = value
    return "?" + changed.urlencode()
